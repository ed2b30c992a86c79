"""One generation of keys and secrets, read through one open folder so that no two generations ever mix."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tbot_bot.api.sealing import public_key_of
from tbot_bot.domain.time import Clock, from_rfc3339
from tbot_bot.storage.filesystem import Filesystem, UnsafeFileError, open_folder, opened, read_file
from tbot_bot.storage.keys import CHECKPOINT, SEALING, SIGNING, CheckpointKey, decrypt
from tbot_bot.storage.manifest import MANIFEST, Manifest, ManifestError, parse, sha256
from tbot_bot.storage.secret_errors import GenerationInvalidError, StoreUnreadableError, require_clock

KEYS = "keys"
SECRETS = "secrets"
SIZE_MAX = 16 * 1024 * 1024
_KEY = ".key"
_SECRET = ".json.enc"  # noqa: S105 - the end of a file name
#: What a failed opening says about what stands in the place of a file.
NOT_PLAIN = {errno.ELOOP: "is a link", errno.ENOTDIR: "is not a folder", errno.ENXIO: "is not a plain file or folder"}


def key_file(name: str) -> str:
    """The path of a key inside a generation."""
    return f"{KEYS}/{name}{_KEY}"


def secret_file(name: str) -> str:
    """The path of a category of secrets inside a generation."""
    return f"{SECRETS}/{name}{_SECRET}"


def previous(name: str) -> str:
    """The name under which the keys before `name` that are still accepted lie in one file, newest first."""
    return f"{name}.previous"


def checkpoint_key_in(filesystem: Filesystem, folder: Path) -> CheckpointKey | None:
    """The checkpoint key in a generation's folder, whatever else of it is damaged; None where it cannot be read."""
    try:
        with opened(filesystem, open_folder(filesystem, folder / KEYS)) as keys:
            text = read_file(filesystem, f"{CHECKPOINT}{_KEY}", dir_fd=keys, size_max=SIZE_MAX)
        return CheckpointKey.of(text.decode("ascii"))
    except (OSError, UnsafeFileError, ValueError):
        return None


@contextmanager
def pin(filesystem: Filesystem, clock: Clock, folder: Path, number: int) -> Iterator[PinnedGeneration]:
    """Open generation `number` in `folder` for reading and check its manifest."""
    with ExitStack() as stack:
        folders: dict[str, int] = {}
        paths: dict[str, Path | str] = {"": folder, KEYS: KEYS, SECRETS: SECRETS}
        for name, path in paths.items():
            with _named(number, name or folder.name):
                descriptor = open_folder(filesystem, path, dir_fd=folders.get(""))
            folders[name] = stack.enter_context(opened(filesystem, descriptor))
        yield PinnedGeneration(filesystem, clock, number, folders)


class PinnedGeneration:
    """A generation held open; every file is checked against the manifest when it is read.

    Reading raises GenerationInvalidError when a file is not what was written, StoreUnreadableError when the disk fails.
    """

    def __init__(self, filesystem: Filesystem, clock: Clock, number: int, folders: dict[str, int]) -> None:
        self._filesystem = filesystem
        self._clock = clock
        self._folders = folders
        self.number = number
        data = self._stored(MANIFEST)
        try:
            self.manifest: Manifest = parse(data)
        except ManifestError as error:
            raise GenerationInvalidError(number, MANIFEST, str(error)) from error
        if self.manifest.number != number:
            raise GenerationInvalidError(number, MANIFEST, f"belongs to generation {self.manifest.number}")
        self.manifest_sha256 = sha256(data)

    @property
    def size(self) -> int:
        """The bytes of its files, the manifest aside."""
        return sum(entry.size for entry in self.manifest.files.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The categories of secrets, sorted."""
        inside = (path.removeprefix(f"{SECRETS}/") for path in self.manifest.files if path.startswith(f"{SECRETS}/"))
        return tuple(sorted(name.removesuffix(_SECRET) for name in inside))

    def read(self, name: str) -> dict[str, Any]:
        """Decrypt one category; raises KeyError if there is none of that name."""
        key = self._key(name)
        token = self._file(secret_file(name))
        try:
            content: dict[str, Any] = json.loads(decrypt(key, token))
        except ValueError as error:
            raise GenerationInvalidError(self.number, secret_file(name), "cannot be decrypted with its key") from error
        return content

    def read_all(self) -> dict[str, dict[str, Any]]:
        """Decrypt every category."""
        return {name: self.read(name) for name in self.names}

    def sealing_keys(self) -> tuple[str, ...]:
        """The private sealing keys, newest first; each counts until ten minutes after the rotation that replaced it."""
        now = self._clock.now()
        before = zip(self.manifest.previous_until, self.predecessors(SEALING), strict=True)
        return self._key(SEALING), *(key for until, key in before if now <= from_rfc3339(until))

    def sealing_public_key(self) -> str:
        """What the portal seals to."""
        return public_key_of(self._key(SEALING))

    def signing_keys(self) -> tuple[str, ...]:
        """The keys of the portal's cookies and form tokens, newest first; all that came along are accepted."""
        return self._key(SIGNING), *self.predecessors(SIGNING)

    def predecessors(self, name: str) -> tuple[str, ...]:
        """The keys before `name` that came along, newest first, each until its time in `manifest.previous_until`."""
        return tuple(self._key(previous(name)).split()) if self.manifest.previous_until else ()

    def checkpoint_key(self) -> CheckpointKey:
        """The key that signs this manifest and the checkpoints of the audit chain."""
        key = CheckpointKey.of(self._key(CHECKPOINT))
        if key.public_key != self.manifest.checkpoint_key:
            raise GenerationInvalidError(self.number, MANIFEST, f"was not signed with {key_file(CHECKPOINT)}")
        return key

    def copy(self) -> dict[str, bytes]:
        """Every file as it was written, by its path inside the generation."""
        return {path: self._file(path) for path in self.manifest.files} | {MANIFEST: self._stored(MANIFEST)}

    def require_clock(self) -> None:
        """Raise ClockSetBackError when the clock is behind the making of this generation."""
        made_at = from_rfc3339(self.manifest.created_at)
        require_clock(self._clock.now(), made_at, f"generation {self.number} of the secrets was made")

    def verify(self) -> dict[str, dict[str, Any]]:
        """Check that every file is there, as written, and nothing else; return every category, decrypted."""
        listed = {MANIFEST, KEYS, SECRETS} | self.manifest.files.keys()
        found = {f"{name}/{file}".lstrip("/") for name, folder in self._folders.items() for file in self._list(folder)}
        for extra in sorted(found - listed):
            raise GenerationInvalidError(self.number, extra, "is not in the manifest")
        self.checkpoint_key()
        for path in self.manifest.files:
            self._file(path)
        return self.read_all()

    def _list(self, folder: int) -> list[str]:
        try:
            return self._filesystem.listdir(folder)
        except OSError as error:
            raise StoreUnreadableError(error) from error

    def _key(self, name: str) -> str:
        return self._file(key_file(name)).decode("ascii")

    def _file(self, path: str) -> bytes:
        entry = self.manifest.files[path]
        data = self._stored(path)
        if sha256(data) != entry.sha256:
            raise GenerationInvalidError(self.number, path, "was changed since it was written")
        return data

    def _stored(self, path: str) -> bytes:
        folder, _, name = path.rpartition("/")
        with _named(self.number, path):
            return read_file(self._filesystem, name, dir_fd=self._folders[folder], size_max=SIZE_MAX)


@contextmanager
def _named(number: int, path: str) -> Iterator[None]:
    """Turn what the disk says about `path` into an error that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise GenerationInvalidError(number, path, "is missing") from error
    except UnsafeFileError as error:
        raise GenerationInvalidError(number, path, str(error)) from error
    except OSError as error:
        if error.errno in NOT_PLAIN:
            raise GenerationInvalidError(number, path, NOT_PLAIN[error.errno]) from error
        raise StoreUnreadableError(error) from error
