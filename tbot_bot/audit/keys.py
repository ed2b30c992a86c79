"""The checkpoint keys of a chain: the first stands in its first entry, each later one is endorsed by the one before.

KeyRefusedError   a key that is not what it claims to be, or that its predecessor did not endorse
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tbot_bot.audit.chain import is_signed, key_statement
from tbot_bot.domain.audit import AuditRow, RefusedError

#: Signs bytes with the present checkpoint key: its id, and the Ed25519 signature.
Signer = Callable[[bytes], tuple[str, bytes]]


class KeyRefusedError(RefusedError):
    """A checkpoint key that cannot follow the chain's present one; `seq` is the entry that names it, if one does."""

    code = "audit_key_refused"

    def __init__(self, message: str, seq: int = 0) -> None:
        super().__init__(message)
        self.seq = seq


@dataclass(frozen=True, slots=True)
class ChainKey:
    """A key in force for checkpoints from entry `since` on, and its predecessor's signature."""

    since: int
    key_id: str
    public_key: str
    endorsement: str = ""

    def detail(self) -> dict[str, object]:
        """What the entry that introduces it says."""
        return {"key_id": self.key_id, "public_key": self.public_key, "endorsement": self.endorsement}

    def follows(self, previous: ChainKey) -> bool:
        """Whether the previous key endorsed this one."""
        return is_signed(previous.public_key, self.endorsement, key_statement(self.public_key))


def key_of(row: AuditRow) -> ChainKey:
    """The key that an entry introduces; raises KeyRefusedError if it names none."""
    try:
        detail = json.loads(row.body)["detail"]
        return ChainKey(row.seq, *(str(detail[name]) for name in ("key_id", "public_key", "endorsement")))
    except (ValueError, KeyError, TypeError) as error:
        raise KeyRefusedError(f"entry {row.seq} should introduce a checkpoint key, but names none", row.seq) from error


def succession(rows: Iterable[AuditRow], after: int = 0) -> list[ChainKey]:
    """The keys that these entries introduce, oldest first; raises KeyRefusedError where one was not endorsed.

    Entries up to `after` were found good before.
    """
    keys: list[ChainKey] = []
    for row in rows:
        key = key_of(row)
        if keys and row.seq > after and not key.follows(keys[-1]):
            raise KeyRefusedError(f"the key of entry {row.seq} is not endorsed by the one before it", row.seq)
        keys.append(key)
    return keys
