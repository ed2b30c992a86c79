"""From a wish to one order: when it is sent, when not, and what happens when the broker does not answer."""

from __future__ import annotations

import pytest

from tbot_bot.api.bot_protocol import (
    AskIntent,
    Float,
    FromBot,
    Halt,
    Pause,
    PauseStrategies,
    Run,
    TellError,
    TellMarket,
    TellNoTrade,
)
from tbot_bot.domain.broker import GapDetected
from tbot_bot.domain.intents import GateRefusal
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import OrderRole, OrderStatus, Side
from tests.unit.trading_bot.conftest import SceneMaker
from tests.unit.trading_bot.scene import FLOAT, Scene, flat, make_broker, minute, quiet_range

BREAKOUT = f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('101.50', 16, 40)}"
TWICE = f"{BREAKOUT}\n41 101.50 101.60 101.40 101.60 12000\n{flat('101.60', 42, 60)}"


def fail_once(scene: Scene, name: str, how: str, times: int = 1) -> None:
    """Lose the next `times` answers of one call."""
    left = [times]

    def fail(called: str) -> str | None:
        if called != name or left[0] == 0:
            return None
        left[0] -= 1
        return how

    scene.broker.fail = fail


def test_a_breakout_becomes_one_bracket_order_sized_by_risk(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()
    scene.play(20)
    # 500 at risk / 2.50 = 200 shares; 10,000 / 101.50 = 98 shares
    [request] = scene.broker.submitted
    assert (request.client_order_id, request.side, request.quantity) == (
        "S-open-SPY-20240507-1-E",
        Side.BUY,
        Quantity.of(98),
    )
    assert [(leg.stop_price, leg.limit_price) for leg in request.bracket] == [
        (Price.of(99), None),
        (None, Price.of("106.50")),
    ]
    assert scene.books.submissions == [("S-open-SPY-20240507-1-E", "accepted")]
    [trade] = scene.books.trades()
    assert trade.quantity == Quantity.of(98)


def test_one_trade_a_symbol_and_session_even_after_a_restart(stage: SceneMaker) -> None:
    scene = stage({"SPY": TWICE})
    scene.run()
    scene.play(30)
    scene.loop = scene.new_loop({})
    scene.run()
    scene.play(60, first=30)
    assert [intent.client_order_id for intent in scene.books.entries] == ["S-open-SPY-20240507-1-E"]
    assert len(scene.broker.submitted) == 1


def test_a_loop_that_starts_late_learns_the_range_but_does_not_decide_on_the_past(stage: SceneMaker) -> None:
    scene = stage({"SPY": f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('100.00', 16, 25)}"})
    scene.market.advance_to(minute(20))
    scene.market.events(0.0)
    scene.run()
    scene.play(25, first=20)
    assert scene.broker.submitted == []
    late = stage({"SPY": TWICE})
    late.market.advance_to(minute(20))
    late.market.events(0.0)
    late.run()
    late.play(25, first=20)
    assert [request.symbol for request in late.broker.submitted] == ["SPY"]


@pytest.mark.parametrize("why", ["never ran", "halted", "paused", "unarmed"])
def test_nothing_is_sent_unless_everything_allows_it(stage: SceneMaker, why: str) -> None:
    scene = stage({"SPY": BREAKOUT})
    if why != "never ran":
        scene.run(paused=why == "paused")
    if why == "halted":
        scene.say(Halt(reason="stop", cancel_entries=False))
    scene.armed = why != "unarmed"
    scene.play(40)
    assert scene.broker.submitted == []
    assert scene.books.asked == []
    assert scene.runner.reasons == ([("SPY", "held")] if why in ("paused", "unarmed") else [])


def test_after_a_pause_a_breakout_that_still_stands_is_traded(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run(paused=True)
    scene.play(20)
    scene.say(Pause(paused=False, reason="resumed"))
    scene.play(25, first=21)
    assert len(scene.broker.submitted) == 1


@pytest.mark.parametrize("what", ["halt", "pause", "disarm"])
def test_what_is_forbidden_while_the_intent_is_recorded_is_not_sent(stage: SceneMaker, what: str) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()

    def forbid(told: FromBot) -> None:
        if not isinstance(told, AskIntent):
            return
        if what == "halt":
            scene.runner.tell(Halt(reason="kill", cancel_entries=True))
        elif what == "pause":
            scene.runner.tell(Pause(paused=True, reason="asked"))
        else:
            scene.armed = False

    scene.runner.before_answer = forbid
    scene.play(30)
    assert scene.books.asked == ["S-open-SPY-20240507-1-E"]
    assert scene.broker.submitted == []
    [(client_order_id, outcome)] = scene.books.submissions
    assert client_order_id == "S-open-SPY-20240507-1-E"
    assert outcome.startswith("not sent: ")


def test_what_the_gate_refuses_is_not_sent_and_not_asked_again(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.books.refuse = lambda _intent: GateRefusal("positions", "5 of 5 positions are open")
    scene.run()
    scene.play(30)
    assert scene.books.asked == ["S-open-SPY-20240507-1-E"]
    assert scene.broker.submitted == []
    assert [(told.stage, told.reason) for told in scene.runner.told if isinstance(told, TellNoTrade)] == [
        ("gate", "5 of 5 positions are open")
    ]


def test_what_the_broker_refuses_is_told(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()
    scene.say(Float(float_allocation="5000000", trades_today=0))  # far more than the account can pay for
    scene.play(30)
    assert len(scene.broker.submitted) == 1
    assert scene.runner.reasons == [("SPY", "broker")]
    assert "unknown" not in [outcome for _, outcome in scene.books.submissions]


def test_a_float_that_buys_nothing_makes_no_trade(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()
    scene.say(Float(float_allocation="100", trades_today=0))
    scene.play(30)
    assert scene.books.asked == []
    assert scene.runner.reasons == [("SPY", "size")]


def test_entries_of_one_minute_share_what_is_left_of_the_float(stage: SceneMaker) -> None:
    scene = stage(dict.fromkeys(("AAA", "BBB", "CCC", "DDD", "EEE", "FFF"), BREAKOUT))
    scene.run()
    scene.play(40)
    used = sum((request.quantity.decimal for request in scene.broker.submitted), start=Quantity.zero().decimal)
    assert used * Price.of("101.50").decimal <= FLOAT.decimal
    assert len(scene.broker.submitted) == 6
    # five positions of 98 shares use 49,735; the sixth gets the 2 shares that 265 still buy
    assert [str(request.quantity) for request in scene.broker.submitted] == ["98"] * 5 + ["2"]


@pytest.mark.parametrize("lost", ["before", "after"])
def test_an_unknown_outcome_is_asked_after_and_never_sent_again(stage: SceneMaker, lost: str) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()
    fail_once(scene, "submit", lost)
    scene.play(40)
    outcomes = [outcome for _, outcome in scene.books.submissions]
    assert len(scene.broker.submitted) == 1
    if lost == "before":
        assert outcomes == ["unknown", "the broker never got the order"]
        assert scene.books.trades() == []
    else:
        assert outcomes == ["unknown", "accepted"]
        assert [trade.quantity for trade in scene.books.trades()] == [Quantity.of(98)]


def test_a_symbol_in_doubt_gets_no_new_entry(stage: SceneMaker) -> None:
    scene = stage({"SPY": TWICE})
    scene.run()
    scene.play(15)
    fail_once(scene, "submit", "before")
    scene.market.advance_to(minute(16))
    scene.step()
    # a runner that counts no trade: only the doubt stands against another entry
    scene.say(Run(paused=False, trades=[], counts={}, float_allocation=str(FLOAT), trades_today=0))
    scene.step()
    scene.market.advance_to(minute(17))
    scene.step()
    assert scene.runner.reasons == [("SPY", "busy")]
    assert len(scene.broker.submitted) == 1


def test_a_broker_that_is_down_is_said_to_be_and_asked_less_and_less(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()
    scene.play(5)
    calls: list[str] = []

    def down(name: str) -> str:
        calls.append(name)
        return "before"

    scene.broker.fail = down
    scene.step(60)
    assert len(calls) < 12
    states = [told.broker_ok for told in scene.runner.told if isinstance(told, TellMarket)]
    assert states[0]
    assert not states[-1]
    assert scene.runner.of(TellError)
    scene.broker.fail = lambda _name: None
    scene.step(31)
    assert [told.broker_ok for told in scene.runner.told if isinstance(told, TellMarket)][-1]


def test_after_an_outage_fills_are_caught_up_and_the_missed_breakout_is_not_chased(stage: SceneMaker) -> None:
    scene = stage({"SPY": f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('100.00', 16, 40)}"})
    scene.run()
    scene.play(14)
    scene.broker.fail = lambda _name: "before"
    scene.step(2)
    scene.market.advance_to(minute(20))
    scene.market.events(0.0)  # lost on the way
    scene.broker.fail = lambda _name: None
    scene.step(40)
    scene.play(40, first=21)
    assert scene.broker.submitted == []


def test_lost_events_are_made_up_for(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()
    scene.play(15)
    scene.market.advance_to(minute(16))
    scene.step()
    assert len(scene.broker.submitted) == 1
    scene.market.advance_to(minute(18))
    scene.market.events(0.0)  # the fill and its order report are lost
    scene.broker.extra = [GapDetected("a new connection")]
    scene.step()
    assert [trade.quantity for trade in scene.books.trades()] == [Quantity.of(98)]
    assert scene.books.orders["S-open-SPY-20240507-1-E"].status is OrderStatus.FILLED
    assert scene.runner.sessions == ["opened", "gap"]


def test_a_fill_lost_between_two_others_is_made_up_for(stage: SceneMaker) -> None:
    thin = f"{quiet_range(volume=400)}\n15 100 102 100 101.50 400\n{flat('101.50', 16, 40, volume=400)}"
    scene = stage({"SPY": thin})
    scene.run()
    scene.play(16)
    known = len(scene.books.executions)
    scene.market.advance_to(minute(17))
    scene.market.events(0.0)  # the next fill is lost
    scene.market.advance_to(minute(17.25))
    scene.step()
    assert len(scene.books.executions) == known + 1
    scene.broker.extra = [GapDetected("a number was skipped")]
    scene.step()
    assert len(scene.books.executions) == known + 2
    assert sorted(fill.sequence for fill in scene.books.executions.values()) == list(range(1, known + 3))


def test_a_fill_that_could_not_be_recorded_is_told_again(stage: SceneMaker) -> None:
    scene = stage({"SPY": BREAKOUT})
    scene.run()
    failing = [True]
    scene.books.unrecordable = lambda kind: kind == "execution" and failing[0]
    scene.play(18)
    assert scene.books.executions == {}
    failing[0] = False
    scene.step(40)
    assert [trade.quantity for trade in scene.books.trades()] == [Quantity.of(98)]
    assert scene.books.open_quantity(scene.books.entries[0]) == Quantity.of(98)


def test_halt_cancels_working_entries_and_leaves_protective_orders(stage: SceneMaker) -> None:
    # 40 shares a minute: the entry of 98 is filled only in part when the halt comes
    thin = f"{quiet_range(volume=400)}\n15 100 102 100 101.50 400\n{flat('101.50', 16, 40, volume=400)}"
    scene = stage({"SPY": thin})
    scene.run()
    scene.play(16)
    scene.say(Halt(reason="stop", cancel_entries=True))
    scene.play(18, first=17)
    assert scene.market.order("S-open-SPY-20240507-1-E").status is OrderStatus.CANCELLED  # type: ignore[union-attr]
    filled = scene.books.filled(scene.books.entries[0], OrderRole.ENTRY)
    assert Quantity.zero() < filled < Quantity.of(98)
    assert {order.client_order_id[-1] for order in scene.market.open_orders()} == {"S", "T"}


def test_a_stale_bar_is_not_acted_on(stage: SceneMaker) -> None:
    scene = stage({"SPY": f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('101.50', 40, 41)}"})
    scene.run()
    scene.play(14)
    scene.market.advance_to(minute(39))  # the bot was busy for 24 market minutes
    scene.step()
    assert scene.broker.submitted == []
    assert scene.runner.reasons == [("SPY", "late")]


def test_an_unknown_float_in_use_blocks_entries(stage: SceneMaker) -> None:
    # a former process left an entry that still works; at which price it was decided is not known
    thin = f"{quiet_range(volume=200)}\n15 100 102 100 101.50 200\n{flat('101.50', 16, 40, volume=200)}"
    later = f"{quiet_range()}\n{flat('100', 15, 17)}\n18 100 102 100 101.50 12000\n{flat('101.50', 19, 40)}"
    scene = stage({"SPY": thin, "QQQ": later})
    scene.run()
    scene.play(16)
    scene.loop = scene.new_loop({})
    scene.run()
    scene.play(20, first=17)
    assert [request.symbol for request in scene.broker.submitted] == ["SPY"]
    assert ("QQQ", "size") in scene.runner.reasons


def test_the_day_ends_flat_and_another_begins(stage: SceneMaker) -> None:
    scene = stage(make_broker({"SPY": f"{BREAKOUT}\n{flat('101.50', 236, 245)}"}))
    scene.run()
    scene.play(40)
    scene.play(250, first=235)
    scene.market.advance_to(minute(391))
    scene.step(3)
    assert scene.market.positions() == []
    assert scene.books.trades() == []
    assert scene.runner.sessions == ["opened", "closed", "ended"]


def test_a_strategy_that_is_held_back_says_so_and_may_enter_later(stage: SceneMaker) -> None:
    scene = stage({"SPY": f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('101.50', 16, 20)}"})
    scene.run()
    scene.loop.hear(PauseStrategies(reasons={"open": "too wild"}))
    scene.play(20)
    assert scene.books.entries == []
    (told,) = [one for one in scene.runner.told if isinstance(one, TellNoTrade) and one.check == "paused"]
    assert told.reason == "strategy open is paused (too wild): no new entry until it is resumed"
