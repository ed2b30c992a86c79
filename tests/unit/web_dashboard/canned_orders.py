"""Working orders and exits as the runner would tell them."""

from __future__ import annotations

from typing import Any

from tbot_bot.api import orders


def order(role: str = "stop_loss", **changes: Any) -> orders.OrderRow:
    """One of the orders that work."""
    letter = {"entry": "E", "stop_loss": "S", "take_profit": "T", "exit": "X"}[role]
    return orders.OrderRow(
        client_order_id=f"S-open-SPY-20101122-1-{letter}", trade_id="T-20101122-0007", symbol="SPY", strategy="open",
        side="sell", role=role, type="stop" if role == "stop_loss" else "limit", quantity="24", filled="0",
        limit_price=None if role == "stop_loss" else "168.2", stop_price="166.8" if role == "stop_loss" else None,
        status="accepted", reason="broke the opening range", updated_at="2010-11-22T15:02:00Z",
        recorded_at="2026-11-22T14:02:08Z",
        keeps="This order protects the trade. Exit the trade instead." if role == "stop_loss" else "",
    ).model_copy(update=changes)  # fmt: skip


def working() -> list[orders.OrderRow]:
    """A stop, a target, and an exit of which nothing was heard."""
    return [order(), order("take_profit"), order("exit", type="market", limit_price=None, status="pending")]


def unresolved() -> list[orders.UnresolvedRow]:
    """An exit without an answer, and a target that the broker lost."""
    since = "2026-11-22T14:02:08Z"
    return [
        orders.UnresolvedRow(
            order=order("exit", status="pending"), doubt="unknown", since=since, asked=2, asked_at=since
        ),
        orders.UnresolvedRow(
            order=order("take_profit", status="cancelled"), doubt="lost", since=since, asked=0, asked_at=None
        ),
    ]


def exit_preview(asked: orders.AskExit) -> orders.ExitPreview:
    """What an exit of 24 would do."""
    too_much = asked.quantity == "25"
    return orders.ExitPreview(
        trade_id=asked.trade_id, symbol="SPY", side="long", allowed=not too_much,
        refusal="25 is more than the 24 SPY that are open." if too_much else "",
        next_step="Close 24 or less." if too_much else "", field="quantity" if too_much else "",
        title=f"Exit {asked.quantity or 24} of 24 SPY",
        sentence=f"Sell {asked.quantity or 24} SPY at the market, about 4,029.84 USD.",
        effects=["Stop and target end with the position."], quantity=asked.quantity or "24", open_quantity="24",
        remaining="0", entry_price="167.27", mark="167.91", value="4029.84", result="15.36",
    )  # fmt: skip


def answers() -> dict[str, Any]:
    """Answers of the verbs of orders."""

    def done(_caller: Any, _asked: Any) -> orders.OrderOutcome:
        return orders.OrderOutcome(order=order("exit"), message="The exit of 24 SPY is at the broker.")

    return {
        "orders.open": lambda *_: orders.OrderPage(items=working()),
        "orders.exit_preview": lambda _caller, asked: exit_preview(asked),
        "orders.exit": done,
        "orders.cancel": done,
        "orders.reread": done,
        "orders.sign": done,
        "orders.unresolved": lambda *_: orders.UnresolvedPage(items=unresolved()),
    }
