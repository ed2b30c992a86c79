"""Where signed checkpoints of the audit trail are kept outside the home: a file, and the journal of the system.

AnchorError   a checkpoint that could not be kept or read there; the message says why
"""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from tbot_bot.domain.audit import Checkpoint
from tbot_bot.domain.time import from_rfc3339, to_rfc3339

JOURNAL = Path("/run/systemd/journal/socket")
_PROGRAM = "rigd-tradebot"
#: From the end of a file at most this much is read to find its newest line.
_TAIL = 64 * 1024
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NOTICE = "5"


class AnchorError(Exception):
    """A checkpoint could not be kept or read outside the home."""


class FileAnchor:
    """A file of JSON lines that is only ever added to; a line is on its disk when `keep` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, bot: str, checkpoint: Checkpoint) -> None:
        """Add a line; raises AnchorError."""
        line = json.dumps(line_of(bot, checkpoint)).encode() + b"\n"
        try:
            is_new = not self._path.exists()
            descriptor = self._open(os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                size = os.fstat(descriptor).st_size
                torn = bool(size) and os.pread(descriptor, 1, size - 1) != b"\n"
                whole = b"\n" * torn + line
                if os.write(descriptor, whole) != len(whole):
                    raise AnchorError("the disk took a part of the line only")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                self._sync_folder()
        except OSError as error:
            raise AnchorError(error.strerror or str(error)) from error

    def newest(self, bot: str) -> Checkpoint | None:
        """The newest checkpoint of this bot, None if there is none; raises AnchorError."""
        try:
            descriptor = self._open(os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AnchorError(error.strerror or str(error)) from error
        with os.fdopen(descriptor, "rb") as stream:
            stream.seek(max(0, os.fstat(descriptor).st_size - _TAIL))
            lines = stream.read().splitlines()
        found = (_checkpoint_of(bot, line) for line in reversed(lines))
        return next((one for one in found if one is not None), None)

    def _open(self, flags: int) -> int:
        descriptor = os.open(self._path, flags | _OPEN, 0o640)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise AnchorError("what stands there is no file")
        return descriptor

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class JournalAnchor:
    """The journal of the system, where only its administrator can remove what was said; it is not read back."""

    def __init__(self, place: Path = JOURNAL) -> None:
        self._place = place

    def keep(self, bot: str, checkpoint: Checkpoint) -> None:
        """Say it in one datagram of the journal's own protocol; raises AnchorError."""
        line = line_of(bot, checkpoint)
        fields = {
            "MESSAGE": f"checkpoint of the audit trail of {bot} at entry {checkpoint.seq}",
            "PRIORITY": _NOTICE,
            "SYSLOG_IDENTIFIER": _PROGRAM,
        } | {f"TBOT_{name.upper()}": str(value) for name, value in line.items()}
        datagram = "".join(f"{name}={value}\n" for name, value in fields.items()).encode()
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as line_out:
                line_out.sendto(datagram, str(self._place))
        except FileNotFoundError as error:
            raise AnchorError("this machine has no such journal") from error
        except OSError as error:
            raise AnchorError(error.strerror or str(error)) from error


def line_of(bot: str, checkpoint: Checkpoint) -> Mapping[str, str | int]:
    """A checkpoint with its signature, as names and values."""
    return {
        "bot": bot,
        "seq": checkpoint.seq,
        "hash": checkpoint.hash.hex(),
        "at": to_rfc3339(checkpoint.at),
        "previous": checkpoint.previous,
        "key_id": checkpoint.key_id,
        "signature": checkpoint.signature.hex(),
    }


def _checkpoint_of(bot: str, line: bytes) -> Checkpoint | None:
    """Read a line back; None for a torn one or another bot's."""
    try:
        said = json.loads(line)
        if said["bot"] != bot:
            return None
        return Checkpoint(
            int(said["seq"]),
            bytes.fromhex(said["hash"]),
            from_rfc3339(said["at"]),
            int(said["previous"]),
            str(said["key_id"]),
            bytes.fromhex(said["signature"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
