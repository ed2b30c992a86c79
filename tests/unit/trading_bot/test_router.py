from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tbot_bot.domain.candidates import CandidateRules
from tbot_bot.domain.intents import Enter, Exit, NoTrade, Stage, Window
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.strategies.registry import in_sequence, parse_parameters
from tbot_bot.trading.strategy_router import Running, StrategyRouter
from tests.unit.strategies.test_strategy_open import held
from tests.unit.trading_bot.scene import OPEN_AT, RULES, SESSION, bars, instrument, minute, quiet_range

BREAKOUT = "15 100 102 100 101.50 9000"
NEXT = Session(
    SESSION.day + timedelta(days=1), SESSION.open_at + timedelta(days=1), SESSION.close_at + timedelta(days=1)
)


def make_router(
    session: Session | None = SESSION, names: Sequence[str] = ("open",), rules: CandidateRules = RULES
) -> StrategyRouter:
    router = StrategyRouter(in_sequence(names), parse_parameters({}), rules)
    router.know_instruments([instrument("SPY")])
    if session is not None:
        router.begin_session(session)
    return router


def feed(router: StrategyRouter, history: list[Bar]) -> None:
    for bar in history:
        router.on_bar(bar)


def decide_at(router: StrategyRouter, number: float) -> list[type]:
    return [type(wish) for _, wish in router.decide(minute(number), [], {})]


def test_wishes_come_with_the_name_of_their_strategy() -> None:
    router = make_router()
    feed(router, bars("SPY", f"{quiet_range()}\n{BREAKOUT}"))
    [(strategy, wish)] = router.decide(minute(16), [], {})
    assert strategy == "open"
    assert isinstance(wish, Enter)


def test_a_bar_is_decided_on_once() -> None:
    router = make_router()
    feed(router, bars("SPY", f"{quiet_range()}\n{BREAKOUT}"))
    assert decide_at(router, 16) == [Enter]
    assert decide_at(router, 16) == []
    feed(router, bars("SPY", BREAKOUT))  # the same bar again
    assert decide_at(router, 16) == []


def test_a_bar_that_is_only_learned_is_not_decided_on() -> None:
    router = make_router()
    assert all(router.learn(bar) for bar in bars("SPY", f"{quiet_range()}\n{BREAKOUT}"))
    assert decide_at(router, 16) == []


def test_bars_of_other_times_and_symbols_are_left_out() -> None:
    router = make_router()
    early, late = bars("SPY", "-1 1 900 1 1 9"), bars("SPY", "390 1 900 1 1 9")
    strange = bars("XYZ", "0 1 900 1 1 9")
    assert not any(router.learn(bar) for bar in [*early, *strange, *late])
    assert router.marks == {"SPY": Price.of(1)}
    assert not make_router(None).learn(bars("SPY", "0 1 1 1 1 1")[0])


def test_nothing_is_wished_outside_the_session() -> None:
    router = make_router()
    feed(router, bars("SPY", f"{quiet_range()}\n{BREAKOUT}"))
    assert decide_at(router, -1) == []
    feed(router, bars("SPY", "16 101.5 101.5 101.5 101.5 20000"))
    assert decide_at(router, 390) == []
    assert router.decide(minute(390), [held()], {}) == []
    assert len(router.decide(minute(389), [held()], {})) == 1
    assert make_router(None).decide(OPEN_AT, [], {}) == []


def test_another_session_starts_over() -> None:
    router = make_router()
    feed(router, bars("SPY", quiet_range()))
    reason = NoTrade("SPY", Stage.SIGNAL, "volume", "thin")
    assert router.keep_reason("open", reason)
    assert not router.keep_reason("open", NoTrade("SPY", Stage.SIGNAL, "volume", "thinner"))
    assert router.keep_reason("other", reason)
    router.begin_session(SESSION)
    assert not router.keep_reason("open", reason)
    router.begin_session(NEXT)
    assert router.keep_reason("open", reason)
    feed(router, bars("SPY", BREAKOUT, NEXT))
    [(_, wish)] = router.decide(minute(16, NEXT), [], {})
    assert isinstance(wish, NoTrade)  # the range of the day before is forgotten


def test_it_says_which_strategy_runs() -> None:
    router = make_router()
    assert router.running_at(minute(20)) == Running("open", Window.TRADING)
    assert router.running_at(minute(300)) == Running(None, Window.IDLE)
    assert make_router(None).running_at(OPEN_AT) == Running(None, Window.IDLE)


@pytest.mark.parametrize(
    ("at", "running"),
    [
        (10, Running("open", Window.ANALYZING)),
        (100, Running("open", Window.TRADING)),  # mid may enter too; the first one counts
        (130, Running("mid", Window.TRADING)),  # open only watches what it has
        (280, Running("mid", Window.MONITORING)),
        (310, Running("close", Window.TRADING)),  # mid only watches
        (375, Running("close", Window.MONITORING)),
        (386, Running(None, Window.IDLE)),
    ],
)
def test_the_first_that_may_enter_runs_where_windows_overlap(at: int, running: Running) -> None:
    assert make_router(names=("open", "mid", "close")).running_at(minute(at)) == running


def test_only_the_strategies_of_the_sequence_are_asked_in_its_order() -> None:
    assert make_router(names=("close",)).running_at(minute(20)) == Running(None, Window.IDLE)
    assert make_router(names=("mid", "open")).running_at(minute(100)) == Running("mid", Window.TRADING)


@pytest.mark.parametrize(
    ("rules", "check"),
    [
        (replace(RULES, blocked=frozenset({"SPY"})), "blocked"),
        (replace(RULES, price_min=Price.of(200)), "price"),
        (replace(RULES, minute_volume_min=Quantity.of(9_938)), "volume"),  # (15 x 10,000 + 9,000) / 16 = 9,937.5
    ],
)
def test_what_the_filters_leave_out_is_told_and_not_entered(rules: CandidateRules, check: str) -> None:
    router = make_router(rules=rules)
    feed(router, bars("SPY", f"{quiet_range()}\n{BREAKOUT}"))
    [(strategy, wish)] = router.decide(minute(16), [], {})
    assert isinstance(wish, NoTrade)
    assert (strategy, wish.stage, wish.check) == ("open", Stage.FILTER, check)


def test_what_is_open_in_a_symbol_that_is_left_out_is_still_closed() -> None:
    router = make_router(rules=replace(RULES, blocked=frozenset({"SPY"})))
    feed(router, bars("SPY", quiet_range()))
    assert [type(wish) for _, wish in router.decide(minute(240), [held()], {})] == [Exit]


def test_minutes_without_any_bar_are_counted_for_one_session() -> None:
    router = make_router()
    assert router.missing_minutes == 0
    history = bars("SPY", quiet_range())
    feed(router, [history[0], history[1], history[4]])
    assert router.missing_minutes == 2
    router.begin_session(NEXT)
    assert router.missing_minutes == 0
