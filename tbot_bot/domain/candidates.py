"""Which symbols may be entered at all: filters over what the broker lists, before any strategy looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tbot_bot.domain.market import Instrument
from tbot_bot.domain.money import Price, Quantity


@dataclass(frozen=True, slots=True)
class CandidateRules:
    """What is left out: prices outside the bounds, thin trading, named symbols, and what cannot be sold short."""

    price_min: Price
    price_max: Price
    minute_volume_min: Quantity
    blocked: AbstractSet[str]
    shortable_only: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A symbol in this session: its latest price and the mean volume of its minutes so far."""

    instrument: Instrument
    price: Price
    minute_volume: Quantity


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a symbol is left out: by which filter, with the figures."""

    check: str
    reason: str


Filter = Callable[[Candidate, CandidateRules], Drop | None]


def _blocked(candidate: Candidate, rules: CandidateRules) -> Drop | None:
    symbol = candidate.instrument.symbol
    return Drop("blocked", f"{symbol} is on the list of blocked symbols") if symbol in rules.blocked else None


def _shortable(candidate: Candidate, rules: CandidateRules) -> Drop | None:
    if candidate.instrument.shortable or not rules.shortable_only:
        return None
    return Drop("shortable", f"{candidate.instrument.symbol} cannot be sold short")


def _price(candidate: Candidate, rules: CandidateRules) -> Drop | None:
    if rules.price_min <= candidate.price <= rules.price_max:
        return None
    return Drop("price", f"the price {candidate.price} is outside {rules.price_min} to {rules.price_max}")


def _volume(candidate: Candidate, rules: CandidateRules) -> Drop | None:
    if candidate.minute_volume >= rules.minute_volume_min:
        return None
    volume = candidate.minute_volume.decimal
    return Drop("volume", f"{volume:.0f} shares in the mean minute are fewer than {rules.minute_volume_min}")


FILTERS: Sequence[Filter] = (_blocked, _shortable, _price, _volume)


def drop_of(candidate: Candidate, rules: CandidateRules) -> Drop | None:
    """The first filter that leaves the symbol out, None if all let it through."""
    return next((drop for one in FILTERS if (drop := one(candidate, rules)) is not None), None)
