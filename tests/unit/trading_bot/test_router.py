from __future__ import annotations

from datetime import timedelta

from tbot_bot.domain.intents import Enter, NoTrade, Window
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import Price
from tbot_bot.strategies.registry import STRATEGIES, parse_parameters
from tbot_bot.trading.strategy_router import Running, StrategyRouter
from tests.unit.strategies.test_strategy_open import held
from tests.unit.trading_bot.scene import OPEN_AT, SESSION, bars, instrument, minute, quiet_range

BREAKOUT = "15 100 102 100 101.50 9000"
NEXT = Session(
    SESSION.day + timedelta(days=1), SESSION.open_at + timedelta(days=1), SESSION.close_at + timedelta(days=1)
)


def make_router(session: Session | None = SESSION) -> StrategyRouter:
    router = StrategyRouter(STRATEGIES, parse_parameters({}))
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
    reason = NoTrade("SPY", "volume", "thin")
    assert router.keep_reason("open", reason)
    assert not router.keep_reason("open", NoTrade("SPY", "volume", "thinner"))
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
