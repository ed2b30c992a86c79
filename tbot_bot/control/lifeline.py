"""The child's end of the lifeline: when the parent's end closes, we end too."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_STANDARD_INPUT = 0
_READ_BYTES = 4096


def watch(on_gone: Callable[[], None]) -> None:
    """Call `on_gone` once standard input ends: our parent is gone, or wants us gone. What it says is not for us."""

    def wait() -> None:
        # the bare descriptor: a buffered reader would hold its lock when the interpreter ends
        while os.read(_STANDARD_INPUT, _READ_BYTES):
            pass
        on_gone()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
