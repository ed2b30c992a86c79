"""Closing trades: legs first, then once what is left; never more than is open, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.api.bot_protocol import AskIntent, FromBot, Halt, Run
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.intents import Exit, GateRefusal
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import Book, OrderRequest, OrderStatus, OrderType, Side
from tbot_bot.venue.faults import Fault, FaultKind
from tests.unit.trading_bot.conftest import SceneMaker
from tests.unit.trading_bot.scene import OPEN_AT, Scene, flat, make_broker, minute, quiet_range, wire_trade

# a long of 98 that is open when the time exit comes at minute 240
HELD = f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('101.50', 16, 20)}\n{flat('101.50', 236, 250)}"
EXIT_ID = "S-open-SPY-20240507-1-X"


def hold(stage: SceneMaker, table: str = HELD) -> Scene:
    scene = stage({"SPY": table})
    scene.run()
    scene.play(20)
    assert scene.books.trades()
    return scene


def submitted_exits(scene: Scene) -> list[str]:
    ids = [request.client_order_id for request in scene.broker.submitted]
    return [one for one in ids if one.startswith(EXIT_ID)]


def test_legs_are_cancelled_and_final_before_the_exit_is_asked_for(stage: SceneMaker) -> None:
    scene = hold(stage)
    at_ask: list[set[OrderStatus]] = []

    def look(told: FromBot) -> None:
        if isinstance(told, AskIntent) and told.intent.role == "exit":
            at_ask.append({scene.books.orders[f"S-open-SPY-20240507-1-{leg}"].status for leg in "ST"})

    scene.runner.before_answer = look
    scene.play(245, first=238)
    assert at_ask == [{OrderStatus.CANCELLED}]
    assert submitted_exits(scene) == [EXIT_ID]
    assert scene.books.fills()[-1].startswith("exit sell 98 101.49 240.25")
    assert scene.books.exits[0].trade_id == "T-SPY-2024-05-07"
    assert scene.market.positions() == []


def test_a_limit_that_a_person_sent_gives_way_to_the_strategys_exit(stage: SceneMaker) -> None:
    scene = hold(stage)
    wanted = OrderRequest(
        client_order_id=EXIT_ID,
        book=Book.STRATEGY,
        symbol="SPY",
        side=Side.SELL,
        quantity=Quantity.of(98),
        type=OrderType.LIMIT,
        limit_price=Price.of(120),
        joins="S-open-SPY-20240507-1-E",
    )
    scene.market.submit(wanted)
    scene.play(245, first=238)
    assert scene.market.order(EXIT_ID).status is OrderStatus.CANCELLED
    assert submitted_exits(scene) == [f"{EXIT_ID}2"]
    assert scene.market.positions() == []


@pytest.mark.parametrize("price", ["98.90", "106.60"])
def test_a_leg_that_fills_while_it_is_being_cancelled_leaves_nothing_to_send(stage: SceneMaker, price: str) -> None:
    scene = hold(
        stage, f"{HELD.rsplit('240 ', 1)[0]}240 {price} {price} {price} {price} 10000\n{flat('101.50', 241, 250)}"
    )
    scene.market.advance_to(minute(239.5))
    scene.step(2)
    asked: list[str] = []

    def race(name: str) -> str | None:
        # the leg fills in the market before our request to cancel it arrives there
        if name == "cancel" and not asked:
            asked.append(name)
            scene.market.advance_to(minute(240.5))
        return None

    scene.broker.fail = race
    scene.market.advance_to(minute(239.75))
    scene.loop._exits.want_symbol("open", Exit("SPY", "asked", CloseReason.OTHER))
    scene.step(4)
    scene.play(250, first=241)
    assert asked
    assert submitted_exits(scene) == []
    assert scene.market.positions() == []


def test_a_leg_that_fills_between_two_looks_leaves_nothing_to_send(stage: SceneMaker) -> None:
    scene = hold(stage, f"{HELD.rsplit('240 ', 1)[0]}240 106.60 106.60 106.60 106.60 10000\n{flat('101.50', 241, 250)}")
    scene.market.advance_to(minute(239.75))
    scene.step(2)
    looked: list[str] = []

    def race(name: str) -> str | None:
        # the events of this turn are taken already; the target fills just before its state is read
        if name == "order" and not looked:
            looked.append(name)
            scene.market.advance_to(minute(240.5))
        return None

    scene.broker.fail = race
    scene.loop._exits.want_symbol("open", Exit("SPY", "asked", CloseReason.OTHER))
    scene.step(3)
    assert looked
    assert scene.books.exits == []
    assert scene.market.positions() == []


def test_a_partly_filled_leg_leaves_the_rest_to_the_exit(stage: SceneMaker) -> None:
    # the target trades in minute 239, but only 40 of 98 shares of it are offered
    thin = "239 106.60 106.60 106.60 106.60 400"
    scene = hold(stage, f"{HELD.rsplit('239 ', 1)[0]}{thin}\n{flat('101.50', 240, 250)}")
    scene.play(245, first=238)
    assert [line.rsplit(" ", 2)[0] for line in scene.books.fills()][1:] == ["take_profit sell 10"] * 4 + [
        "exit sell 58"
    ]
    assert scene.market.positions() == []


def test_an_entry_that_still_fills_is_stopped_before_the_exit(stage: SceneMaker) -> None:
    thin = f"{quiet_range(volume=400)}\n15 100 102 100 101.50 400\n{flat('101.50', 16, 40, volume=400)}"
    scene = stage({"SPY": thin})
    scene.run()
    scene.play(16)
    scene.loop._exits.want_symbol("open", Exit("SPY", "asked", CloseReason.OTHER))
    scene.play(40, first=17)
    entry = scene.market.order("S-open-SPY-20240507-1-E")
    assert entry is not None
    assert entry.status is OrderStatus.CANCELLED
    assert entry.filled < entry.quantity
    assert scene.books.exits[0].quantity == entry.filled
    assert scene.market.positions() == []


@pytest.mark.parametrize("lost", ["before", "after"])
def test_an_exit_in_doubt_is_never_sent_again(stage: SceneMaker, lost: str) -> None:
    scene = hold(stage)
    left = [1]

    def fail(name: str) -> str | None:
        if name != "submit" or not left[0]:
            return None
        left[0] = 0
        return lost

    scene.broker.fail = fail
    scene.play(250, first=238)
    assert submitted_exits(scene) == ([EXIT_ID, f"{EXIT_ID}2"] if lost == "before" else [EXIT_ID])
    outcomes = [(one.removeprefix(EXIT_ID), outcome) for one, outcome in scene.books.submissions[1:]]
    if lost == "before":
        assert outcomes == [("", "unknown"), ("", "the broker never got the order"), ("2", "accepted")]
    else:
        assert outcomes == [("", "unknown"), ("", "accepted")]
    assert scene.books.open_quantity(scene.books.entries[0]).units == 0
    assert scene.market.positions() == []


def test_a_refused_exit_is_tried_again_under_its_next_number(stage: SceneMaker) -> None:
    scene = hold(stage)
    scene.books.refuse = lambda intent: GateRefusal("state", "not now") if intent.attempt < 3 else None
    scene.play(250, first=238)
    assert [intent.client_order_id for intent in scene.books.exits] == [EXIT_ID, f"{EXIT_ID}2", f"{EXIT_ID}3"]
    assert submitted_exits(scene) == [f"{EXIT_ID}3"]
    assert scene.market.positions() == []


def test_a_trade_that_the_broker_opens_again_is_closed_again(stage: SceneMaker) -> None:
    table = f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('101.50', 16, 20)}\n{flat('98.90', 21, 40)}"
    scene = stage(make_broker({"SPY": table}, faults=[Fault(FaultKind.BUST, start_at=minute(21), nth=1, seconds=60)]))
    scene.run()
    scene.play(30)
    assert scene.books.fills()[1].startswith("stop_loss sell")
    assert submitted_exits(scene) == [EXIT_ID]
    assert scene.books.trades() == []
    assert scene.market.positions() == []


def test_an_unarmed_bot_sends_no_exit_and_leaves_the_protective_orders(stage: SceneMaker) -> None:
    scene = hold(stage)
    scene.armed = False
    scene.play(242, first=238)
    assert submitted_exits(scene) == []
    assert scene.books.exits == []
    assert scene.broker.cancelled == []
    assert len(scene.market.open_orders()) == 2
    scene.armed = True
    scene.play(245, first=243)
    assert submitted_exits(scene) == [EXIT_ID]


def test_a_paused_bot_still_exits(stage: SceneMaker) -> None:
    scene = hold(stage)
    scene.run(paused=True)
    scene.play(245, first=238)
    assert submitted_exits(scene) == [EXIT_ID]


def test_halt_leaves_exits_to_the_runner(stage: SceneMaker) -> None:
    scene = hold(stage)
    scene.play(239, first=238)
    scene.say(Halt(reason="stop", cancel_entries=False))
    scene.market.cancel("S-open-SPY-20240507-1-S")
    scene.play(245, first=240)
    assert submitted_exits(scene) == []
    assert len(scene.books.trades()) == 1


def test_a_new_process_goes_on_with_an_exit_that_works_already(stage: SceneMaker) -> None:
    # 4 shares a minute: the exit of 98 is still working when the process is replaced
    scene = hold(stage, f"{HELD.rsplit('240 ', 1)[0]}{flat('101.50', 240, 389, volume=400)}")
    scene.play(240, first=238)
    assert submitted_exits(scene) == [EXIT_ID]
    scene.loop = scene.new_loop({})
    scene.run()
    scene.play(245, first=241)
    assert submitted_exits(scene) == [EXIT_ID]
    assert scene.market.positions() == []


def test_a_trade_without_its_stop_is_closed(stage: SceneMaker) -> None:
    scene = hold(stage, f"{HELD.split('236 ', maxsplit=1)[0]}{flat('101.50', 21, 40)}")
    scene.market.cancel("S-open-SPY-20240507-1-S")
    scene.play(25, first=21)
    assert submitted_exits(scene) == [EXIT_ID]
    assert scene.books.exits[0].reason == "its protective stop is cancelled"


def test_a_trade_taken_over_without_a_stop_is_closed(stage: SceneMaker) -> None:
    scene = hold(stage, f"{HELD.split('236 ', maxsplit=1)[0]}{flat('101.50', 21, 40)}")
    scene.say(Halt(reason="restart", cancel_entries=False))
    scene.market.cancel("S-open-SPY-20240507-1-S")
    scene.step()
    scene.loop = scene.new_loop({})
    scene.run()
    scene.play(25, first=21)
    assert submitted_exits(scene) == [EXIT_ID]
    assert scene.books.exits[0].reason == "it has no working protective stop"


def test_a_trade_whose_stop_never_reached_the_broker_is_closed(stage: SceneMaker) -> None:
    scene = hold(stage, f"{HELD.split('236 ', maxsplit=1)[0]}{flat('101.50', 21, 40)}")
    unprotected = wire_trade(scene.books.trades()[0]).model_copy(update={"number": 2})
    scene.say(Run(paused=False, trades=[unprotected], counts={}, float_allocation="50000", trades_today=1))
    scene.step(3)
    assert scene.books.asked[-1] == "S-open-SPY-20240507-2-X"
    assert scene.books.exits[0].reason == "it has no working protective stop"


faults = st.lists(
    st.tuples(
        st.sampled_from(["submit", "order", "cancel", "events", "executions", "open_orders", "clock"]),
        st.integers(0, 60),
        st.sampled_from(["before", "after"]),
    ),
    max_size=5,
)
paths = st.lists(st.sampled_from(["98.50", "100.00", "101.50", "104.00", "107.00"]), min_size=3, max_size=8)


@settings(max_examples=40, deadline=None)
@given(faults, paths, st.integers(4, 60), st.booleans(), st.integers(15, 40))
def test_whatever_fails_no_more_than_is_open_is_sold_and_the_day_ends_flat(
    faults: list[tuple[str, int, str]], path: list[str], volume: int, restarts: bool, exit_minutes: int
) -> None:
    """Losing answers and events, thin volume, prices through stop and target, a restart: invariants hold all along."""
    table = f"{quiet_range()}\n15 100 102 100 101.50 12000\n"
    table += "\n".join(f"{16 + step} {price} {price} {price} {price} {volume * 40}" for step, price in enumerate(path))
    table += "\n" + flat("101.50", 16 + len(path), 60)
    scene = Scene(
        make_broker({"SPY": table}), {"OPEN_BREAKOUT_MINUTES": "16", "OPEN_EXIT_MINUTES": str(exit_minutes + 2)}
    )
    counts: dict[str, int] = {}
    due = set(faults)

    def fail(name: str) -> str | None:
        counts[name] = counts.get(name, 0) + 1
        return next((how for called, number, how in due if called == name and number == counts[name]), None)

    try:
        scene.run()
        scene.play(15)
        scene.broker.fail = fail
        for quarter in range(16 * 4, 61 * 4):
            scene.market.advance_to(OPEN_AT + timedelta(seconds=15 * quarter))
            scene.step(3)
            if restarts and quarter == 18 * 4:
                scene.loop = scene.new_loop({"OPEN_BREAKOUT_MINUTES": "16", "OPEN_EXIT_MINUTES": str(exit_minutes + 2)})
                scene.run()
            sent = [request.client_order_id for request in scene.broker.submitted]
            assert len(sent) == len(set(sent))
            assert all(position.quantity.units >= 0 for position in scene.market.positions())
            assert all(scene.books.open_quantity(entry).units >= 0 for entry in scene.books.entries)
        assert len(scene.books.entries) <= 1
        assert scene.market.positions() == []
        assert scene.books.trades() == []
        assert all(order.status.is_final for order in scene.market.open_orders())
    finally:
        scene.close()
