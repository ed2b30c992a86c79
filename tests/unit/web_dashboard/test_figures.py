from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_web.support import figures
from tbot_web.support.figures import MINUS, Shown

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=8).map(lambda value: format(value, "f"))


@pytest.mark.parametrize(
    ("value", "sign", "expected"),
    [
        ("0", True, Shown("0.00")),
        ("412.5", True, Shown("+412.50", "up")),
        ("-12.4", True, Shown("\u221212.40", "down")),
        ("-12.4", False, Shown("\u221212.40")),
        ("1234567.891", False, Shown("1,234,567.89")),
        ("-0.001", True, Shown("0.00")),
        ("0.005", True, Shown("0.00")),
        ("0.015", True, Shown("+0.02", "up")),
    ],
)
def test_money_has_two_decimals_a_true_minus_and_an_arrow_for_results(value: str, sign: bool, expected: Shown) -> None:
    assert figures.money(value, sign=sign) == expected


@settings(deadline=None)
@given(AMOUNTS)
def test_what_is_shown_is_the_amount_rounded_and_never_a_negative_zero(text: str) -> None:
    shown = figures.money(text, sign=True)
    assert shown is not None
    back = Decimal(shown.text.replace(",", "").replace(MINUS, "-"))
    assert abs(back - Decimal(text)) <= Decimal("0.005")
    assert (shown.direction == "") == (back == 0)
    assert "-" not in shown.text


@pytest.mark.parametrize("form", [figures.money, figures.price, figures.percent, figures.quantity, figures.whole])
def test_unknown_is_never_zero(form) -> None:
    assert form(None) is None


def test_the_other_figures() -> None:
    assert str(figures.price("167.2")) == "167.2000"
    assert str(figures.percent("66.67")) == "66.7%"
    assert figures.percent("-1.3", sign=True) == Shown("\u22121.3%")
    assert [str(figures.quantity(text)) for text in ("24", "-0.5", "1000.250000000")] == ["24", "\u22120.5", "1,000.25"]
    assert str(figures.whole(1204)) == "1,204"
    assert figures.share(6, 9) == "6 of 9"
    assert figures.share(None, 9) == figures.share(6, None) == ""
    assert [figures.size(n) for n in (12, 48_213, 1_204_882, 5 * 10**12)] == ["12 B", "48.2 kB", "1.2 MB", "5000.0 GB"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (8040, "2 h 14 min"), (86_400, "1 d 0 h"), (100_000, "1 d 3 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: int, words: str) -> None:
    assert figures.duration(seconds) == words


def test_moments_are_utc_and_market_time_is_new_yorks() -> None:
    at = "2026-10-03T16:02:11.5+02:00"
    assert figures.moment(at) == "3 Oct 2026 14:02:11"
    assert figures.moment(at, "time") == "14:02:11"
    assert figures.moment(at, "date") == "3 Oct 2026"
    assert figures.moment(at, "short") == "3 Oct 14:02"
    assert figures.day("2026-10-03") == "3 Oct 2026"
    assert figures.new_york("2010-03-12T15:02:00Z") == "12 Mar 2010 10:02"
    assert figures.new_york("2010-03-15T15:02:00Z") == "15 Mar 2010 11:02"
    assert figures.between("2026-10-03T14:00:00Z", "2026-10-03T14:00:59.9Z") == 59
    assert figures.between("2026-10-03T14:00:00Z", "2026-10-03T13:00:00Z") == 0
