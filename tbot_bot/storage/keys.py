"""Keys of a generation: 32 random bytes each, kept as URL-safe base64, and what is done with them."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tbot_bot.domain.time import to_micros

#: How secrets are encrypted; written in each manifest so that another scheme can follow.
SCHEME = "fernet"
SEALING = "sealing"
SIGNING = "web_signing"
CHECKPOINT = "checkpoint"
# The statement that the audit chain records when it goes on with a new checkpoint key: one signature serves both.
_ENDORSEMENT = b"tbot-checkpoint-endorsement-v1\0"


class UndecryptableError(ValueError):
    """A token that this key did not make, or that was changed since."""


def new_key() -> str:
    """Return 32 fresh random bytes: a Fernet key, an X25519 or Ed25519 private key, or a signing key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def encrypt(key: str, plaintext: bytes, at: datetime) -> bytes:
    """Encrypt with Fernet; the token shows `at` to anyone, in seconds."""
    return Fernet(key).encrypt_at_time(plaintext, to_micros(at) // 1_000_000)


def decrypt(key: str, token: bytes) -> bytes:
    """Decrypt a Fernet token; raises UndecryptableError."""
    try:
        return Fernet(key).decrypt(token)
    except InvalidToken as error:
        raise UndecryptableError("cannot be decrypted with its key") from error


@dataclass(frozen=True, slots=True)
class CheckpointKey:
    """Signs manifests and checkpoints of the audit chain (Ed25519); `public_key` is hexadecimal and names it."""

    public_key: str
    _private: Ed25519PrivateKey

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the private key from its text."""
        private = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(text))
        return cls(private.public_key().public_bytes_raw().hex(), private)

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of `data`."""
        return self._private.sign(data)

    def endorse(self, successor: str) -> str:
        """Sign the public key of the next checkpoint key; hexadecimal."""
        return self.sign(_ENDORSEMENT + successor.encode()).hex()


def is_signed(public_key: str, data: bytes, signature: bytes) -> bool:
    """Whether the key of that public half signed `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def is_endorsed(public_key: str, predecessor: str, endorsement: str) -> bool:
    """Whether the predecessor signed this public key."""
    return is_signed(predecessor, _ENDORSEMENT + public_key.encode(), bytes.fromhex(endorsement))
