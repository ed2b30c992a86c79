"""One trade or one order by hand, from verb to broker and books, and on the record of who did it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.bot_protocol import AskIntent, Pause
from tbot_bot.api.errors import ApiError
from tbot_bot.api.wire import intent_to_wire
from tbot_bot.control.system_api import Handler
from tbot_bot.control.verbs_orders import OrderVerbs
from tbot_bot.domain.audit import AuditPhase
from tbot_bot.domain.lifecycle import State
from tests.unit.control.backstage import PASSWORD, call
from tests.unit.control.stage import Stage, stage
from tests.unit.trading.desk import exit_intent

TRADE = "T-20131004-0001"
EXIT, STOP, TARGET = (f"S-open-AAA-20131004-1-{letter}" for letter in "XST")


class Hand:
    """The handlers over a stage where AAA is held with its bracket."""

    def __init__(self, made: Stage) -> None:
        self.stage = made
        foundation = made.backstage.foundation
        self.handlers: Mapping[str, Handler] = OrderVerbs(
            lambda: foundation.audit, lambda: made.conductor, made.clock
        ).handlers()
        made.trade()
        made.enter("AAA", "100", bracket=True)

    def ask(self, verb: str, request_id: str = "", **params: object) -> Any:
        backstage = self.stage.backstage
        return call(self.handlers, verb, backstage.caller(backstage.sign_in(), request_id=request_id), **params)

    def refused(self, verb: str, **params: object) -> tuple[int, str]:
        with pytest.raises(ApiError) as error:
            self.ask(verb, **params)
        problem = error.value.problem
        return problem.status, problem.detail or problem.title

    def held(self) -> list[str]:
        return [str(trade.quantity) for trade in self.stage.floor.records.open_trades()]

    def settle(self) -> None:
        self.stage.pass_market_time()
        self.stage.tick()


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Hand]:
    with stage(tmp_path) as made:
        yield Hand(made)


def test_a_part_and_then_the_rest_with_exact_figures_and_on_the_record(hand: Hand) -> None:
    shown = hand.ask("orders.exit_preview", trade_id=TRADE, quantity="40")
    assert shown.allowed
    assert (shown.title, shown.quantity, shown.open_quantity, shown.remaining) == (
        "Exit 40 of 100 AAA",
        "40",
        "100",
        "60",
    )
    assert shown.sentence == "Sell 40 AAA at the market, about 4,000.00 USD."
    assert (shown.mark, shown.value, shown.result) == ("100", "4000", "-0.4")
    assert "60 AAA stay open" in shown.effects[0]
    done = hand.ask("orders.exit", request_id="exit-0001", trade_id=TRADE, quantity="40")
    assert (done.order.client_order_id, done.order.status) == (EXIT, "accepted")
    assert done.message == "The exit of 40 AAA is at the broker."
    hand.settle()
    assert hand.held() == ["60"]
    again = hand.ask("orders.exit", request_id="exit-0001", trade_id=TRADE, quantity="40")
    assert again.message == "The exit of 40 AAA is filled."
    hand.ask("orders.exit", trade_id=TRADE)
    hand.settle()
    assert hand.held() == []
    assert hand.refused("orders.exit", trade_id=TRADE) == (409, TRADE)
    (told,) = [
        one
        for one in hand.stage.backstage.audited("orders.exit")
        if (one.request_id, one.phase) == ("exit-0001", AuditPhase.OUTCOME) and one.after["status"] == "accepted"
    ]
    assert told.detail == {"quantity": "40", "at": "market"}
    assert told.actor == "Admin"


def test_it_works_while_paused_and_with_no_bot(hand: Hand) -> None:
    hand.stage.conductor.pause("lunch")
    assert any(isinstance(told, Pause) for told in hand.stage.bot.heard())
    hand.ask("orders.exit", trade_id=TRADE, quantity="10")
    hand.settle()
    assert hand.held() == ["90"]
    hand.stage.lose_bot()
    hand.ask("orders.exit", trade_id=TRADE, quantity="20")
    hand.settle()
    assert hand.held() == ["70"]


def test_a_limit_rests_until_it_is_cancelled(hand: Hand) -> None:
    shown = hand.ask("orders.exit_preview", trade_id=TRADE, type="limit", limit_price="105")
    assert shown.sentence == "Sell 100 AAA at 105 or better, about 10,500.00 USD."
    assert "protect the whole position" in shown.effects[1]
    hand.ask("orders.exit", trade_id=TRADE, type="limit", limit_price="105")
    hand.settle()
    page = hand.ask("orders.open")
    assert [(one.role, bool(one.keeps)) for one in page.items] == [
        ("stop_loss", True),
        ("take_profit", False),
        ("exit", False),
    ]
    refusal = hand.stage.bot.ask(AskIntent, intent=intent_to_wire(exit_intent("AAA", "sell", "100", attempt=2))).refused
    assert refusal is not None
    assert "already being closed" in refusal
    assert hand.ask("orders.cancel", client_order_id=EXIT).message == "The order was cancelled."
    assert hand.refused("orders.cancel", client_order_id=EXIT) == (409, "The order is cancelled already.")
    assert hand.refused("orders.cancel", client_order_id=STOP) == (409, "This order protects the trade.")
    assert [one.target for one in hand.stage.backstage.audited("orders.cancel")][-1] == EXIT


def test_what_is_wrong_is_said_with_its_field(hand: Hand) -> None:
    for wrong, fields in (
        ({"quantity": "ten"}, {"quantity"}),
        ({"type": "limit"}, {"limit_price"}),
        ({"type": "limit", "limit_price": "x", "quantity": ""}, {"limit_price", "quantity"}),
        ({"quantity": "101"}, {"quantity"}),
        ({"type": "limit", "limit_price": "100.001"}, {"limit_price"}),
    ):
        with pytest.raises(ApiError) as error:
            hand.ask("orders.exit", trade_id=TRADE, **wrong)
        assert (error.value.problem.status, set(error.value.problem.fields)) == (422, fields)
    shown = hand.ask("orders.exit_preview", trade_id=TRADE, quantity="101")
    assert (shown.allowed, shown.field, shown.next_step) == (False, "quantity", "Close 100 or less.")
    assert hand.refused("orders.exit", trade_id="T-20131004-0077") == (404, "T-20131004-0077")
    assert hand.refused("orders.reread", client_order_id="S-none") == (404, "S-none")


def test_an_outcome_that_is_unknown_is_said_and_looked_into(hand: Hand) -> None:
    hand.stage.line.submissions = ["unheard"]
    done = hand.ask("orders.exit", trade_id=TRADE)
    assert done.order.status == "pending"
    assert "asked after by its id and not sent again" in done.message
    hand.settle()
    assert hand.held() == []
    assert hand.stage.line.submitted == [EXIT]


def test_reading_again_says_how_the_order_is(hand: Hand) -> None:
    hand.ask("orders.exit", trade_id=TRADE, quantity="40")
    hand.stage.pass_market_time()
    assert hand.ask("orders.reread", client_order_id=EXIT).message == (
        "The broker was asked: the order is filled, 40 of 40 filled."
    )
    assert hand.held() == ["60"]
    assert hand.stage.lifecycle.state is State.TRADING


def test_a_lost_order_is_signed_with_reason_and_password(hand: Hand) -> None:
    hand.ask("orders.reread", client_order_id=TARGET)
    hand.stage.line.forgotten.add(TARGET)
    hand.ask("orders.reread", client_order_id=TARGET)
    (row,) = hand.ask("orders.unresolved").items
    assert (row.order.client_order_id, row.doubt) == (TARGET, "lost")
    assert hand.refused("orders.sign", client_order_id=TARGET)[0] == 422
    assert hand.refused("orders.sign", client_order_id=TARGET, reason="called them")[0] == 403
    backstage = hand.stage.backstage
    session = backstage.sign_in()
    session = backstage.foundation.sessions.step_up(session, PASSWORD).session_id
    caller = backstage.caller(session)
    done = call(hand.handlers, "orders.sign", caller, client_order_id=TARGET, reason="called them")
    assert done.message == "The order was signed as lost. Nothing was booked."
    assert hand.ask("orders.unresolved").items == []
    with pytest.raises(ApiError) as error:
        call(hand.handlers, "orders.sign", caller, client_order_id=TARGET, reason="again")
    assert error.value.problem.code == "not_in_doubt"
    hand.stage.line.submissions = ["lost"]
    hand.ask("orders.exit", trade_id=TRADE)
    with pytest.raises(ApiError) as error:
        call(hand.handlers, "orders.sign", caller, client_order_id=EXIT, reason="too early")
    assert error.value.problem.code == "still_asked"
