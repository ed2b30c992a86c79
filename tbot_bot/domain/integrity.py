"""What another hand changed behind the system's back.

TamperedError   what is stored is not what was written there: it is not used
"""

from __future__ import annotations


class TamperedError(Exception):
    """Something stored is not as the system left it; `subject` says which part, `what` what is wrong with it."""

    def __init__(self, subject: str, what: str) -> None:
        super().__init__(
            f"{subject}: {what}. It was changed behind the system's back, so nothing is done with it. Put it back as "
            "it was or restore it from a backup, and find out who wrote to it."
        )
        self.subject = subject
        self.what = what
