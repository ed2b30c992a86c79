"""The few files of the home that the portal may see: published state, epoch, flags, status document, the socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import current_app

from tbot_bot.api.lifecycle import State

#: More than any state's name or epoch; a larger file is not ours.
_SIZE_LIMIT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds one bot's data (TBOT_HOME), as far as it concerns the portal."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Home:
        """Read TBOT_HOME, `./var` by default."""
        return cls(Path(environment.get("TBOT_HOME") or "var").absolute())

    @property
    def control(self) -> Path:
        return self.root / "control"

    @property
    def flags(self) -> Path:
        """The one folder where the portal writes."""
        return self.control / "flags"

    @property
    def runner_socket(self) -> Path:
        return self.control / "runner.sock"

    def state(self) -> State | None:
        """The state that the runner published; None when it is missing or no state.

        The file is a few bytes and is read each time: two versions may share time stamp, inode and size.
        """
        try:
            return State(_read(self.control / "bot_state.txt") or "")
        except ValueError:
            return None

    def epoch(self) -> str | None:
        """What moves whenever sessions, roles, state or status changed; None when it cannot be read."""
        return _read(self.control / "epoch")

    def run(self) -> str | None:
        """What names the control process that runs now; the next one has another name."""
        epoch = self.epoch()
        return epoch and epoch.partition("-")[0]

    def status_document(self) -> Path | None:
        """Where the runner writes `status.json`: in the one folder under `output`; None before there is one."""
        folders = [path for path in (self.root / "output").glob("*") if path.is_dir()]
        return folders[0] / "status.json" if len(folders) == 1 else None


def home() -> Home:
    """The home of the current application."""
    found: Home = current_app.extensions["home"]
    return found


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return stream.read(_SIZE_LIMIT_BYTES).decode("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
