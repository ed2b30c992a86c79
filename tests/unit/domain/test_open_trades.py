from __future__ import annotations

from datetime import UTC, date, datetime

from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import OrderRole, Side

TRADE = OpenTrade(
    trade_id="T-20240507-0001",
    symbol="SPY",
    strategy="open",
    side=Side.BUY,
    quantity=Quantity.of(12),
    entry_price=Price.of("50.25"),
    stop_price=Price.of(49),
    target_price=Price.of(53),
    number=2,
    session_day=date(2024, 5, 7),
    opened_at=datetime(2024, 5, 7, 14, 0, tzinfo=UTC),
)


def test_its_orders_have_the_ids_of_its_intents() -> None:
    assert TRADE.order_id(OrderRole.STOP_LOSS) == "S-open-SPY-20240507-2-S"
    assert TRADE.order_id(OrderRole.EXIT) == "S-open-SPY-20240507-2-X"
    assert TRADE.order_id(OrderRole.EXIT, 3) == "S-open-SPY-20240507-2-X3"


def test_notional_is_what_the_open_quantity_cost() -> None:
    assert TRADE.notional == Money.of(603)
