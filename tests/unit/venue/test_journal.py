"""The venue's books: what is saved is found again, and nothing else is accepted."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.broker import OrderRefusedError
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.venue.core import Market
from tbot_bot.venue.journal import Journal, JournalError
from tbot_bot.venue.records import Changes
from tbot_bot.venue.synthetic import SyntheticFeed
from tbot_bot.venue.venue import Venue
from tests.unit.venue.stage import CASH, buy, order, sell, sessions

CONFIGURATION = {"feed": "synthetic", "replay_dir": None, "seed": 3, "starting_cash": "100000"}
DAYS = sessions(2, 40)


def opened(path, **changed):
    return Journal(path / "venue.db", CONFIGURATION | changed, CASH)


class Stage:
    """A venue over a journal, restarted at will."""

    def __init__(self, path):
        self.path = path
        self.events = []
        self.restart()

    def restart(self):
        self.journal = opened(self.path)
        self.market = Market(SyntheticFeed(3, DAYS), self.journal.snapshot())
        self.venue = Venue(self.market, self.journal, self.events.extend)

    def crash(self):
        self.journal.close()
        self.restart()

    def everything(self):
        market = self.market
        quotes = market.quotes(["MKT", "ESKA"])
        return (market.account(), market.positions(), market.open_orders(), quotes, market.clock(running=True))


def bracketed(name, quantity, quote):
    down, up = str(quote.bid), str(quote.ask)
    return buy(
        name,
        quantity,
        symbol="ESKA",
        bracket=[
            sell(f"{name}-s", quantity, stop=down, symbol="ESKA"),
            sell(f"{name}-t", quantity, limit=up, symbol="ESKA"),
        ],
    )


def test_a_new_journal_begins_empty_with_an_account_of_its_own(tmp_path):
    (tmp_path / "other").mkdir()
    snapshot = opened(tmp_path).snapshot()
    assert (snapshot.now, snapshot.cash, snapshot.positions, snapshot.open_orders) == (None, CASH, {}, ())
    assert snapshot.account_id != opened(tmp_path / "other").snapshot().account_id
    assert (tmp_path / "venue.db").stat().st_mode & 0o777 == 0o600


def test_the_clock_remembers_that_it_runs(tmp_path):
    journal = opened(tmp_path)
    assert not journal.running
    journal.start()
    journal.close()
    assert opened(tmp_path).running


STEPS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(["bracket", "buy", "sell", "limit", "cancel"]), st.integers(1, 900)),
    max_size=10,
)


def act(stage, number, kind, quantity):
    quote = stage.market.quotes(["ESKA"])[0]
    try:
        if kind == "bracket":
            stage.venue.submit(bracketed(f"o{number}", quantity, quote))
        elif kind == "cancel":
            stage.venue.cancel(f"o{number - 1}")
        elif kind == "limit":
            stage.venue.submit(order(f"o{number}", Side.BUY, quantity, limit=str(quote.bid), symbol="ESKA"))
        else:
            stage.venue.submit(order(f"o{number}", Side(kind), quantity, symbol="ESKA"))
    except OrderRefusedError:
        return


@settings(deadline=None, max_examples=8)
@given(STEPS)
def test_a_market_restarted_after_every_step_trades_as_if_it_had_not_been(tmp_path_factory, steps):
    stages = [Stage(tmp_path_factory.mktemp(name)) for name in ("steady", "restarted")]
    moment = DAYS[0].open_at
    for stage in stages:
        stage.venue.advance_to(moment)
    for number, (ticks, kind, quantity) in enumerate(steps):
        moment += ticks * timedelta(seconds=15)
        for stage in stages:
            stage.venue.advance_to(moment)
            act(stage, number, kind, quantity)
        before = stages[1].everything()
        stages[1].crash()
        saved, now = stages[1].market.now, before[-1].now
        assert now - timedelta(minutes=1) < saved <= now
        stages[1].venue.advance_to(now)
        assert stages[1].everything() == before
        assert stages[1].market.account() == stages[0].market.account()
    for stage in stages:
        stage.venue.advance_to(DAYS[1].close_at)
    fills = [[replace(one, execution_id="") for one in stage.journal.executions(0)] for stage in stages]
    assert fills[0] == fills[1]
    assert len({one.execution_id for one in stages[1].journal.executions(0)}) == len(fills[1])
    for stage in stages:
        stage.journal.close()


def test_final_orders_and_executions_stay_known(tmp_path):
    stage = Stage(tmp_path)
    stage.venue.advance_to(DAYS[0].open_at)
    stage.venue.submit(buy("b", 5, symbol="ESKA"))
    stage.venue.advance_to(DAYS[0].open_at + timedelta(minutes=1))
    known = stage.venue.order("b"), stage.venue.executions(0)
    stage.crash()
    assert (stage.venue.order("b"), stage.venue.executions(0)) == known
    assert stage.venue.submit(buy("b", 5, symbol="ESKA")) == known[0]
    assert stage.venue.executions(1) == []


def test_the_volume_taken_in_the_running_minute_is_remembered(tmp_path):
    stage = Stage(tmp_path)
    stage.venue.advance_to(DAYS[0].open_at)
    stage.venue.submit(buy("b", 100_000 // 30, symbol="ESKA"))
    stage.venue.advance_to(DAYS[0].open_at + timedelta(seconds=30))
    taken = stage.journal.snapshot().taken
    assert taken["ESKA"] == stage.venue.order("b").filled > Quantity.zero()


@pytest.mark.parametrize("changed", [{"seed": 4}, {"feed": "replay"}, {"starting_cash": "5"}])
def test_another_configuration_is_refused(tmp_path, changed):
    opened(tmp_path).close()
    (name,) = changed
    with pytest.raises(JournalError, match=f"began with {name} .* only the speed and a replay's folder may change"):
        opened(tmp_path, **changed)


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "venue.db").write_bytes(b"not a database, but long enough to be looked at" * 40)
    with pytest.raises(JournalError, match="cannot be read"):
        opened(tmp_path)


def test_a_record_that_is_none_of_ours_is_refused(tmp_path):
    stage = Stage(tmp_path)
    stage.venue.advance_to(DAYS[0].open_at)
    stage.venue.submit(buy("b", 5, symbol="ESKA"))
    stage.journal.close()
    with sqlite3.connect(tmp_path / "venue.db") as database:
        database.execute("UPDATE orders SET record = '{}'")
    database.close()
    again = opened(tmp_path)
    with pytest.raises(JournalError, match=r"as it was written: .* Put it back from a backup"):
        again.snapshot()
    again.close()


def test_a_journal_of_another_format_is_refused(tmp_path):
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "venue.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="has format 99"):
        opened(tmp_path)


def test_changes_are_saved_whole_or_not_at_all(tmp_path):
    stage = Stage(tmp_path)
    stage.venue.advance_to(DAYS[0].open_at)
    stage.venue.submit(buy("b", 5, symbol="ESKA"))
    stage.venue.advance_to(DAYS[0].open_at + timedelta(minutes=1))
    (fill,) = stage.journal.executions(0)
    doubled = Changes(DAYS[1].close_at, (), (fill,), ())
    with pytest.raises(sqlite3.IntegrityError):
        stage.journal.save(doubled)
    assert stage.journal.snapshot().now == DAYS[0].open_at + timedelta(minutes=1)


def test_announced_only_after_it_is_saved(tmp_path):
    stage = Stage(tmp_path)
    saved = []
    stage.venue = Venue(stage.market, stage.journal, lambda events: saved.append(len(stage.journal.executions(0))))
    stage.venue.advance_to(DAYS[0].open_at)
    for number in range(3):
        stage.venue.submit(buy(f"b{number}", 5, symbol="ESKA"))
        stage.venue.advance_to(stage.market.now + timedelta(seconds=15))
    assert all(later >= earlier for earlier, later in pairwise(saved))
    assert saved[-1] == 3
