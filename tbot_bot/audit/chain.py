"""What is hashed and signed, byte for byte, so that anyone can check the chain without this program.

h_i        = SHA-256("audit-v1" || h_(i-1) || i as 8 bytes, big-endian || canonical JSON of entry i)
seal_i     = HMAC-SHA-256(the home's sealing key, "audit-seal-v1" || h_i), which only the runner can make
checkpoint = Ed25519("audit-checkpoint-v1" || canonical JSON of {at, hash, previous, seq})
new key    = Ed25519 by its predecessor ("tbot-checkpoint-endorsement-v1" || 0 || the new public key in hexadecimal)
"""

from __future__ import annotations

import hmac
import json
from dataclasses import fields
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tbot_bot.domain.audit import AuditEntry, AuditPhase, AuditRecord, AuditRow, AuditUnavailableError, Checkpoint
from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.time import from_micros, to_micros

#: What a signer signs to show that it holds a key.
PROBE = b"audit-probe-v1"


def link(previous: bytes, seq: int, body: bytes) -> bytes:
    """The hash of entry `seq`, whose canonical JSON is `body`, after one whose hash is `previous`."""
    return sha256(b"audit-v1" + previous + seq.to_bytes(8, "big") + body).digest()


def seal_of(key: bytes, entry_hash: bytes) -> bytes:
    """The mark that the runner puts on an entry, by its hash."""
    return hmac.digest(key, b"audit-seal-v1" + entry_hash, "sha256")


def body_of(entry: AuditEntry) -> bytes:
    """The canonical JSON of an entry; its time in microseconds. Raises NotCanonicalError for a float."""
    values = {each.name: getattr(entry, each.name) for each in fields(entry)}
    return canonical_json({**values, "at": to_micros(entry.at)})


def record_of(row: AuditRow) -> AuditRecord:
    """Read a row back; raises AuditUnavailableError for what was never written here."""
    try:
        values = json.loads(row.body)
        entry = AuditEntry(**{**values, "at": from_micros(values["at"]), "phase": AuditPhase(values["phase"])})
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise AuditUnavailableError(f"entry {row.seq} is not what was written there") from error
    return AuditRecord(row.seq, entry, row.hash)


def checkpoint_statement(seq: int, head: bytes, at: datetime, previous: int) -> bytes:
    """What a checkpoint signs."""
    claim = {"seq": seq, "hash": head.hex(), "at": to_micros(at), "previous": previous}
    return b"audit-checkpoint-v1" + canonical_json(claim)


def statement_of(checkpoint: Checkpoint) -> bytes:
    """What this checkpoint should have signed."""
    return checkpoint_statement(checkpoint.seq, checkpoint.hash, checkpoint.at, checkpoint.previous)


def key_statement(public_key: str) -> bytes:
    """What a checkpoint key signs to endorse its successor."""
    return b"tbot-checkpoint-endorsement-v1\0" + public_key.encode()


def is_signed(public_key: str, signature: str, statement: bytes) -> bool:
    """Whether the Ed25519 signature over the statement is by this key; key and signature in hexadecimal."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), statement)
    except (InvalidSignature, ValueError):
        return False
    return True
