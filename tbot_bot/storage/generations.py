"""The store of keys and secrets: whole generations on disk, and one pointer that says which of them counts.

    generations/000042/{keys/*.key, secrets/*.json.enc, MANIFEST.json}
    current -> generations/000042          the only thing that ever changes
    keys -> current/keys   secrets -> current/secrets

A rotation writes a complete new generation beside the old one and then swaps the pointer by one rename.
"""

from __future__ import annotations

import errno
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.time import Clock, from_rfc3339
from tbot_bot.storage.filesystem import (
    Filesystem,
    clear_for_link,
    make_folder,
    open_locked,
    opened,
    present,
    remove_tree,
    sync_folder,
)
from tbot_bot.storage.generation import KEYS, SECRETS, PinnedGeneration, checkpoint_key_in, pin
from tbot_bot.storage.generation_draft import Draft, Request, Rescue, compose, write
from tbot_bot.storage.keys import CheckpointKey
from tbot_bot.storage.secret_errors import (
    GenerationInvalidError,
    NoGenerationError,
    RotationFailedError,
    RotationIndeterminateError,
    SecretStoreError,
    StoreBusyError,
    StoreUnreadableError,
)

Contents = Mapping[str, Mapping[str, Any]]
#: A generation is kept for this long, and at least this many are kept.
KEEP_FOR = timedelta(days=30)
KEEP_NEWEST = 10
#: Free space asked for before a rotation, in sizes of the current generation.
SPACE_FACTOR = 3

_GENERATIONS = "generations"
_CURRENT = "current"
_POINTER_DRAFT = ".current.tmp"
_LOCK = ".lock"
_LINKS = {KEYS: f"{_CURRENT}/{KEYS}", SECRETS: f"{_CURRENT}/{SECRETS}"}
_NUMBER = re.compile(r"[0-9]{6,}")
_TARGET = re.compile(rf"{_GENERATIONS}/([0-9]{{6,}})")
_DEBRIS = (".partial", ".trash")


@dataclass(frozen=True, slots=True)
class Committed:
    """A generation that is durable; `repeated` when the request had made it before."""

    number: int
    manifest_sha256: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a start found: the generation that counts and was checked whole, and what lay beside it.

    `removed` was debris of interrupted work. `uncommitted` generations were written but never put in place; the next
    rotation removes them. `damaged` are older generations whose manifest cannot be trusted any more.
    """

    number: int
    manifest_sha256: str
    removed: tuple[str, ...] = ()
    uncommitted: tuple[int, ...] = ()
    damaged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Origin:
    """What is remembered of an older generation; it never changes."""

    request_id: str
    manifest_sha256: str
    created_at: str


class GenerationStore:
    """Keys and secrets under `storage_root` (a folder in an existing home); one process writes, any thread reads."""

    def __init__(self, storage_root: Path, *, clock: Clock, filesystem: Filesystem) -> None:
        self._root = storage_root
        self._generations = storage_root / _GENERATIONS
        self._clock = clock
        self._filesystem = filesystem
        self._threads = threading.Lock()
        self._origins: dict[int, _Origin] = {}
        self._unsettled: int | None = None

    def create_first(self, *, request_id: str, actor: str, reason: str, contents: Contents | None = None) -> Committed:
        """Make generation 0 (sealing, signing and checkpoint keys, and `contents`) on an empty home.

        Where a generation counts already it is returned as repeated; a generation 0 that a crash left without its
        pointer is put in place. Raises GenerationInvalidError when generations are there and the pointer is gone.
        """
        with _disk():
            make_folder(self._filesystem, self._root)
        with self._exclusive(), _disk():
            make_folder(self._filesystem, self._generations)
            sync_folder(self._filesystem, self._root.parent)
            sync_folder(self._filesystem, self._root)
            if self._pointed() is not None:
                with self.current() as pinned:
                    return Committed(pinned.number, pinned.manifest_sha256, repeated=True)
            self._sweep_debris()
            request = Request(request_id, actor, reason)
            made = self._adopt_first() or self._commit(compose(request, contents or {}, None, self._clock.now()), None)
            self._link()
            return made

    def recover(self) -> Recovery:
        """Clean up after an interrupted run, check the current generation whole, and make its pointer durable.

        Called at each start before anything is served. Raises NoGenerationError on an empty home and
        GenerationInvalidError when the current generation is not what was written; nothing takes its place.
        """
        with self._exclusive(), _disk():
            number = self._pointed()
            if number is None:
                self._require_first(self._numbers())
                raise NoGenerationError
            removed = self._sweep_debris()
            with self._pin(number) as pinned:
                pinned.verify()
                digest = pinned.manifest_sha256
            self._link()
            # A crash right after the swap leaves a pointer that everybody sees and a power loss would take back.
            sync_folder(self._filesystem, self._root)
            self._unsettled = None
            kept = self._numbers()
            damaged = tuple(one for one in kept if one < number and self._origin(one) is None)
            uncommitted = tuple(one for one in kept if one > number)
            return Recovery(number, digest, removed, uncommitted, damaged)

    @contextmanager
    def current(self) -> Iterator[PinnedGeneration]:
        """Hold the generation that counts now; what is read from it is of one piece, whatever is rotated meanwhile."""
        with _disk():
            number = self._pointed()
        if number is None:
            raise NoGenerationError
        with self._pin(number) as pinned:
            yield pinned

    def numbers(self) -> tuple[int, ...]:
        """Every generation that is kept, whole or not, oldest first."""
        with _disk():
            return tuple(self._numbers()) if present(self._filesystem, self._generations) else ()

    @contextmanager
    def pinned(self, number: int) -> Iterator[PinnedGeneration]:
        """Hold generation `number`, whether it counts or not; raises GenerationInvalidError."""
        with self._pin(number) as held:
            yield held

    def check(self) -> None:
        """See that pointer, links and current generation are as they were written; raises GenerationInvalidError."""
        with _disk():
            self._link()
        with self.current() as pinned:
            pinned.verify()

    def find(self, request_id: str) -> Committed | None:
        """The generation that this request made, None if no kept one names it."""
        with _disk():
            number = self._pointed()
            return None if number is None else self._made_by(request_id, number)

    def rotate(
        self,
        change: Callable[[Contents], Contents],
        *,
        request_id: str,
        reason: str,
        actor: str,
        after_effects: Sequence[Mapping[str, Any]] = (),
    ) -> Committed:
        """Replace all keys and re-encrypt all secrets, with `change` applied to them, in one atomic step.

        `change` gets every category, decrypted, and returns the new ones; what it raises passes through, and nothing
        was changed. A request id that made a kept generation returns that one. Only call it once the current
        generation was compared with the audit log: an uncommitted newer generation is removed here.
        Raises StoreBusyError, ClockSetBackError, RotationFailedError (the old generation stands) and
        RotationIndeterminateError.
        """
        with self._exclusive():
            self.require_settled()
            with self.current() as parent:
                parent.require_clock()
                with _failing(parent.number):
                    repeated = self._made_by(request_id, parent.number)
                    if repeated:
                        return repeated
                    self._sweep_debris()
                    self._sweep_uncommitted(parent.number)
                    self._require_space(parent)
                changed = change(parent.read_all())
                draft = compose(Request(request_id, actor, reason, after_effects), changed, parent, self._clock.now())
                return self._commit(draft, parent.number)

    def rescue(self, contents: Contents, request: Request, *, above: int, endorser: CheckpointKey) -> Committed:
        """Put `contents` in place as a generation above all others, although the present ones cannot be relied on.

        For a restore while nothing is served. Whatever stands in the place of the pointer or of a fixed link is moved
        aside. `endorser` is the key that the audit trail knows as the newest. Raises RotationFailedError,
        RotationIndeterminateError, StoreBusyError.
        """
        with _disk():
            make_folder(self._filesystem, self._root)
        with self._exclusive():
            with _disk():
                make_folder(self._filesystem, self._generations)
                self._sweep_debris()
                number = max([above, *self._numbers()]) + 1
                for name, target in {_CURRENT: "", **_LINKS}.items():
                    clear_for_link(self._filesystem, self._root / name, target, f".aside-{number:06d}")
            rescue = Rescue(number, endorser)
            committed = self._commit(compose(request, contents, None, self._clock.now(), rescue), None)
            with _disk():
                self._link()
                sync_folder(self._filesystem, self._root)
            self._unsettled = None
            return committed

    def checkpoint_keys(self) -> tuple[CheckpointKey, ...]:
        """Every checkpoint key that can still be read, the newest generation's first, whatever else is damaged."""
        if not present(self._filesystem, self._generations):
            return ()
        folders = (self._folder(number) for number in reversed(self._numbers()))
        found = (checkpoint_key_in(self._filesystem, folder) for folder in folders)
        return tuple(key for key in found if key)

    def require_settled(self) -> None:
        """Raise RotationIndeterminateError from a swap that the disk did not confirm until the next `recover`."""
        if self._unsettled is not None:
            raise RotationIndeterminateError(self._unsettled)

    def pending_after_effects(self) -> tuple[int, tuple[dict[str, Any], ...]]:
        """The current generation's number and the changes in databases that belong to it.

        Whoever applies them does so idempotently, by generation, after each commit and at each start.
        """
        with self.current() as pinned:
            return pinned.number, tuple(pinned.manifest.after_effects)

    def prunable(self) -> tuple[int, ...]:
        """Generations older than 30 days that are not among the newest ten; never the current one or its parent."""
        with _disk():
            number = self._pointed()
            if number is None:
                return ()
            old = [one for one in self._numbers() if one <= number][:-KEEP_NEWEST]
            origins = {one: self._origin(one) for one in old}
            before = self._clock.now() - KEEP_FOR
            return tuple(one for one, origin in origins.items() if origin and from_rfc3339(origin.created_at) < before)

    def prune(self) -> tuple[int, ...]:
        """Remove what `prunable` names and return it."""
        with self._exclusive(), _disk():
            self._sweep_debris()
            doomed = self.prunable()
            for number in doomed:
                self._discard(self._folder(number))
                self._origins.pop(number, None)
            return doomed

    def destroy(self, before: int) -> tuple[int, ...]:
        """Remove every generation older than `before`, but never the current one or its parent; return them."""
        with self._exclusive(), self.current() as pinned, _disk():
            self._sweep_debris()
            kept = {pinned.number, pinned.manifest.parent}
            doomed = tuple(one for one in self._numbers() if one < min(before, pinned.number) and one not in kept)
            for number in doomed:
                self._discard(self._folder(number))
                self._origins.pop(number, None)
            return doomed

    # The steps of a rotation

    def _commit(self, draft: Draft, parent: int | None) -> Committed:
        try:
            self._place(draft)
        except (OSError, SecretStoreError) as error:
            self._abandon(draft.number)
            raise RotationFailedError(_why(error), parent) from error
        try:
            self._point_at(draft.number)
            sync_folder(self._filesystem, self._root)
        except OSError as error:
            self._settle(draft.number, parent, error)
        return Committed(draft.number, draft.manifest_sha256)

    def _place(self, draft: Draft) -> None:
        """Write the generation under its own name and read it back from the disk."""
        final = self._folder(draft.number)
        partial = final.with_name(f"{final.name}.partial")
        write(self._filesystem, partial, draft)
        self._filesystem.rename(partial, final)
        sync_folder(self._filesystem, self._generations)
        with self._pin(draft.number) as written:
            found = canonical_json(written.verify())
            if written.manifest_sha256 != draft.manifest_sha256 or found != draft.plaintext:
                raise GenerationInvalidError(draft.number, final.name, "does not read back as it was written")

    def _point_at(self, number: int) -> None:
        """Swap the pointer: the moment at which the generation counts."""
        swap = self._root / _POINTER_DRAFT
        self._filesystem.symlink(f"{_GENERATIONS}/{number:06d}", swap)
        self._filesystem.rename(swap, self._root / _CURRENT)

    def _settle(self, number: int, parent: int | None, error: OSError) -> None:
        """After a failure at the swap: see what the pointer says, never guess.

        A failed fsync may have dropped what it should have written and would then report success, so it is not asked
        again: the swap itself is made anew and confirmed through a fresh descriptor.
        """
        try:
            swapped = self._pointed() == number
            if swapped:
                self._point_at(number)
                sync_folder(self._filesystem, self._root)
        except (OSError, SecretStoreError) as again:
            self._unsettled = number
            raise RotationIndeterminateError(number) from again
        if not swapped:
            self._abandon(number)
            raise RotationFailedError(_why(error), parent) from error

    def _abandon(self, number: int) -> None:
        final = self._folder(number)
        for folder in (final.with_name(f"{final.name}.partial"), final):
            # The error that led here is the one to report; what is left over is removed at the next start or rotation.
            with suppress(OSError):
                self._discard(folder)

    def _discard(self, folder: Path) -> None:
        if not present(self._filesystem, folder):
            return
        trash = folder.with_name(f"{folder.name.partition('.')[0]}.trash")
        self._filesystem.rename(folder, trash)
        remove_tree(self._filesystem, trash)

    def _require_space(self, parent: PinnedGeneration) -> None:
        disk = self._filesystem.statvfs(self._generations)
        sizes = [entry.size for entry in parent.manifest.files.values()]
        blocks = SPACE_FACTOR * sum(1 + size // disk.f_frsize for size in sizes)
        if disk.f_bavail < blocks:
            needed = blocks * disk.f_frsize // 1024
            raise RotationFailedError(f"{needed} KiB must be free on the disk that holds the secrets", parent.number)
        # Some filesystems do not count their inodes and say that they have none at all.
        if disk.f_files and disk.f_favail < SPACE_FACTOR * len(sizes):
            raise RotationFailedError("the disk that holds the secrets has too few inodes left", parent.number)

    # The first generation

    def _adopt_first(self) -> Committed | None:
        found = self._numbers()
        self._require_first(found)
        if not found:
            return None
        with self._pin(0) as pinned:
            pinned.verify()
            # A kill may have come before its name was durable; the pointer must not outlive what it names.
            sync_folder(self._filesystem, self._generations)
            self._point_at(0)
            sync_folder(self._filesystem, self._root)
            return Committed(0, pinned.manifest_sha256)

    def _require_first(self, found: list[int]) -> None:
        if found not in ([], [0]):
            raise GenerationInvalidError(None, _CURRENT, "is missing although generations are there")

    def _link(self) -> None:
        """Make the fixed links that keep the documented paths valid."""
        for name, target in _LINKS.items():
            link = self._root / name
            if not present(self._filesystem, link):
                self._filesystem.symlink(target, link)
            elif self._readlink(link) != target:
                raise GenerationInvalidError(None, name, f"is not the link to {target}")

    # What is on the disk

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep other threads waiting and other processes out."""
        with self._threads:
            try:
                descriptor = open_locked(self._filesystem, self._root / _LOCK)
            except BlockingIOError as error:
                raise StoreBusyError from error
            except OSError as error:
                raise StoreUnreadableError(error) from error
            with opened(self._filesystem, descriptor):
                yield

    @contextmanager
    def _pin(self, number: int) -> Iterator[PinnedGeneration]:
        with pin(self._filesystem, self._clock, self._folder(number), number) as pinned:
            yield pinned

    def _folder(self, number: int) -> Path:
        return self._generations / f"{number:06d}"

    def _pointed(self) -> int | None:
        """The number that `current` names, None if there is no such link."""
        link = self._root / _CURRENT
        if not present(self._filesystem, link):
            return None
        target = _TARGET.fullmatch(self._readlink(link))
        if target is None:
            raise GenerationInvalidError(None, _CURRENT, "does not name a generation")
        return int(target[1])

    def _readlink(self, link: Path) -> str:
        try:
            return self._filesystem.readlink(link)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise GenerationInvalidError(None, link.name, "is not a link") from error

    def _numbers(self) -> list[int]:
        names = self._filesystem.listdir(self._generations)
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def _origin(self, number: int) -> _Origin | None:
        """Where an older generation came from, None if its manifest is damaged: `recover` reports that."""
        if number not in self._origins:
            try:
                with self._pin(number) as pinned:
                    manifest = pinned.manifest
                    found = _Origin(manifest.request_id, pinned.manifest_sha256, manifest.created_at)
            except GenerationInvalidError:
                return None
            self._origins[number] = found
        return self._origins[number]

    def _made_by(self, request_id: str, up_to: int) -> Committed | None:
        for number in reversed(self._numbers()):
            origin = self._origin(number) if number <= up_to else None
            if origin and origin.request_id == request_id:
                return Committed(number, origin.manifest_sha256, repeated=True)
        return None

    def _sweep_debris(self) -> tuple[str, ...]:
        """Remove what interrupted work left behind and return its names."""
        debris = [name for name in self._filesystem.listdir(self._generations) if name.endswith(_DEBRIS)]
        for name in debris:
            remove_tree(self._filesystem, self._generations / name)
        swap = self._root / _POINTER_DRAFT
        if present(self._filesystem, swap):
            self._filesystem.unlink(swap)
            debris.append(_POINTER_DRAFT)
        return tuple(debris)

    def _sweep_uncommitted(self, current: int) -> None:
        for number in self._numbers():
            if number > current:
                self._discard(self._folder(number))


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnreadableError(error) from error


@contextmanager
def _failing(number: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RotationFailedError(_why(error), number) from error


def _why(error: Exception) -> str:
    return str(error).rstrip(".")
