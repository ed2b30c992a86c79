"""What only this machine can tell of a configuration: whether the broker is there and the replay can be played."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tbot_bot.api.settings import Configuration
from tbot_bot.api.setup import BrokerChoice
from tbot_bot.brokers.registry import BROKERS
from tbot_bot.venue.replay import ReplayReport, check_replay


def broker_choices() -> list[BrokerChoice]:
    """The brokers that are there."""
    return [BrokerChoice(code=one.code, name=one.name, simulated=one.market_is_simulated) for one in BROKERS.values()]


def checked_here(chosen: Configuration, after: datetime | None = None) -> tuple[Configuration, dict[str, str]]:
    """The configuration with its folder as an absolute path, and a message for each field that cannot be so here.

    `after` is where the market stands: a replay must go on beyond it.
    """
    if chosen.BROKER_CODE not in BROKERS:
        return chosen, {"BROKER_CODE": f"Broker must be one of {', '.join(BROKERS)}."}
    if chosen.SIM_FEED != "replay":
        return chosen, {}
    folder = Path(chosen.SIM_REPLAY_DIR).expanduser().absolute()
    wrong = _unplayable(check_replay(folder), after)
    if wrong:
        return chosen, {"SIM_REPLAY_DIR": f"This folder cannot be replayed: {wrong}"}
    return chosen.model_copy(update={"SIM_REPLAY_DIR": str(folder)}), {}


def replay_words(folder: str) -> tuple[bool, str]:
    """Whether a folder can be replayed, and what it holds or what is wrong with it."""
    report = check_replay(Path(folder).expanduser().absolute())
    wrong = _unplayable(report, None)
    if wrong:
        return False, f"This folder cannot be replayed: {wrong}"
    first, last = report.sessions[0], report.sessions[-1]
    return True, f"{len(report.sessions)} sessions from {first} to {last}, {len(report.symbols)} symbols."


def _unplayable(report: ReplayReport, after: datetime | None) -> str:
    if report.errors:
        return "; ".join(map(str, report.errors))
    if after is not None and report.sessions[-1] < after.date():
        return f"the market stands at {after:%Y-%m-%d}, and its last session is {report.sessions[-1]}"
    return ""
