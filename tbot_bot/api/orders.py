"""Orders: those that work, and what a person does to one trade or one order."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tbot_bot.api.model import Message, Page


class OrderRow(Message):
    """An order as the books have it; `updated_at` is market time, `recorded_at` the wall's, UTC."""

    client_order_id: str = Field(description="Our id of the order.")
    trade_id: str | None = Field(description="The trade that it belongs to; null before the first fill.")
    symbol: str = Field(description="What it trades.")
    strategy: str = Field(description="The strategy that it belongs to.")
    side: str = Field(description="buy or sell.")
    role: str = Field(description="What it is for: entry, stop_loss, take_profit or exit.")
    type: str = Field(description="market, limit or stop.")
    quantity: str = Field(description="Units that it is for.")
    filled: str = Field(description="Units that were filled, as the broker says.")
    limit_price: str | None = Field(description="Its limit, if it has one.")
    stop_price: str | None = Field(description="Where it is triggered, if it is a stop.")
    status: str = Field(description="The broker's last word; pending while there is none.")
    reason: str = Field(description="Why it was wanted, or the broker's word on its end.")
    updated_at: str = Field(description="When its status was last told, market time.")
    recorded_at: str = Field(description="When it was put on record, UTC.")
    keeps: str = Field(description="Why it cannot be cancelled by hand; empty if it can.")


class OrderPage(Page):
    items: list[OrderRow] = Field(description="The orders, oldest first.")


class AskOrder(Message):
    client_order_id: str = Field(max_length=100, description="Our id of the order.")


class AskExit(Message):
    """An exit of one trade: at the market, or at a limit and for as much as is named."""

    trade_id: str = Field(max_length=40, description="Id of the trade.")
    type: Literal["market", "limit"] = Field(default="market", description="At the market, or at a limit.")
    quantity: str | None = Field(default=None, max_length=40, description="Units to close; null closes all of it.")
    limit_price: str | None = Field(default=None, max_length=40, description="The limit of a limit exit.")


class ExitPreview(Message):
    """What the exit would do now; `value` and `result` are null while no price is known."""

    trade_id: str = Field(description="Id of the trade.")
    symbol: str = Field(description="What is closed.")
    side: str = Field(description="long or short.")
    allowed: bool = Field(description="Whether it may be sent now.")
    refusal: str = Field(description="Why not; empty if it may.")
    next_step: str = Field(description="What to do instead; empty if it may.")
    field: str = Field(description="The field that is wrong; empty if none is.")
    title: str = Field(description="The act in a few words.")
    sentence: str = Field(description="The act with its figures.")
    effects: list[str] = Field(description="What follows, a sentence each.")
    quantity: str = Field(description="Units that it closes.")
    open_quantity: str = Field(description="Units that are open.")
    remaining: str = Field(description="Units that stay open.")
    entry_price: str = Field(description="Mean price of the entry.")
    mark: str | None = Field(description="Present price.")
    value: str | None = Field(description="Worth of what it closes, at the limit or the present price.")
    result: str | None = Field(description="What that would add to the realised result, before fees.")


class UnresolvedRow(Message):
    """An order of which it is not known what became; times of the wall, UTC."""

    order: OrderRow = Field(description="The order as it is on record.")
    doubt: str = Field(description="unknown: sent, and no answer; lost: taken once, and now unknown to the broker.")
    since: str = Field(description="When it came into doubt.")
    asked: int = Field(description="How often the broker was asked after it and did not know it.")
    asked_at: str | None = Field(description="When it was asked last; null if it was not yet.")


class UnresolvedPage(Page):
    items: list[UnresolvedRow] = Field(description="The orders in doubt, oldest first.")


class SignOrder(Message):
    """Accept that a lost order is lost. Nothing is booked by it."""

    client_order_id: str = Field(max_length=100, description="Our id of the order.")
    reason: str = Field(default="", max_length=500, description="Why; kept in the audit trail.")


class OrderOutcome(Message):
    """The order after the act, and what follows."""

    order: OrderRow = Field(description="The order.")
    message: str = Field(description="What was done, and what follows.")
