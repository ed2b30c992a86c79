"""A new generation: composed in memory, then written to a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import compress
from pathlib import Path
from typing import Any

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tbot_bot.storage.filesystem import Filesystem, create_files, sync_folders
from tbot_bot.storage.generation import KEYS, SECRETS, PinnedGeneration, key_file, previous, secret_file
from tbot_bot.storage.keys import CHECKPOINT, SCHEME, SEALING, SIGNING, CheckpointKey, encrypt, new_key
from tbot_bot.storage.manifest import MANIFEST, Endorsement, FileEntry, Manifest, Written, render, sha256
from tbot_bot.storage.secret_errors import SecretNameError

#: How long a form that was shown or sealed before a rotation is still taken, however many rotations follow.
OVERLAP = timedelta(minutes=10)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants a new generation, why, and what must happen in databases once it is there."""

    request_id: str
    actor: str
    reason: str
    after_effects: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything a generation will hold; `plaintext` is the canonical JSON of what it must decrypt to."""

    number: int
    plaintext: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    manifest: bytes

    @property
    def manifest_sha256(self) -> str:
        """The hash that stands for the whole generation."""
        return sha256(self.manifest)


@dataclass(frozen=True, slots=True)
class Rescue:
    """The number of a generation that has no parent to rely on, and the key that endorses its own."""

    number: int
    endorser: CheckpointKey


def compose(
    request: Request,
    contents: Mapping[str, Mapping[str, Any]],
    parent: PinnedGeneration | None,
    at: datetime,
    rescue: Rescue | None = None,
) -> Draft:
    """Make fresh keys for everything, encrypt `contents` and sign the manifest; nothing touches the disk."""
    for name in contents:
        if not _NAME.fullmatch(name) or name in (SEALING, SIGNING, CHECKPOINT):
            raise SecretNameError(name)
    number = rescue.number if rescue else 0 if parent is None else parent.number + 1
    endorser = rescue.endorser if rescue else None if parent is None else parent.checkpoint_key()
    keys = {name: new_key() for name in (SEALING, SIGNING, CHECKPOINT, *contents)}
    files = {secret_file(name): encrypt(keys[name], canonical_json(content), at) for name, content in contents.items()}
    previous_until, previous_keys = _predecessors(parent, at)
    keys |= previous_keys
    files |= {key_file(name): key.encode() for name, key in keys.items()}
    checkpoint = CheckpointKey.of(keys[CHECKPOINT])
    now = Written(generation=number, at=to_rfc3339(at))
    manifest = Manifest(
        number=number,
        parent=None if parent is None else parent.number,
        created_at=to_rfc3339(at),
        request_id=request.request_id,
        actor=request.actor,
        reason=request.reason,
        scheme=SCHEME,
        files={path: FileEntry(sha256=sha256(data), size=len(data)) for path, data in sorted(files.items())},
        written={name: _written(name, content, parent, now) for name, content in contents.items()},
        checkpoint_key=checkpoint.public_key,
        endorsement=_endorse(checkpoint.public_key, endorser),
        previous_until=previous_until,
        after_effects=[dict(effect) for effect in request.after_effects],
    )
    return Draft(number, canonical_json(contents), files, render(manifest, checkpoint))


def write(filesystem: Filesystem, folder: Path, draft: Draft) -> None:
    """Write a draft to `folder`, which must not exist, and make all of it durable except the folder's own name."""
    places = (folder, folder / KEYS, folder / SECRETS)
    for place in places:
        filesystem.mkdir(place)
    files = {**draft.files, MANIFEST: draft.manifest}
    create_files(filesystem, {folder / path: data for path, data in files.items()})
    sync_folders(filesystem, places)


def _predecessors(parent: PinnedGeneration | None, at: datetime) -> tuple[list[str], dict[str, str]]:
    """The parent's keys that stay accepted, newest first: until when, and the content of their files.

    They are its own, and those that came along with it and whose time is not over.
    """
    if parent is None:
        return [], {}
    before = parent.manifest.previous_until
    is_young = [from_rfc3339(until) >= at for until in before]
    until = [to_rfc3339(at + OVERLAP), *compress(before, is_young)]
    own = {SEALING: parent.sealing_keys()[0], SIGNING: parent.signing_keys()[0]}
    keys = {name: [key, *compress(parent.predecessors(name), is_young)] for name, key in own.items()}
    return until, {previous(name): "\n".join(kept) for name, kept in keys.items()}


def _written(name: str, content: Mapping[str, Any], parent: PinnedGeneration | None, now: Written) -> Written:
    """The last change of a category: the parent's word for it if the content is the parent's."""
    if parent is None or name not in parent.names:
        return now
    same = canonical_json(parent.read(name)) == canonical_json(content)
    return parent.manifest.written[name] if same else now


def _endorse(public_key: str, predecessor: CheckpointKey | None) -> Endorsement | None:
    if predecessor is None:
        return None
    return Endorsement(predecessor=predecessor.public_key, signature=predecessor.endorse(public_key))
