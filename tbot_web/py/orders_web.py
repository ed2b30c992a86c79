"""`/orders/`: what works at the broker, and what a person does to one trade or one order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, flash, redirect, render_template, request
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.orders import (
    AskExit,
    AskOrder,
    ExitPreview,
    OrderOutcome,
    OrderPage,
    OrderRow,
    SignOrder,
    UnresolvedPage,
)
from tbot_bot.api.permissions import Permission
from tbot_bot.domain.time import to_rfc3339
from tbot_web.support import order_view
from tbot_web.support.openapi import documented
from tbot_web.support.page import WATCH, Page
from tbot_web.support.runner_client import idempotency_key, new_request_id, runner
from tbot_web.support.security_users import needs
from tbot_web.support.step_up import prove_again
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer, message_of, now, silence

PAGE = Page(
    slug="orders",
    title="Orders",
    purpose="What works at the broker, and what may be done about it.",
    prefix="/orders",
    permission=Permission.TRADES_VIEW,
    phases=frozenset({Phase.MAIN}),
    group=WATCH,
    shortcut="w",
    panel=True,
    place=25,
)
blueprint = Blueprint("orders", __name__)


class SignBody(SignOrder):
    """The signature and the password that proves the person again."""

    password: str = Field(default="", description="The person's password.")


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    as_of = to_rfc3339(now())
    working, doubtful = attempt(_working), attempt(_unresolved)
    if (silent := silence(working, doubtful)) is not None:
        return failed_panel(PAGE, silent)
    return render_template(
        "orders.html", page=PAGE, as_of=as_of, working=working, doubtful=doubtful, view=order_view,
        request_id=new_request_id(),
    )  # fmt: skip


@blueprint.get("/exit/<trade_id>")
@needs(Permission.TRADING_CONTROL)
def ask_exit(trade_id: str) -> Answer:
    """How much of a trade to close and how, and what exactly that would do now."""
    return _exit_question(trade_id, request.args, None)


@blueprint.post("/exit/<trade_id>")
@needs(Permission.TRADING_CONTROL)
def carry_out_exit(trade_id: str) -> Answer | AnyResponse:
    """Send the exit that was shown."""
    return _carried_out(
        lambda: _exit(_wish(trade_id, request.form), _request_id()),
        lambda refused: _exit_question(trade_id, request.form, refused),
    )


@blueprint.get("/cancel/<order_id>")
@needs(Permission.TRADING_CONTROL)
def ask_cancel(order_id: str) -> Answer:
    """What cancelling the order would mean."""
    return _cancel_question(order_id, None)


@blueprint.post("/cancel/<order_id>")
@needs(Permission.TRADING_CONTROL)
def carry_out_cancel(order_id: str) -> Answer | AnyResponse:
    """Cancel it."""
    return _carried_out(
        lambda: _act("orders.cancel", AskOrder(client_order_id=order_id), _request_id()),
        lambda refused: _cancel_question(order_id, refused),
    )


@blueprint.post("/reread/<order_id>")
@needs(Permission.TRADING_CONTROL)
def reread(order_id: str) -> Answer | AnyResponse:
    """Ask the broker after one order."""
    return _carried_out(
        lambda: _act("orders.reread", AskOrder(client_order_id=order_id), _request_id()),
        lambda refused: failed_panel(PAGE, refused),
    )


@blueprint.get("/sign/<order_id>")
@needs(Permission.SYSTEM_RESET)
def ask_sign(order_id: str) -> Answer:
    """What signing a lost order means."""
    return _sign_question(order_id, None)


@blueprint.post("/sign/<order_id>")
@needs(Permission.SYSTEM_RESET)
def carry_out_sign(order_id: str) -> Answer | AnyResponse:
    """Sign it."""
    asked = SignOrder(client_order_id=order_id, reason=request.form.get("reason", "").strip()[:500])
    return _carried_out(
        lambda: _sign(asked, request.form.get("password", ""), _request_id()),
        lambda refused: _sign_question(order_id, refused),
    )


@blueprint.get("/api/unresolved")
@documented("The orders of which it is not known what became, oldest first.", answer=UnresolvedPage)
def unresolved_rows() -> Response:
    """The orders in doubt."""
    return json_answer(_unresolved())


@blueprint.post("/api/sign")
@documented("Sign a lost order as lost; nothing is booked by it.", answer=OrderOutcome, body=SignBody, repeatable=True)
@needs(Permission.SYSTEM_RESET)
def sign_one() -> Response:
    """Sign a lost order."""
    sent = message_of(SignBody, request.get_json())
    asked = SignOrder.model_validate(sent.model_dump(exclude={"password"}))
    return json_answer(_sign(asked, sent.password, idempotency_key()))


@blueprint.get("/api")
@documented("The orders that work or whose outcome is open, oldest first.", answer=OrderPage)
def rows() -> Response:
    """The working orders."""
    return json_answer(_working())


@blueprint.post("/api/exit_preview")
@documented("What an exit of one trade would do now.", answer=ExitPreview, body=AskExit)
@needs(Permission.TRADING_CONTROL)
def preview() -> Response:
    """What an exit would do."""
    return json_answer(_preview(message_of(AskExit, request.get_json())))


@blueprint.post("/api/exit")
@documented("Exit one trade, in whole or in part, at the market or at a limit.", answer=OrderOutcome, body=AskExit,
            repeatable=True)  # fmt: skip
@needs(Permission.TRADING_CONTROL)
def exit_one() -> Response:
    """Send an exit."""
    return json_answer(_exit(message_of(AskExit, request.get_json()), idempotency_key()))


@blueprint.post("/api/cancel")
@documented("Cancel one working order.", answer=OrderOutcome, body=AskOrder, repeatable=True)
@needs(Permission.TRADING_CONTROL)
def cancel_one() -> Response:
    """Cancel an order."""
    return json_answer(_act("orders.cancel", message_of(AskOrder, request.get_json()), idempotency_key()))


@blueprint.post("/api/reread")
@documented("Ask the broker after one order and record what it says.", answer=OrderOutcome, body=AskOrder,
            repeatable=True)  # fmt: skip
@needs(Permission.TRADING_CONTROL)
def reread_one() -> Response:
    """Read an order again."""
    return json_answer(_act("orders.reread", message_of(AskOrder, request.get_json()), idempotency_key()))


def _carried_out(do: Callable[[], OrderOutcome], ask_again: Callable[[Problem], Answer]) -> Answer | AnyResponse:
    """Back to the list with a word about what was done; if it was refused, the question again with the reason."""
    done = attempt(do)
    if isinstance(done, Problem):
        return ask_again(done)
    flash(done.message)
    return redirect(PAGE.address, 303)


def _exit_question(trade_id: str, sent: Mapping[str, str], refused: Problem | None) -> Answer:
    wish = _wish(trade_id, sent)
    shown = attempt(lambda: _preview(wish))
    wrong = shown if isinstance(shown, Problem) else None
    if wrong is not None and not wrong.fields:
        return failed_panel(PAGE, wrong)
    if wrong is not None:  # what was typed is no amount: the figures of the whole trade, and the word beside its field
        shown = attempt(lambda: _preview(AskExit(trade_id=trade_id)))
        if isinstance(shown, Problem):
            return failed_panel(PAGE, shown)
    problem = refused or wrong
    page = render_template(
        "order_exit.html", page=PAGE, wish=wish, preview=shown, wrong=wrong, refused=refused,
        request_id=new_request_id(),
    )  # fmt: skip
    return page, problem.status if problem else 200


def _cancel_question(order_id: str, refused: Problem | None) -> Answer:
    found = attempt(lambda: _order(order_id))
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    page = render_template(
        "order_cancel.html", page=PAGE, order=found, order_id=order_id, refused=refused, view=order_view,
        request_id=new_request_id(),
    )  # fmt: skip
    return page, refused.status if refused else 200


def _sign_question(order_id: str, refused: Problem | None) -> Answer:
    found = attempt(_unresolved)
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    row = next((one for one in found.items if one.order.client_order_id == order_id), None)
    page = render_template(
        "order_sign.html", page=PAGE, row=row, order_id=order_id, refused=refused, view=order_view,
        request_id=new_request_id(),
    )  # fmt: skip
    return page, refused.status if refused else 200


def _sign(asked: SignOrder, password: str, request_id: str) -> OrderOutcome:
    if password:
        prove_again(password)
    return _act("orders.sign", asked, request_id)


def _unresolved() -> UnresolvedPage:
    found: UnresolvedPage = runner().call("orders.unresolved")
    return found


def _wish(trade_id: str, sent: Mapping[str, str]) -> AskExit:
    at_limit = sent.get("type") == "limit"
    return AskExit(
        trade_id=trade_id[:40],
        type="limit" if at_limit else "market",
        quantity=sent.get("quantity", "").strip()[:40] or None,
        limit_price=sent.get("limit_price", "").strip()[:40] or None,
    )


def _request_id() -> str:
    return request.form.get("request_id") or new_request_id()


def _working() -> OrderPage:
    found: OrderPage = runner().call("orders.open")
    return found


def _order(order_id: str) -> OrderRow | None:
    """The working order of that id, None if it does not work any more."""
    return next((one for one in _working().items if one.client_order_id == order_id), None)


def _preview(asked: AskExit) -> ExitPreview:
    shown: ExitPreview = runner().call("orders.exit_preview", asked)
    return shown


def _exit(asked: AskExit, request_id: str) -> OrderOutcome:
    return _act("orders.exit", asked, request_id)


def _act(verb: str, asked: AskExit | AskOrder | SignOrder, request_id: str) -> OrderOutcome:
    done: OrderOutcome = runner().call(verb, asked, request_id=request_id)
    return done
