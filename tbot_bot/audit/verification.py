"""Whether the chain is whole: every hash, every checkpoint, every key.

What it finds: an entry that was changed, moved, removed or put in, and an end cut off before the last checkpoint. With
the sealing key also entries after the last checkpoint that another hand wrote together with their hashes.
What it cannot find alone: an end cut off after the last checkpoint, or together with its checkpoints. Whoever remembers
a later entry (the runner's own record does, or a copy of a checkpoint kept elsewhere) shows those.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tbot_bot.audit.chain import PROBE, is_signed, link, seal_of, statement_of
from tbot_bot.audit.keys import ChainKey, KeyRefusedError, Signer, succession
from tbot_bot.domain.audit import NO_HASH, AuditRow, AuditStore, Checkpoint

#: No more entries than this stand without a checkpoint.
ENTRIES_PER_CHECKPOINT = 100
_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Verification:
    """The finding: how many entries were checked, where the chain ends, and the first place that is wrong."""

    ok: bool
    checked: int
    head: int
    first_bad_seq: int | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class VerificationOrder:
    """What it takes to verify: the sealing key, and the present checkpoint key's id with its signature of the probe."""

    key: bytes
    key_id: str
    probe: bytes

    def sign(self, _probe: bytes) -> tuple[str, bytes]:
        """Answer as the signer does; a verification has nothing signed but the probe."""
        return self.key_id, self.probe


class _BrokenError(Exception):
    def __init__(self, seq: int, what: str) -> None:
        super().__init__(what)
        self.seq = seq


def verify_chain(
    store: AuditStore,
    signer: Signer,
    after: int = 0,
    *,
    key: bytes | None = None,
    progress: Callable[[int, int], None] = lambda _checked, _of: None,
) -> Verification:
    """Check all entries after `after`, which was found good before, and all checkpoints over them.

    `key` is the home's sealing key; without it only what anyone can check is checked. `progress` is told now and then
    how many entries of how many were checked.
    """
    check = _Check(store, signer, after, key, progress)
    try:
        check.entries()
        check.signatures()
        check.present_key()
    except _BrokenError as broken:
        return Verification(False, check.checked, check.head.seq, broken.seq, str(broken))
    return Verification(True, check.checked, check.head.seq)


class _Check:
    """One verification; head and checkpoints are read first, so that what is added meanwhile does not matter."""

    def __init__(
        self, store: AuditStore, signer: Signer, after: int, key: bytes | None, progress: Callable[[int, int], None]
    ) -> None:
        self._progress = progress
        self._store = store
        self._signer = signer
        self._after = after
        self._key = key
        self.head = store.head()
        last = self.head.checkpoint.seq if self.head.checkpoint else 0
        # The last checkpoint before `after` lies no further back than this: where what is new must join.
        since = max(0, after - 2 * ENTRIES_PER_CHECKPOINT)
        self._checkpoints = [each for each in store.checkpoints(since) if each.seq <= last]
        self._joins = 0 if since == 0 or not self._checkpoints else self._checkpoints[0].previous
        self._hashes: dict[int, bytes] = {}
        self.checked = 0

    def entries(self) -> None:
        """Follow the hashes to the head, and keep those that checkpoints speak of."""
        if self.head.seq == 0:
            raise _BrokenError(1, "the chain is empty: its first entry is missing")
        wanted = {checkpoint.seq for checkpoint in self._checkpoints}
        previous = self._start()
        for row in self._rows():
            expected = self._after + self.checked + 1
            if row.seq != expected:
                raise _BrokenError(expected, f"entry {expected} is missing; the next one there is {row.seq}")
            if link(previous, row.seq, row.body) != row.hash:
                raise _BrokenError(row.seq, f"entry {row.seq} is not what was written there after the one before it")
            if self._key is not None and not hmac.compare_digest(seal_of(self._key, row.hash), row.seal):
                raise _BrokenError(row.seq, f"entry {row.seq} was not written by this system")
            previous = row.hash
            if row.seq in wanted:
                self._hashes[row.seq] = row.hash
            self.checked += 1

    def signatures(self) -> None:
        """Check each checkpoint against the entries and against the key that was in force."""
        keys = self._keys()
        previous = self._joins
        for checkpoint in self._checkpoints:
            if checkpoint.previous != previous:
                raise _BrokenError(
                    checkpoint.seq, f"a checkpoint between entries {previous} and {checkpoint.seq} is gone"
                )
            if checkpoint.seq > self._after:
                self._signature(checkpoint, keys)
            previous = checkpoint.seq
        if self.head.seq - previous > ENTRIES_PER_CHECKPOINT:
            raise _BrokenError(previous + 1, f"the entries after {previous} have no checkpoint, and there are too many")

    def present_key(self) -> None:
        """Check that the chain's newest key is the one that signs today: a chain made anew has another."""
        newest = self._keys()[-1]
        key_id, signature = self._signer(PROBE)
        if key_id != newest.key_id or not is_signed(newest.public_key, signature.hex(), PROBE):
            raise _BrokenError(newest.since, f"the key of entry {newest.since} is not the present checkpoint key")

    def _start(self) -> bytes:
        if self._after == 0:
            return NO_HASH
        for row in self._store.rows(self._after - 1, 1):
            if row.seq == self._after:
                return row.hash
        raise _BrokenError(self._after, f"entry {self._after}, where the check was to begin, is missing")

    def _rows(self) -> Iterator[AuditRow]:
        position = self._after
        while position < self.head.seq:
            page = self._store.rows(position, min(_PAGE, self.head.seq - position))
            if not page:
                raise _BrokenError(position + 1, f"entry {position + 1} and those after it are missing")
            yield from page
            position = page[-1].seq
            self._progress(self.checked, self.head.seq - self._after)

    def _keys(self) -> list[ChainKey]:
        rows = [row for row in self._store.key_rows() if row.seq <= self.head.seq]
        try:
            keys = succession(rows, self._after)
        except KeyRefusedError as error:
            raise _BrokenError(error.seq, str(error)) from error
        if not keys or keys[0].since != 1:
            raise _BrokenError(1, "the first entry does not introduce a checkpoint key")
        return keys

    def _signature(self, checkpoint: Checkpoint, keys: list[ChainKey]) -> None:
        seq = checkpoint.seq
        if seq > self.head.seq:
            raise _BrokenError(self.head.seq + 1, f"the end is cut off: a checkpoint covers entry {seq}")
        if self._hashes[seq] != checkpoint.hash:
            raise _BrokenError(seq, f"entries up to {seq} were rewritten: the checkpoint there covers others")
        key = next(key for key in reversed(keys) if key.since <= seq)
        if key.key_id != checkpoint.key_id or not is_signed(
            key.public_key, checkpoint.signature.hex(), statement_of(checkpoint)
        ):
            raise _BrokenError(seq, f"the checkpoint at entry {seq} is not signed by the key in force")
