"""The manifest of a generation: what it holds, where it came from, and a signature over both."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tbot_bot.domain.canonical import NotCanonicalError, canonical_json
from tbot_bot.storage.keys import CheckpointKey, is_endorsed, is_signed

MANIFEST = "MANIFEST.json"
_SIGNED = b"tbot-manifest-v1\0"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PublicKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class ManifestError(ValueError):
    """A manifest that is not as it was written; the message says what is wrong."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileEntry(_Record):
    """A file of the generation."""

    sha256: Sha256
    size: int


class Endorsement(_Record):
    """The signature of the previous checkpoint key over the public half of this one."""

    predecessor: PublicKey
    signature: Signature


class Written(_Record):
    """The generation that last changed a category of secrets, and when."""

    generation: int
    at: str


class Manifest(_Record):
    """One generation; times are RFC 3339.

    `files` maps a path inside it to its hash, `written` a category of secrets to its last change: a rotation renews
    every key and file, whatever is in them. `previous_until` says of each predecessor of the sealing and signing keys,
    newest first, until when it is accepted.
    """

    format: Literal[1] = 1
    number: int
    parent: int | None
    created_at: str
    request_id: str
    actor: str
    reason: str
    scheme: str
    files: dict[str, FileEntry]
    written: dict[str, Written]
    checkpoint_key: PublicKey
    endorsement: Endorsement | None
    previous_until: list[str]
    after_effects: list[dict[str, Any]]


class _Envelope(_Record):
    manifest: Manifest
    signature: Signature


def sha256(data: bytes) -> str:
    """The hash as it stands in manifests."""
    return hashlib.sha256(data).hexdigest()


def render(manifest: Manifest, key: CheckpointKey) -> bytes:
    """Return the signed bytes of the file."""
    body = manifest.model_dump()
    signature = key.sign(_SIGNED + canonical_json(body)).hex()
    return canonical_json({"manifest": body, "signature": signature})


@lru_cache(maxsize=64)
def parse(data: bytes) -> Manifest:
    """Read the file back, byte for byte as it was written; raises ManifestError for any other.

    What was read before is known by its bytes: two signatures a reading would be most of what a reader waits for.
    """
    try:
        envelope = _Envelope.model_validate_json(data)
    except ValidationError as error:
        raise ManifestError("cannot be read as a manifest") from error
    manifest = envelope.manifest
    try:
        body = canonical_json(manifest.model_dump())
        whole = canonical_json(envelope.model_dump())
    except NotCanonicalError as error:
        raise ManifestError("holds what this program never writes") from error
    if whole != data:
        raise ManifestError("was rewritten")
    if not is_signed(manifest.checkpoint_key, _SIGNED + body, bytes.fromhex(envelope.signature)):
        raise ManifestError("does not carry the signature of its own checkpoint key")
    endorsement = manifest.endorsement
    if endorsement and not is_endorsed(manifest.checkpoint_key, endorsement.predecessor, endorsement.signature):
        raise ManifestError("names a checkpoint key that its predecessor did not sign")
    return manifest
