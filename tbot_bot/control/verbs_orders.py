"""Verbs of one trade or one order: what works, what an exit would do, exit, cancel, re-read."""

from __future__ import annotations

from collections.abc import Callable

from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Nothing
from tbot_bot.api.orders import (
    AskExit,
    AskOrder,
    ExitPreview,
    OrderOutcome,
    OrderPage,
    OrderRow,
    SignOrder,
    UnresolvedPage,
    UnresolvedRow,
)
from tbot_bot.api.wire import text_or_none
from tbot_bot.audit.trail import AuditTrail
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.judge import require_reason, require_step_up
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.domain.accounts import FUNCTIONAL_CURRENCY
from tbot_bot.domain.manual_exits import ExitWish, Refusal, judge_cancel
from tbot_bot.domain.money import Price, Quantity, round_half_even
from tbot_bot.domain.orders import OrderStatus, Side
from tbot_bot.domain.time import Clock, to_rfc3339
from tbot_bot.domain.trades import OrderRecord, Trade
from tbot_bot.domain.unresolved import Doubt, UnresolvedOrder
from tbot_bot.trading.manual_orders import ExitPlan, ManualOrderRefusedError

_SIDES = {Side.BUY: "long", Side.SELL: "short"}
_STILL_ASKED = "The broker is still asked after this order, and its answer settles it without a signature."
_AMOUNT = "Type a number like 12 or 12.5."


class OrderVerbs:
    """The handlers; `conductor` gives the bot once it is configured."""

    def __init__(self, audit: Callable[[], AuditTrail], conductor: Callable[[], Conductor], clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._conductor = conductor

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "orders.open": self._open,
            "orders.exit_preview": self._exit_preview,
            "orders.exit": self._exit,
            "orders.cancel": self._cancel,
            "orders.reread": self._reread,
            "orders.unresolved": self._unresolved,
            "orders.sign": self._sign,
        }

    def _open(self, _caller: Caller, _nothing: Nothing) -> OrderPage:
        return OrderPage(items=[order_row(record) for record in self._conductor().floor.records.open_orders()])

    def _exit_preview(self, _caller: Caller, asked: AskExit) -> ExitPreview:
        return _preview(self._conductor().floor.manual.plan(self._trade(asked.trade_id), _wish(asked)))

    def _exit(self, caller: Caller, asked: AskExit) -> OrderOutcome:
        conductor = self._conductor()
        trade, wish = self._trade(asked.trade_id), _wish(asked)
        with self._audit().act(
            verb="orders.exit",
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=trade.trade_id,
            request_id=caller.request_id,
        ) as act:
            act.before = {"open": str(trade.quantity), "symbol": trade.symbol}
            act.detail = {
                "quantity": asked.quantity or "all",
                "at": "market" if wish.limit_price is None else str(wish.limit_price),
            }
            record = _told(
                lambda: conductor.floor.manual.exit(trade, wish, actor=caller.actor, request_id=caller.request_id)
            )
            act.after = _facts(record)
        _look_into(conductor, record)
        return OrderOutcome(order=order_row(record), message=_exit_message(record))

    def _cancel(self, caller: Caller, asked: AskOrder) -> OrderOutcome:
        record = self._do(caller, "orders.cancel", asked, self._conductor().floor.manual.cancel)
        said = "was cancelled" if record.order.status is OrderStatus.CANCELLED else f"is {_words(record)}"
        return OrderOutcome(order=order_row(record), message=f"The order {said}.")

    def _reread(self, caller: Caller, asked: AskOrder) -> OrderOutcome:
        record = self._do(caller, "orders.reread", asked, self._conductor().floor.manual.reread)
        return OrderOutcome(order=order_row(record), message=f"The broker was asked: the order is {_words(record)}.")

    def _unresolved(self, _caller: Caller, _nothing: Nothing) -> UnresolvedPage:
        return UnresolvedPage(items=[_in_doubt(one) for one in self._conductor().floor.orders.unresolved.open()])

    def _sign(self, caller: Caller, asked: SignOrder) -> OrderOutcome:
        require_reason(asked.reason)
        require_step_up(caller.verdict, self._clock.now())
        unresolved = self._conductor().floor.orders.unresolved
        found = {one.record.order.client_order_id: one for one in unresolved.open()}.get(asked.client_order_id)
        if found is None:
            raise ApiError.of(
                404, "not_in_doubt", "This order is not in doubt", asked.client_order_id, "Go back to the list."
            )
        if found.doubt is not Doubt.LOST:
            raise ApiError.of(409, "still_asked", "Not yet", _STILL_ASKED, "Wait, or re-read it from the broker.")
        with self._audit().act(
            verb="orders.sign",
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=asked.client_order_id,
            request_id=caller.request_id,
        ) as act:
            act.before = {"doubt": found.doubt.value, "asked": found.asked}
            act.detail = {"reason": asked.reason}
            unresolved.sign(found, actor=caller.actor, reason=asked.reason)
        return OrderOutcome(order=order_row(found.record), message="The order was signed as lost. Nothing was booked.")

    def _do(self, caller: Caller, verb: str, asked: AskOrder, do: Callable[[OrderRecord], OrderRecord]) -> OrderRecord:
        conductor = self._conductor()
        before = conductor.floor.records.order(asked.client_order_id)
        if before is None:
            raise ApiError.of(
                404, "no_such_order", "There is no such order", asked.client_order_id, "Go back to the list."
            )
        with self._audit().act(
            verb=verb,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=asked.client_order_id,
            request_id=caller.request_id,
        ) as act:
            act.before = _facts(before)
            record = _told(lambda: do(before))
            act.after = _facts(record)
        _look_into(conductor, record)
        return record

    def _trade(self, trade_id: str) -> Trade:
        trade = self._conductor().floor.records.trade(trade_id)
        if trade is None:
            raise ApiError.of(404, "no_such_trade", "There is no such trade", trade_id, "Go back to the list.")
        if trade.closed_at is not None:
            raise ApiError.of(409, "trade_closed", "The trade is closed already", trade_id, "There is nothing to exit.")
        return trade


def order_row(record: OrderRecord) -> OrderRow:
    """An order in the words of the system API."""
    order = record.order
    keeps = judge_cancel(record)
    return OrderRow(
        client_order_id=order.client_order_id,
        trade_id=record.trade_id,
        symbol=order.symbol,
        strategy=record.strategy,
        side=order.side,
        role=record.role,
        type=order.type,
        quantity=str(order.quantity),
        filled=str(order.filled),
        limit_price=text_or_none(order.limit_price),
        stop_price=text_or_none(order.stop_price),
        status=order.status,
        reason=order.reason or record.why,
        updated_at=to_rfc3339(order.updated_at),
        recorded_at=to_rfc3339(record.recorded_at),
        keeps="" if keeps is None else f"{keeps.sentence} {keeps.next_step}",
    )


def _look_into(conductor: Conductor, record: OrderRecord) -> None:
    if record.order.status is OrderStatus.PENDING:
        conductor.books_behind(f"the outcome of order {record.order.client_order_id} is unknown")


def _in_doubt(one: UnresolvedOrder) -> UnresolvedRow:
    return UnresolvedRow(
        order=order_row(one.record),
        doubt=one.doubt,
        since=to_rfc3339(one.since),
        asked=one.asked,
        asked_at=None if one.asked_at is None else to_rfc3339(one.asked_at),
    )


def _told(do: Callable[[], OrderRecord]) -> OrderRecord:
    try:
        return do()
    except ManualOrderRefusedError as error:
        raise _refused(error.refusal, error.code) from error


def _refused(refusal: Refusal, code: str) -> ApiError:
    fields = {refusal.field: f"{refusal.sentence} {refusal.next_step}"} if refusal.field else {}
    return ApiError.of(
        422 if fields else 409, code, "Not possible now", refusal.sentence, refusal.next_step, fields=fields
    )


def _wish(asked: AskExit) -> ExitWish:
    """Read the amounts; raises ApiError that names the field that is none."""
    wrong: dict[str, str] = {}
    quantity, limit = None, None
    try:
        quantity = None if asked.quantity is None else Quantity.of(asked.quantity)
    except ValueError:
        wrong["quantity"] = _AMOUNT
    try:
        limit = Price.of(asked.limit_price or "") if asked.type == "limit" else None
    except ValueError:
        wrong["limit_price"] = _AMOUNT
    if wrong:
        raise ApiError.of(422, "invalid_amount", "Please look at the marked fields", fields=wrong)
    return ExitWish(quantity, limit)


def _preview(plan: ExitPlan) -> ExitPreview:
    trade, quantity, price = plan.trade, plan.quantity, plan.price
    part = "" if quantity == trade.quantity else f" of {trade.quantity}"
    value = None if price is None else price * quantity
    about = "worth unknown" if value is None else f"about {round_half_even(value.decimal, 2):,} {FUNCTIONAL_CURRENCY}"
    how = "at the market" if plan.limit_price is None else f"at {plan.limit_price} or better"
    refusal = plan.refusal
    return ExitPreview(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        side=_SIDES[trade.side],
        allowed=refusal is None,
        refusal="" if refusal is None else refusal.sentence,
        next_step="" if refusal is None else refusal.next_step,
        field="" if refusal is None else refusal.field,
        title=f"Exit {quantity}{part} {trade.symbol}",
        sentence=f"{'Sell' if trade.side is Side.BUY else 'Buy back'} {quantity} {trade.symbol} {how}, {about}.",
        effects=_effects(plan),
        quantity=str(quantity),
        open_quantity=str(trade.quantity),
        remaining=str(max(trade.quantity - quantity, Quantity.zero())),
        entry_price=str(trade.entry_price),
        mark=text_or_none(plan.mark),
        value=text_or_none(value),
        result=None if price is None else str((price * quantity - trade.entry_price * quantity) * trade.side.sign),
    )


def _effects(plan: ExitPlan) -> list[str]:
    trade, quantity = plan.trade, plan.quantity
    left = trade.quantity - quantity
    effects = []
    if plan.limit_price is not None:
        effects.append("It works until it is filled or cancelled, at the latest until the session's close.")
        effects.append("Until it fills, stop and target protect the whole position.")
    if left.sign > 0:
        effects.append(f"{left} {trade.symbol} stay open; stop and target shrink to that as this exit fills.")
    else:
        effects.append("Stop and target end with the position.")
    effects.append("What the entry has not filled yet is cancelled.")
    return effects


def _exit_message(record: OrderRecord) -> str:
    order = record.order
    if order.status is OrderStatus.PENDING:
        return "Whether the broker took the exit is unknown. It is asked after by its id and not sent again."
    if order.status is OrderStatus.FILLED:
        return f"The exit of {order.quantity} {order.symbol} is filled."
    return f"The exit of {order.quantity} {order.symbol} is at the broker."


def _words(record: OrderRecord) -> str:
    order = record.order
    return f"{order.status.replace('_', ' ')}, {order.filled} of {order.quantity} filled"


def _facts(record: OrderRecord) -> dict[str, object]:
    order = record.order
    return {"order": order.client_order_id, "status": str(order.status), "filled": str(order.filled)}
