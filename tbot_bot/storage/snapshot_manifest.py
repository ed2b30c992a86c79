"""The manifest of a snapshot: what it holds, of which home and moment it is, and a signature over both."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.storage.keys import CheckpointKey, is_signed
from tbot_bot.storage.manifest import FileEntry, ManifestError, PublicKey, Sha256, Signature

#: The name of a bot, empty before there was one.
BotName = Annotated[str, Field(pattern=r"^([A-Z0-9]+(_[A-Z0-9]+){3})?$")]
_SIGNED = b"tbot-snapshot-v1\0"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ChainHead(_Record):
    """Where a chain ended: its last number and its hash, hexadecimal."""

    seq: int
    hash: Sha256


class SnapshotManifest(_Record):
    """One snapshot; `files` maps a path inside it to its hash, `installation` is the hash of the audit's first entry.

    `bot` names the bot whose ledger is in it, empty before there was one. `versions` are the counters of the sealed
    databases, by name.
    """

    format: Literal[1] = 1
    name: str
    installation: Sha256
    bot: BotName
    generation: int
    made_at: str
    actor: str
    reason: str
    request_id: str
    files: dict[str, FileEntry]
    audit: ChainHead
    ledger: ChainHead | None
    versions: dict[str, int]
    checkpoint_key: PublicKey


class _Envelope(_Record):
    manifest: SnapshotManifest
    signature: Signature


def render(manifest: SnapshotManifest, key: CheckpointKey) -> bytes:
    """Return the signed bytes of the file."""
    body = manifest.model_dump()
    return canonical_json({"manifest": body, "signature": key.sign(_SIGNED + canonical_json(body)).hex()})


def parse(data: bytes) -> SnapshotManifest:
    """Read the file back, byte for byte as it was written; raises ManifestError for any other."""
    try:
        envelope = _Envelope.model_validate_json(data)
    except ValidationError as error:
        raise ManifestError("cannot be read as a manifest") from error
    manifest = envelope.manifest
    if canonical_json(envelope.model_dump()) != data:
        raise ManifestError("was rewritten")
    body = canonical_json(manifest.model_dump())
    if not is_signed(manifest.checkpoint_key, _SIGNED + body, bytes.fromhex(envelope.signature)):
        raise ManifestError("does not carry the signature of the key that it names")
    return manifest
