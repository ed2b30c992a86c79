"""A bound on the whole of a call to the outside: its steps and a name look-up have only limits of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable


def bounded(work: Callable[[], None], timeout_s: int, name: str) -> None:
    """Do `work` in a thread and wait for it; raises what it raised, or TimeoutError when it takes longer.

    Work that takes longer is left to its own limits and ends with the process at the latest.
    """
    found: list[BaseException | None] = []

    def attempt() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that waits
            found.append(error)
        else:
            found.append(None)

    thread = threading.Thread(target=attempt, name=name, daemon=True)
    thread.start()
    thread.join(timeout_s)
    error = found[0] if found else TimeoutError()
    if error is not None:
        raise error
