"""Trailing stops at work: the broker's stop moves, never back, whatever happens in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.api.bot_protocol import Halt
from tbot_bot.domain.broker import OrderRefusedError
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Order, OrderStatus
from tests.unit.trading_bot.conftest import SceneMaker
from tests.unit.trading_bot.scene import Scene, flat, make_broker, quiet_range

# A long that is filled in minute 16, at its second tick: last 101.50, three ticks wide, ask 101.52. It risks 2.52.
# Minute 20 reaches 105.00, more than the risk above the entry; 15 minutes range (11 x 2.00 + 2.00 + 0 + 3.50 + 0.50)
# / 15 = 1.8666 by then, so the stop comes to 105.00 - 1.8666 = 103.13.
GAIN = f"""
{quiet_range()}
15 100 102 100 101.50 12000
16 101.50 101.50 101.50 101.50 12000
19 101.50 105.00 101.50 104.90 12000
20 104.90 105.00 104.50 104.90 12000
"""
TRAIL = {"OPEN_TRAIL": "range", "OPEN_TRAIL_DISTANCE": "1"}
STOP = "S-open-SPY-20240507-1-S"


def stop_of(scene: Scene) -> Order:
    order = scene.market.order(STOP)
    assert order is not None
    return order


def gaining(stage: SceneMaker, rest: str = "") -> Scene:
    scene = stage({"SPY": GAIN + rest}, TRAIL)
    scene.run()
    scene.play(18)
    assert stop_of(scene).stop_price == Price.of(99)
    return scene


def test_the_stop_follows_a_gain_and_the_books_know(stage: SceneMaker) -> None:
    scene = gaining(stage, flat("104.00", 21, 30))
    scene.play(22, first=19)
    # minute 19: 13 ranges of 2.00 (minutes 2 to 14), 2.00, 0.00, 3.50 make 15 of 31.50 - 2.00 = 29.50 / 15 = 1.9666;
    # after minute 20, with its 0.50 and one 2.00 less, 28.00 / 15 = 1.8666 and the stop at 105.00 - 1.87
    assert stop_of(scene).stop_price == Price.of("103.13")
    assert scene.books.orders[STOP].stop_price == Price.of("103.13")
    assert stop_of(scene).status is OrderStatus.ACCEPTED
    scene.play(30, first=23)
    assert stop_of(scene).stop_price == Price.of("103.13")  # the gain is less, so nothing is asked


def test_a_stop_that_followed_takes_the_trade_out_there(stage: SceneMaker) -> None:
    scene = gaining(stage, "21 104.00 104.00 103.00 103.00 12000")
    scene.play(24, first=19)
    assert scene.books.fills()[-1].startswith("stop_loss sell")
    assert scene.market.positions() == []
    assert scene.market.open_orders() == []


def test_a_new_process_goes_on_from_where_the_stop_stands(stage: SceneMaker) -> None:
    scene = gaining(stage, "40 104.90 106.00 104.80 105.90 12000\n41 105.90 106.00 105.80 105.90 12000")
    scene.play(22, first=19)
    moved = stop_of(scene).stop_price
    scene.loop = scene.new_loop(TRAIL)
    scene.run()
    scene.play(30, first=23)
    assert stop_of(scene).stop_price == moved
    scene.play(42, first=40)
    after = stop_of(scene).stop_price
    assert after is not None
    assert moved is not None
    assert after > moved


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_move_without_an_answer_is_asked_for_again(stage: SceneMaker, how: str) -> None:
    scene = gaining(stage)
    left = [1]

    def lose(name: str) -> str | None:
        if name != "replace_stop" or not left[0]:
            return None
        left[0] -= 1
        return how

    scene.broker.fail = lose
    scene.play(24, first=19)
    assert left == [0]
    assert stop_of(scene).stop_price == Price.of("103.13")
    assert scene.books.orders[STOP].stop_price == Price.of("103.13")


def test_a_refused_move_leaves_the_stop_and_the_trade(stage: SceneMaker) -> None:
    scene = gaining(stage)

    def refuse(name: str) -> None:
        if name == "replace_stop":
            raise OrderRefusedError("not now")

    scene.broker.fail = refuse
    scene.play(22, first=19)
    assert stop_of(scene).stop_price == Price.of(99)
    assert scene.books.trades()


@pytest.mark.parametrize("why", ["halted", "unarmed"])
def test_nothing_moves_while_nothing_may_be_sent(stage: SceneMaker, why: str) -> None:
    scene = gaining(stage)
    if why == "halted":
        scene.say(Halt(reason="kill", cancel_entries=True))
    scene.armed = why != "unarmed"
    scene.play(24, first=19)
    assert stop_of(scene).stop_price == Price.of(99)


def test_a_trade_on_its_way_out_keeps_what_is_being_cancelled(stage: SceneMaker) -> None:
    scene = gaining(stage, flat("104.90", 21, 30))
    scene.loop.hear(Halt(reason="again", cancel_entries=False))
    scene.run()
    trade = scene.books.trades()[0]
    scene.loop._exits.want(trade, "asked for", CloseReason.OTHER)
    scene.play(24, first=19)
    assert stop_of(scene).stop_price == Price.of(99)
    assert scene.market.positions() == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["99.50", "101.60", "103.90", "104.40", "105.10", "107.00"]), max_size=8), st.booleans()
)
def test_the_stop_at_the_broker_never_moves_back(prices: list[str], restarted: bool) -> None:
    rows = [f"{number} {price} {price} {price} {price} 12000" for number, price in enumerate(prices, 21)]
    scene = Scene(make_broker({"SPY": "\n".join([GAIN, *rows])}), TRAIL)
    try:
        scene.run()
        seen = [Price.of(99)]
        for number in range(15, 21 + len(prices)):
            scene.play(number, first=number)
            if restarted and number == 22:
                scene.loop = scene.new_loop(TRAIL)
                scene.run()
            order = scene.market.order(STOP)
            if order is not None and order.stop_price is not None:
                seen.append(order.stop_price)
        assert seen == sorted(seen)
    finally:
        scene.close()
