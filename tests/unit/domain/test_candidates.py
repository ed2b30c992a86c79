from __future__ import annotations

from dataclasses import replace

import pytest

from tbot_bot.domain.candidates import Candidate, CandidateRules, drop_of
from tbot_bot.domain.market import Instrument
from tbot_bot.domain.money import Price, Quantity

RULES = CandidateRules(Price.of(5), Price.of(100), Quantity.of(1000), frozenset({"BAD"}), shortable_only=True)
GOOD = Candidate(Instrument("GOOD", "Good", Price.of("0.01")), Price.of(50), Quantity.of(1000))


def test_what_passes_every_filter_is_a_candidate() -> None:
    assert drop_of(GOOD, RULES) is None


@pytest.mark.parametrize(
    ("candidate", "check", "reason"),
    [
        (
            replace(GOOD, instrument=replace(GOOD.instrument, symbol="BAD")),
            "blocked",
            "BAD is on the list of blocked symbols",
        ),
        (
            replace(GOOD, instrument=replace(GOOD.instrument, shortable=False)),
            "shortable",
            "GOOD cannot be sold short",
        ),
        (replace(GOOD, price=Price.of("4.99")), "price", "the price 4.99 is outside 5 to 100"),
        (replace(GOOD, price=Price.of("100.01")), "price", "the price 100.01 is outside 5 to 100"),
        (
            replace(GOOD, minute_volume=Quantity.of(999)),
            "volume",
            "999 shares in the mean minute are fewer than 1000",
        ),
    ],
)
def test_a_filter_says_what_it_leaves_out_and_why(candidate: Candidate, check: str, reason: str) -> None:
    drop = drop_of(candidate, RULES)
    assert drop is not None
    assert (drop.check, drop.reason) == (check, reason)


def test_the_bounds_themselves_pass() -> None:
    for price in (Price.of(5), Price.of(100)):
        assert drop_of(replace(GOOD, price=price), RULES) is None


def test_what_cannot_be_shorted_may_be_let_in() -> None:
    fixed = replace(GOOD, instrument=replace(GOOD.instrument, shortable=False))
    assert drop_of(fixed, replace(RULES, shortable_only=False)) is None
