"""An entry keeps to the price of its signal: looked at before it is sent, capped if so set, and given up."""

from __future__ import annotations

import pytest

from tbot_bot.api.bot_protocol import TellNoTrade
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import OrderStatus, OrderType
from tbot_bot.domain.slippage import SlippageLimits
from tbot_bot.trading.execution_view import is_strategy_entry
from tests.unit.trading_bot.conftest import SceneMaker
from tests.unit.trading_bot.scene import Scene, flat, make_broker, minute, quiet_range

# The signal: minute 15 closes at 101.50 (long) or 98.50 (short); 50 bp from there are 102.00 and 99.00 - 0.49.
UP = f"{quiet_range()}\n15 100 102 100 101.50 12000\n"
DOWN = f"{quiet_range()}\n15 100 100 98 98.50 12000\n"
CAPPED = SlippageLimits(50, capped=True)
#: Nobody trades with us in minute 16; then the market is beyond the limit.
GONE = f"{UP}16 101.60 101.60 101.60 101.60 5\n{flat('103.00', 17, 25)}"
ENTRY, STOP = "S-open-SPY-20240507-1-E", "S-open-SPY-20240507-1-S"


def refusals(scene: Scene) -> list[tuple[str, str, str]]:
    return [(told.stage, told.check, told.reason) for told in scene.runner.told if isinstance(told, TellNoTrade)]


def act_late(scene: Scene) -> None:
    """Let the bot see minute 15 only when the first price of minute 16 is there."""
    scene.run()
    scene.play(14)
    scene.market.advance_to(minute(16.3))
    scene.step(2)


@pytest.mark.parametrize(
    ("table", "opens", "words"),
    [
        (UP, "102.10", "SPY would be bought at 102.12, and 102 is the worst within 50 bp of the signal's 101.5"),
        (DOWN, "97.90", "SPY would be sold at 97.89, and 98.01 is the worst within 50 bp of the signal's 98.5"),
    ],
)
def test_a_market_that_has_moved_away_is_not_followed(stage: SceneMaker, table: str, opens: str, words: str) -> None:
    scene = stage({"SPY": table + flat(opens, 16, 16)})
    act_late(scene)
    assert refusals(scene) == [("gate", "slippage", f"the market moved away: {words}")]
    assert scene.books.asked == []
    assert scene.broker.submitted == []


@pytest.mark.parametrize(("table", "opens"), [(UP, "101.90"), (UP, "99.50"), (DOWN, "98.10"), (DOWN, "100.50")])
def test_within_the_limit_or_to_our_gain_it_is(stage: SceneMaker, table: str, opens: str) -> None:
    scene = stage({"SPY": table + flat(opens, 16, 16)})
    act_late(scene)
    assert refusals(scene) == []
    [request] = scene.broker.submitted
    assert (request.type, request.limit_price) == (OrderType.MARKET, None)


def test_without_a_quote_nothing_is_entered(stage: SceneMaker) -> None:
    scene = stage({"SPY": UP + flat("101.50", 16, 17)})
    scene.broker.quotes = lambda _symbols: []  # type: ignore[attr-defined]  # the broker knows of none
    scene.run()
    scene.play(16)
    assert refusals(scene) == [("gate", "quote", "the broker has no quote of SPY")]
    assert scene.broker.submitted == []


def test_a_capped_entry_is_filled_as_at_the_market_while_the_price_holds(stage: SceneMaker) -> None:
    made = []
    for slippage in (CAPPED, SlippageLimits(50, capped=False)):
        scene = stage({"SPY": UP + flat("101.50", 16, 20)}, slippage=slippage)
        scene.run()
        scene.play(20)
        made.append((scene.broker.submitted[0].limit_price, scene.books.fills()))
    (capped, fills), (free, plain) = made
    assert (capped, free) == (Price.of("102"), None)
    assert fills == plain != []


def test_what_a_capped_entry_does_not_fill_within_a_minute_is_given_up(stage: SceneMaker) -> None:
    # a tenth of 40 shares trades at each tick of minute 16 at most; then the market is beyond the limit
    scene = stage({"SPY": f"{UP}16 101.60 101.60 101.60 101.60 400\n{flat('103.00', 17, 20)}"}, slippage=CAPPED)
    scene.run()
    scene.play(16)
    [request] = scene.broker.submitted
    assert (request.quantity, request.limit_price) == (Quantity.of(98), Price.of("102"))  # 10,000 / 102.00
    assert scene.market.order(ENTRY).status is OrderStatus.PARTIALLY_FILLED  # type: ignore[union-attr]  # it is there
    scene.play(20, first=17)
    entry, stop = (scene.market.order(name) for name in (ENTRY, STOP))
    assert entry is not None
    assert stop is not None
    assert entry.status is OrderStatus.CANCELLED
    assert scene.broker.cancelled == [ENTRY]
    assert Quantity.zero() < entry.filled < Quantity.of(98)
    assert (stop.status, stop.quantity) == (OrderStatus.ACCEPTED, entry.filled)
    assert [trade.quantity for trade in scene.books.trades()] == [entry.filled]


def test_a_new_process_gives_up_what_the_last_one_left(stage: SceneMaker) -> None:
    scene = stage({"SPY": GONE}, slippage=CAPPED)
    scene.run()
    scene.play(16)
    assert [request.client_order_id for request in scene.broker.submitted] == [ENTRY]
    scene.loop = scene.new_loop({})
    scene.run()
    scene.play(20, first=17)
    assert [one for one in scene.market.open_orders() if is_strategy_entry(one.client_order_id)] == []
    assert scene.market.positions() == []
    assert scene.broker.cancelled == [ENTRY]


def test_a_cancel_that_is_lost_is_asked_again(stage: SceneMaker) -> None:
    scene = stage({"SPY": GONE}, slippage=CAPPED)
    scene.run()
    scene.play(16)
    scene.broker.fail = lambda name: "before" if name == "cancel" and len(scene.broker.cancelled) < 3 else None
    scene.play(24, first=17)
    assert scene.broker.cancelled == [ENTRY] * 3
    assert scene.market.open_orders() == []


def test_a_capped_entry_never_passes_the_float(stage: SceneMaker) -> None:
    scene = stage(make_broker({"SPY": UP + flat("101.50", 16, 20)}), slippage=SlippageLimits(1000, capped=True))
    scene.run()
    scene.play(17)
    [request] = scene.broker.submitted
    assert request.limit_price is not None
    assert request.limit_price * request.quantity <= Money.of(10_000)
