"""Every path under the home, resolved in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tbot_bot.domain.ids import BotIdentity


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds one bot's data (TBOT_HOME)."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Home:
        """Read TBOT_HOME, `./var` by default."""
        return cls(Path(environment.get("TBOT_HOME") or "var").absolute())

    # control/: the runner's, readable by the web; only flags/ is the web's to write
    @property
    def control(self) -> Path:
        return self.root / "control"

    @property
    def flags(self) -> Path:
        return self.control / "flags"

    @property
    def bot_state(self) -> Path:
        return self.control / "bot_state.txt"

    @property
    def epoch(self) -> Path:
        """Counter that moves whenever sessions, roles, state or the status document changed."""
        return self.control / "epoch"

    @property
    def setup_token(self) -> Path:
        return self.control / "setup_token"

    @property
    def runner_lock(self) -> Path:
        return self.control / "runner.lock"

    @property
    def runner_socket(self) -> Path:
        return self.control / "runner.sock"

    @property
    def venue_socket(self) -> Path:
        return self.control / "venue.sock"

    # storage/: the runner's alone
    @property
    def storage(self) -> Path:
        return self.root / "storage"

    @property
    def users_database(self) -> Path:
        return self.storage / "SYSTEM_USERS.db"

    @property
    def audit_database(self) -> Path:
        return self.storage / "AUDIT.db"

    @property
    def control_database(self) -> Path:
        return self.storage / "CONTROL.db"

    @property
    def backups(self) -> Path:
        return self.storage / "backups"

    @property
    def restore(self) -> Path:
        """What the next start puts in place of the present databases."""
        return self.storage / "restore"

    # venue/: the simulated market's own books
    @property
    def venue(self) -> Path:
        return self.root / "venue"

    # output/<identity>/
    def output(self, identity: BotIdentity) -> Path:
        """What this bot wrote: status, logs, ledgers, trades."""
        return self.root / "output" / str(identity)

    def status_document(self, identity: BotIdentity) -> Path:
        return self.output(identity) / "status.json"

    def bot_logs(self, identity: BotIdentity) -> Path:
        return self.output(identity) / "logs"

    def ledger_database(self, identity: BotIdentity) -> Path:
        return self.output(identity) / "ledgers" / "LEDGER.db"

    @property
    def system_logs(self) -> Path:
        """Logs of runner, bot and venue before an identity exists, and of the system as a whole."""
        return self.root / "logs" / "system"

    @property
    def web_logs(self) -> Path:
        return self.root / "logs" / "web"
