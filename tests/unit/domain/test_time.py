"""Times are UTC or refused, and survive rest and wire."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.time import (
    NaiveTimeError,
    exchange_day,
    from_micros,
    from_rfc3339,
    require_utc,
    to_micros,
    to_rfc3339,
)


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_rest_and_wire_are_lossless(moment):
    assert from_micros(to_micros(moment)) == moment
    assert from_rfc3339(to_rfc3339(moment)) == moment


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))])
def test_other_zones_and_none_are_refused(moment):
    with pytest.raises(NaiveTimeError):
        require_utc(moment)


def test_text_needs_an_offset():
    assert from_rfc3339("2026-11-22T15:00:00+01:00") == datetime(2026, 11, 22, 14, tzinfo=UTC)
    with pytest.raises(NaiveTimeError):
        from_rfc3339("2026-11-22T15:00:00")


def test_the_exchange_day_is_new_yorks():
    assert exchange_day(datetime(2026, 11, 22, 4, 59, tzinfo=UTC)) == date(2026, 11, 21)
