"""Overall System Status: the worst of its inputs, with the reason for each that is not well.

Critical: a kill switch triggered, the broker's API down, the universe missing, holdings Out-of-Spec.
Warning: defense mode, a degraded API, a stale universe, holdings Warning, and any input that is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Ordered: the worst wins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the severity is judged by; None and the text `unknown` mean unknown.

    `api` is healthy, degraded or down; `universe` up-to-date, stale or missing; `compliance` OK, Warning or
    Out-of-Spec; `troubles` are sentences of other conditions that a person must know of (a failed tie-out, say);
    `defense_because` is what called for defense mode;
    `api_reason` says what is wrong with the API, where that is known.
    """

    kill_triggered: bool | None
    defense_mode: bool | None
    api: str
    universe: str
    compliance: str
    troubles: tuple[str, ...] = ()
    defense_because: tuple[str, ...] = ()
    api_reason: str = ""


_API = {
    "healthy": (Level.OK, ""),
    "degraded": (Level.WARNING, "the broker's interface is degraded"),
    "down": (Level.CRITICAL, "the broker's interface is down"),
}
_UNIVERSE = {
    "up-to-date": (Level.OK, ""),
    "stale": (Level.WARNING, "the universe is stale"),
    "missing": (Level.CRITICAL, "the universe is missing"),
}
_COMPLIANCE = {
    "OK": (Level.OK, ""),
    "Warning": (Level.WARNING, "holdings are off their targets"),
    "Out-of-Spec": (Level.CRITICAL, "holdings are out of specification"),
}


def judge(inputs: Inputs) -> tuple[Level, list[str]]:
    """Return the severity and why, the worst reasons first; no reasons when all is well."""
    found = [
        _flag(
            value=inputs.kill_triggered,
            level=Level.CRITICAL,
            why="the kill switch was triggered",
            name="the kill switch",
        ),
        _api(inputs),
        _UNIVERSE.get(inputs.universe, (Level.WARNING, "the state of the universe is unknown")),
        _COMPLIANCE.get(inputs.compliance, (Level.WARNING, "holdings compliance is unknown")),
        _flag(value=inputs.defense_mode, level=Level.WARNING, why=_defense_words(inputs), name="defense mode"),
        *((Level.WARNING, trouble) for trouble in inputs.troubles),
    ]
    return worst(level for level, _ in found), [why for _, why in sorted(found, key=lambda item: -item[0]) if why]


def _defense_words(inputs: Inputs) -> str:
    return "defense mode is active" + "".join(f", {why}" for why in inputs.defense_because)


def worst(levels: Iterable[Level]) -> Level:
    """The gravest of several, OK of none."""
    return max(levels, default=Level.OK)


def _api(inputs: Inputs) -> tuple[Level, str]:
    level, why = _API.get(inputs.api, (Level.WARNING, "the state of the broker's interface is unknown"))
    return level, f"{why}: {inputs.api_reason}" if why and inputs.api_reason else why


def _flag(*, value: bool | None, level: Level, why: str, name: str) -> tuple[Level, str]:
    if value is None:
        return Level.WARNING, f"the state of {name} is unknown"
    return (level, why) if value else (Level.OK, "")
