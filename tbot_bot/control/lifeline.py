"""The child's end of the lifeline: when the parent's end closes, we end too."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


def watch(on_gone: Callable[[], None]) -> None:
    """Call `on_gone` once standard input ends: our parent is gone, or wants us gone. Lines are not for us."""

    def wait() -> None:
        for _line in sys.stdin.buffer:
            pass
        on_gone()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
