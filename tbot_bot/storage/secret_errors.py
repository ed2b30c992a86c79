"""Failures of the secrets store; each says what stands, and what to do next.

SecretStoreError
+-- StoreBusyError             another process is changing the secrets
+-- StoreUnreadableError       the disk refused an operation
+-- NoGenerationError          the home is empty: no keys were ever made
+-- GenerationInvalidError     a file is not what was written
+-- SecretNameError            a category with a name that cannot be a file's
+-- RotationFailedError        nothing was changed
+-- ClockSetBackError          the clock says a time that is over
+-- RotationIndeterminateError the disk failed at the last step; which generation a power loss keeps is unknown
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tbot_bot.domain.time import to_rfc3339

#: Clocks are corrected by seconds; what is more was set back.
CLOCK_SLACK = timedelta(minutes=5)


class SecretStoreError(Exception):
    """Something about keys and secrets went wrong; the message is for the operator."""


class StoreBusyError(SecretStoreError):
    """Another process holds the lock."""

    def __init__(self) -> None:
        super().__init__(
            "Another process is changing the keys and secrets of this home. Nothing was changed here. "
            "Wait until it is done; if no other runner should be running, stop it."
        )


class StoreUnreadableError(SecretStoreError):
    """The operating system refused an operation on the store."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"The store of keys and secrets cannot be used: {error}. What is stored was not changed. "
            "Check the disk and the permissions of the storage folder, then start again."
        )


class NoGenerationError(SecretStoreError):
    """No generation was ever made in this home."""

    def __init__(self) -> None:
        super().__init__("This home has no keys yet. They are made at the first start, before anything is served.")


class GenerationInvalidError(SecretStoreError):
    """A file of the store is not what was written: `file` names it, `fault` says what is wrong with it."""

    def __init__(self, number: int | None, file: str, fault: str) -> None:
        where = "The store of keys and secrets" if number is None else f"Generation {number} of the secrets"
        super().__init__(
            f"{where} is not as it was written: {file} {fault}. Nothing is served from it, and no other generation "
            "takes its place by itself. Put the file back from a backup of the storage folder, or restore a "
            "generation as the runbook describes."
        )
        self.number = number
        self.file = file
        self.fault = fault


class SecretNameError(SecretStoreError):
    """A category of secrets whose name is not lower-case letters, digits and `_`, or is a key's own name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} cannot name a category of secrets. Nothing was changed.")


class RotationFailedError(SecretStoreError):
    """The rotation did not happen: the generation before it stands, whole."""

    def __init__(self, why: str, number: int | None) -> None:
        stands = "No generation was made" if number is None else f"Generation {number} stands, nothing was changed"
        super().__init__(f"The keys and secrets were not rotated: {why}. {stands}. Put that right and try again.")


class RotationIndeterminateError(SecretStoreError):
    """The new generation is in place, but the disk did not confirm it, and asking anew failed too."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"The disk failed while generation {number} was put in place. It or the one before it is whole, but which "
            "one a power loss would keep is unknown. Nothing privileged is done until the runner was started again; "
            "check the disk first. Orders and positions are not affected."
        )
        self.number = number


class ClockSetBackError(SecretStoreError):
    """The clock is behind something that was recorded already; `what` happened at `then`."""

    def __init__(self, now: datetime, then: datetime, what: str) -> None:
        super().__init__(
            f"The clock was set back: it says {to_rfc3339(now)}, but {what} at {to_rfc3339(then)}. Nothing is changed "
            "and nothing is traded by a wrong clock. Set it right (for example with timedatectl set-ntp true) and try "
            "again; if the later time was the wrong one, wait until it is over or restore a backup from before it."
        )


def require_clock(now: datetime, then: datetime, what: str) -> None:
    """Raise ClockSetBackError if `what` happened later than now."""
    if now < then - CLOCK_SLACK:
        raise ClockSetBackError(now, then, what)
