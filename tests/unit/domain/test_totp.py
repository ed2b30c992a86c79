"""One-time codes, against the values that RFC 6238 gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.totp import code_of, looks_like_code, matching_step, step_at

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_values_of_the_standard(seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert code_of(SECRET, step_at(moment)) == code
    assert matching_step(SECRET, code, moment) == seconds // 30


@settings(deadline=None)
@given(seconds=st.integers(0, 4_000_000_000), off=st.integers(-120, 120))
def test_a_code_is_good_for_its_step_and_the_neighbours(seconds: int, off: int) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    moment = now + timedelta(seconds=off)
    if moment.timestamp() < 0:
        return
    found = matching_step(SECRET, code_of(SECRET, step_at(moment)), now)
    if abs(step_at(moment) - step_at(now)) <= 1:
        assert found is not None
    else:
        assert found != step_at(moment)


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "１２３４５６", "12 456", "-12345"])  # noqa: RUF001
def test_what_is_no_code(text: str) -> None:
    assert not looks_like_code(text)
    assert matching_step(SECRET, text, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_there_is_no_step_before_the_first() -> None:
    assert matching_step(SECRET, "000000", datetime.fromtimestamp(0, UTC)) is None
