"""One position is closed by hand in the whole system: a part, then the rest, with the books sound afterwards."""

from __future__ import annotations

from decimal import Decimal

from tests.integration.conftest import HomeMaker
from tests.integration.evidence import assert_audit_is_whole, assert_books_are_sound, audited, ledger_rows
from tests.integration.homes import running, start_trading, with_positions
from tests.support.running import RunningHome, wait_for


def open_trade(home: RunningHome, trade_id: str) -> dict[str, str] | None:
    return next((one for one in home.ask("trades.open")["items"] if one["trade_id"] == trade_id), None)


def test_a_part_and_then_the_rest_of_a_position(new_home: HomeMaker) -> None:
    home = new_home(SIM_SPEED="240")
    with running(home):
        start_trading(home)
        with_positions(home, 1)
        home.ask("control.pause", reason="by hand now")
        trade = home.ask("trades.open")["items"][0]
        held, name = Decimal(trade["quantity"]), trade["trade_id"]

        limit = {"trade_id": name, "type": "limit", "limit_price": "9000" if trade["side"] == "long" else "0.01"}
        resting = home.ask("orders.exit", request_id="limit-0001", quantity="1", **limit)["order"]
        assert resting["status"] == "accepted"
        assert home.ask("orders.cancel", client_order_id=resting["client_order_id"])["order"]["status"] == "cancelled"

        part = home.ask("orders.exit", request_id="part-0001", trade_id=name, quantity="1")["order"]
        wait_for(lambda: Decimal(open_trade(home, name)["quantity"]) == held - 1, 20)
        orders = {one["role"]: one for one in home.ask("orders.open")["items"] if one["trade_id"] in (name, None)}
        assert set(orders) >= {"stop_loss"}
        again = home.ask("orders.exit", request_id="part-0001", trade_id=name, quantity="1")["order"]
        assert again["client_order_id"] == part["client_order_id"]
        home.ask("orders.exit", trade_id=name)
        wait_for(lambda: open_trade(home, name) is None, 20)
    (closed,) = [row for row in ledger_rows(home.home, "SELECT * FROM trade") if row["trade_id"] == name]
    assert closed["close_reason"] == "closed by ada"
    asked = ledger_rows(home.home, "SELECT 1 FROM trade_order WHERE request_id IS NOT NULL")
    assert len(asked) == 3
    assert {one["target"] for one in audited(home.home, "orders.exit")} == {name}
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)
