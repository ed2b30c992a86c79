"""The page of orders, and the questions before one trade is exited or one order cancelled."""

from __future__ import annotations

import re

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.orders import AskExit, AskOrder, OrderPage, SignOrder, UnresolvedPage
from tbot_bot.api.permissions import Role
from tests.unit.web.canned import CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

TRADE = "T-20101122-0007"
TARGET = "S-open-SPY-20101122-1-T"
QUESTION = f"/orders/exit/{TRADE}"


def sent(runner: CannedRunner, verb: str) -> object:
    """What the runner was asked last."""
    return next(params for name, _, params in reversed(runner.calls) if name == verb)


def test_the_page_lists_what_works_with_what_may_be_done(admin: Browser) -> None:
    page = admin.get("/orders/").text
    assert page.count("Re-read</button>") == 5
    assert "2 orders in doubt" in page
    assert page.count("Sign…</a>") == 1  # only the lost one
    assert page.count("Cancel…</a>") == 2  # the stop stays
    assert "protective stop" in page
    assert "no word yet" in page
    assert 'href="/orders/exit/T-20101122-0007"' in admin.get("/trades/").text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_who_may_not_trade_only_looks(web: Served, runner: CannedRunner, role: Role) -> None:
    browser = web.browser(tbot_session=runner.sign_in(role))
    page = browser.get("/orders/").text
    assert "Re-read" not in page
    assert "Exit…" not in browser.get("/trades/").text
    assert browser.get(QUESTION).status_code == 403


def test_an_exit_is_asked_with_its_figures_and_sent_once_as_shown(admin: Browser, runner: CannedRunner) -> None:
    page = admin.get(f"{QUESTION}?quantity=10").text
    assert "Sell 10 SPY at the market, about 4,029.84 USD." in page
    assert 'name="quantity" value="10"' in page
    request_id = re.search(r'name="request_id" value="([^"]+)"', page)
    assert request_id
    form = {"type": "market", "quantity": "10", "limit_price": "", "request_id": request_id[1]}
    answer = admin.send(QUESTION, form, seen_on=QUESTION)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/orders/")
    assert sent(runner, "orders.exit") == AskExit(trade_id=TRADE, quantity="10")
    assert runner.calls[-1][1].request_id == request_id[1]
    assert "The exit of 24 SPY is at the broker." in admin.get("/orders/").text


def test_a_limit_goes_along(admin: Browser, runner: CannedRunner) -> None:
    form = {"type": "limit", "quantity": "10", "limit_price": "168.00"}
    assert admin.send(QUESTION, form, seen_on=QUESTION).status_code == 303
    assert sent(runner, "orders.exit") == AskExit(trade_id=TRADE, type="limit", quantity="10", limit_price="168.00")


def test_what_may_not_be_sent_has_no_button(admin: Browser) -> None:
    page = admin.get(f"{QUESTION}?quantity=25").text
    assert "25 is more than the 24 SPY that are open." in page
    assert 'class="danger"' not in page
    assert 'aria-invalid="true"' in page


def test_what_is_no_amount_is_said_beside_its_field(admin: Browser, runner: CannedRunner) -> None:
    known = runner.special["orders.exit_preview"]

    def answer(caller: object, asked: AskExit) -> object:
        if asked.quantity == "ten":
            raise ApiError.of(422, "invalid_amount", "Please look", fields={"quantity": "Type a number."})
        return known(caller, asked)

    runner.special["orders.exit_preview"] = answer
    asked = admin.get(f"{QUESTION}?quantity=ten")
    assert asked.status_code == 422
    assert "Type a number." in asked.text
    assert 'class="danger"' not in asked.text


def test_a_refusal_asks_again_with_the_reason(admin: Browser, runner: CannedRunner) -> None:
    runner.special["orders.exit"] = ApiError.of(409, "order_refused", "Not possible now", "The market is closed.")
    answer = admin.send(QUESTION, {"type": "market", "quantity": "24"}, seen_on=QUESTION)
    assert answer.status_code == 409
    assert "The market is closed." in answer.text
    assert 'class="danger"' in answer.text


def test_a_trade_that_is_gone_is_said(admin: Browser, runner: CannedRunner) -> None:
    runner.special["orders.exit_preview"] = ApiError.of(409, "trade_closed", "The trade is closed already")
    assert "The trade is closed already" in admin.get(QUESTION).text


def test_cancel_and_re_read(admin: Browser, runner: CannedRunner) -> None:
    question = f"/orders/cancel/{TARGET}"
    assert "Cancel the target in SPY" in admin.get(question).text
    assert admin.send(question, {}, seen_on=question).status_code == 303
    assert sent(runner, "orders.cancel") == AskOrder(client_order_id=TARGET)
    assert admin.send(f"/orders/reread/{TARGET}", {}, seen_on="/orders/").status_code == 303
    assert sent(runner, "orders.reread") == AskOrder(client_order_id=TARGET)
    assert "It does not work any more" in admin.get("/orders/cancel/S-gone-SPY-20101122-1-T").text
    stop = admin.get("/orders/cancel/S-open-SPY-20101122-1-S").text
    assert "This order protects the trade" in stop
    assert 'class="danger"' not in stop
    runner.special["orders.cancel"] = ApiError.of(409, "order_refused", "Not possible now", "It is filled already.")
    refused = admin.send(question, {}, seen_on=question)
    assert (refused.status_code, "It is filled already." in refused.text) == (409, True)
    runner.special["orders.reread"] = ApiError.of(503, "broker_unavailable", "The broker did not answer")
    assert "The broker did not answer" in admin.send(f"/orders/reread/{TARGET}", {}, seen_on="/orders/").text
    runner.special["orders.open"] = runner.special["orders.reread"]
    assert "The broker did not answer" in admin.get(question).text


def test_a_lost_order_is_signed_with_reason_and_password(admin: Browser, runner: CannedRunner) -> None:
    question = f"/orders/sign/{TARGET}"
    assert "Nothing is booked, and no position changes." in admin.get(question).text
    assert admin.send(question, {"reason": "seen with the broker"}, seen_on=question).status_code == 303
    assert sent(runner, "orders.sign") == SignOrder(client_order_id=TARGET, reason="seen with the broker")
    wrong = {"reason": "seen", "password": "not mine"}
    assert admin.send(question, wrong, seen_on=question).status_code == 409
    assert "It is not in doubt" in admin.get("/orders/sign/S-gone-SPY-20101122-1-T").text
    runner.special["orders.unresolved"] = ApiError.of(500, "internal", "Something went wrong")
    assert "Something went wrong" in admin.get(question).text


def test_no_order_and_no_answer(admin: Browser, runner: CannedRunner) -> None:
    runner.special["orders.open"] = ApiError.of(503, "runner_unreachable", "The control process is not answering")
    assert "is not answering" in admin.get("/orders/").text
    runner.special["orders.open"] = ApiError.of(500, "internal", "Something went wrong")
    assert "Something went wrong" in admin.get("/orders/").text
    runner.special["orders.open"] = lambda *_: OrderPage(items=[])
    runner.special["orders.unresolved"] = lambda *_: UnresolvedPage(items=[])
    assert "Nothing is in doubt" in admin.get("/orders/").text
    assert "No order works" in admin.get("/orders/").text


def test_programs_do_the_same(admin: Browser, runner: CannedRunner) -> None:
    token = admin.token(QUESTION)

    def post(path: str, body: dict[str, object]) -> dict[str, object]:
        headers = {"X-CSRFToken": token, "Idempotency-Key": "exit-0001"}
        answer = admin.http.post(f"/orders/api/{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    assert len(admin.poll("/orders/api").json()["items"]) == 3
    assert post("exit_preview", {"trade_id": TRADE})["title"] == "Exit 24 of 24 SPY"
    assert post("exit", {"trade_id": TRADE, "quantity": "1"})["message"]
    assert runner.calls[-1][1].request_id == "exit-0001"
    assert post("cancel", {"client_order_id": TARGET})["order"]
    assert post("reread", {"client_order_id": TARGET})["order"]
    assert post("sign", {"client_order_id": TARGET, "reason": "lost"})["order"]
    assert [one["doubt"] for one in admin.poll("/orders/api/unresolved").json()["items"]] == ["unknown", "lost"]
