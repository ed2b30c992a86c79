"""Whole days worked by hand: what the bot must do, to the cent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.venue.in_process import InProcessBroker
from tbot_bot.venue.replay import ReplayFeed
from tests.unit.strategies.test_strategy_close import CLIMB, FIVE, HALF_DAY, HIGHER
from tests.unit.strategies.test_strategy_mid import EARLY, FALL, TURN
from tests.unit.trading_bot.conftest import SceneMaker
from tests.unit.trading_bot.scene import make_broker, quiet_range

# The float is 50,000: a trade may risk 500 and use 10,000.
#
# UP    range 49.60 to 50.40 (0.80 wide, 1.6 % of the price), mean minute 180,000 / 15 = 12,000 shares.
#       A breakout closes above 50.40 + 0.05 x 0.80 = 50.44 on at least 0.8 x 12,000 = 9,600 shares.
#       Stop 49.60; from a close of 50.50 the risk is 0.90 and the target 50.50 + 2 x 0.90 = 52.30.
#       Size: 500 / 0.90 = 555 by risk, 10,000 / 50.50 = 198 by its share of the float: 198.
UP = """
0   50.00 50.40 49.90 50.10 20000
1   50.10 50.20 49.80 49.90 16000
2   49.90 50.00 49.60 49.70 14000
3   49.70 49.90 49.65 49.85 12000
4   49.85 50.05 49.80 50.00 12000
5   50.00 50.10 49.90 49.95 12000
6   49.95 50.10 49.90 50.05 10000
7   50.05 50.20 50.00 50.15 10000
8   50.15 50.25 50.05 50.10 10000
9   50.10 50.20 50.00 50.05 10000
10  50.05 50.15 49.95 50.10 10000
11  50.10 50.30 50.05 50.25 12000
12  50.25 50.35 50.15 50.20 12000
13  50.20 50.30 50.10 50.25 10000
14  50.25 50.35 50.20 50.30 10000   # the range is drawn
15  50.30 50.44 50.28 50.42 12000   # inside the buffer: nothing
16  50.42 50.50 50.40 50.46 9000    # beyond it, but on 0.75 of the mean minute: told, not traded
17  50.46 50.55 50.44 50.50 15000   # the breakout
18  50.52 50.70 50.50 50.64 8000    # filled at its second tick: last 50.50, two ticks wide, ask 50.51
40  52.10 52.40 52.05 52.35 9000    # the third tick trades at 52.40: the resting target fills at 52.30
"""
# DOWN  range 29.70 to 30.30: a breakout closes below 29.70 - 0.03 = 29.67. Stop 30.30, risk 0.70 from 29.60,
#       target 28.20. Size: 500 / 0.70 = 714, 10,000 / 29.60 = 337: 337.
DOWN = f"""
{quiet_range("29.70", "30.30", volume=20_000)}
20  29.90 29.95 29.60 29.60 20000   # the breakout
21  29.58 29.62 29.50 29.55 20000   # falling, so the second tick is the high, 29.62: sold at the bid there
50  30.20 30.40 30.15 30.35 20000   # the third tick touches the stop at 30.40: bought at the ask, 30.41
"""
# FLAT  range 19.90 to 20.10: a breakout closes above 20.11. Stop 19.90, risk 0.30 from 20.20, target 20.80.
#       Size: 500 / 0.30 = 1,666; 10,000 / 20.20 = 495;
#       left of the float (50,000 - 198 x 50.51 - 337 x 29.62) / 20.20 = 1,485: 495.
FLAT = f"""
{quiet_range("19.90", "20.10", volume=20_000)}
30  20.10 20.20 20.05 20.20 20000   # the breakout
31  20.20 20.24 20.18 20.22 20000   # filled at the second tick: last 20.18, a tick wide, ask 20.19
240 20.30 20.34 20.28 20.32 20000   # the time exit is due as this minute begins; sold at its second tick, 20.28
"""


def test_a_day_worked_by_hand(stage: SceneMaker) -> None:
    scene = stage({"UP": UP, "DOWN": DOWN, "FLAT": FLAT})
    scene.run()
    scene.play(60)
    scene.play(242, first=238)
    assert scene.books.fills() == [
        "entry buy 198 50.51 18.25",
        "entry sell 337 29.62 21.25",
        "entry buy 495 20.19 31.25",
        "take_profit sell 198 52.3 40.5",
        "stop_loss buy 337 30.41 50.5",
        "exit sell 495 20.28 240.25",
    ]
    assert scene.runner.reasons == [("UP", "volume")]
    assert [leave.asked_price for leave in scene.books.exits] == [Price.of("20.22")]  # the newest close of FLAT
    assert scene.runner.windows == ["analyzing", "trading", "monitoring", "idle"]
    # UP 198 x 1.79 = 354.42; DOWN 337 x -0.79 = -266.23; FLAT 495 x 0.09 = 44.55: together 132.74.
    # Fees: commission 0.005 a share, at least 1.00: 2 x 1.00 + 2 x 1.68 + 2 x 2.48 = 10.32;
    # on the three sales 27.80 per million: 0.29 + 0.28 + 0.28 = 0.85. 132.74 - 11.17 = 121.57.
    assert scene.market.account().cash == Money.of("100121.57")
    assert scene.market.positions() == []


# A half day of 210 minutes: entries from minute 120, 90 before the close, exit at 204. The float is 50,000 as above.
#
# MID   the fall and turn of the tests of strategy mid: from a close of 99.42 the stop is 98.89 and the target 99.96.
#       Size: 500 / 0.53 = 943 by risk, 10,000 / 99.42 = 100 by its share of the float: 100.
MID = f"""
{FALL}{TURN}
17  99.42 99.60 99.40 99.55 10000   # rising, so the second tick is the low: last 99.40, two ticks wide, ask 99.41
30  99.80 100.05 99.75 100.00 9000  # the third tick trades at 100.05: the resting target fills at 99.96
"""
# LATE  the climb of the tests of strategy close: from a close of 50.40 the stop is 50.25 and the target 50.62.
#       Size: 500 / 0.15 = 3,333 by risk, 10,000 / 50.40 = 198 by its share of the float: 198.
LATE = f"""
{CLIMB}{HIGHER}
122 50.40 50.46 50.38 50.44 20000   # rising, so the second tick is the low: last 50.38, two ticks wide, ask 50.39
204 50.50 50.53 50.46 50.52 20000   # the time exit is due as this minute begins; sold at its second tick, bid 50.45
"""


def test_a_half_day_of_mid_and_close_worked_by_hand(stage: SceneMaker) -> None:
    market = make_broker({"MID": MID, "LATE": LATE}, sessions=[HALF_DAY])
    scene = stage(market, {**EARLY, **FIVE}, ("mid", "close"))
    scene.run()
    for first, last in ((0, 31), (119, 123), (203, 206)):
        scene.play(last, first=first)
    assert scene.books.fills() == [
        "entry buy 100 99.41 17.25",
        "take_profit sell 100 99.96 30.5",
        "entry buy 198 50.39 122.25",
        "exit sell 198 50.45 204.25",
    ]
    assert [intent.strategy for intent in scene.books.intents.values()] == ["mid", "close", "close"]
    # MID 100 x 0.55 = 55.00; LATE 198 x 0.06 = 11.88: together 66.88.
    # Fees: four commissions of 1.00, the least; on the two sales 27.80 per million of 9,996.00 and 9,989.10: 0.28 each.
    assert scene.market.account().cash == Money.of("100062.32")
    assert scene.market.positions() == []


RECORDED = Path(__file__).parents[4] / "shared" / "data" / "bars"
DAY = date(2013, 10, 8)
OPEN_AT = datetime(2013, 10, 8, 13, 30, tzinfo=UTC)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded bars beside the checkout")
def test_a_recorded_day_worked_by_hand(stage: SceneMaker) -> None:
    # IBM, 8 October 2013. Minutes 0 to 14: high 181.99, low 181.18, 289,591 shares: 19,306 a minute.
    # A breakout closes below 181.18 - 0.05 x 0.81 = 181.1395 on at least 15,445 shares. Minute 18 closes at 181.23;
    # minute 19 closes at 181.08 on 31,105: short. Stop 181.99, risk 0.91, target 181.08 - 1.82 = 179.26.
    # Size: 500 / 0.91 = 549, 10,000 / 181.08 = 55: 55.
    # Minute 20 falls, so its second tick is its high, where the highest bid was 181.02: sold there.
    # The lowest trade before the time exit is 179.26, with the ask above it: the target is not filled.
    # Minute 240 falls as well: its second tick is bought at the highest ask, 179.73.
    session = Session(DAY, OPEN_AT, OPEN_AT + timedelta(minutes=390))
    scene = stage(InProcessBroker(ReplayFeed(RECORDED, [session]), Money.of(100_000)))
    scene.run()
    for quarter in range(4 * 245):
        scene.market.advance_to(OPEN_AT + timedelta(seconds=15 * quarter))
        scene.step(2)
    entry = next(intent for intent in scene.books.entries if intent.symbol == "IBM")
    assert (entry.side, entry.quantity) == (Side.SELL, Quantity.of(55))
    assert (entry.decided_at - OPEN_AT) == timedelta(minutes=20)
    assert (entry.stop_price, entry.target_price) == (Price.of("181.99"), Price.of("179.26"))
    fills = [fill for fill in scene.books.executions.values() if fill.symbol == "IBM"]
    assert [(fill.client_order_id[-1], str(fill.price), fill.at - OPEN_AT) for fill in fills] == [
        ("E", "181.02", timedelta(minutes=20.25)),
        ("X", "179.73", timedelta(minutes=240.25)),
    ]
