"""Orders as the pages show them."""

from __future__ import annotations

from tbot_bot.api.orders import OrderRow
from tbot_web.support import figures
from tbot_web.support.figures import Shown

_ROLES = {"entry": "entry", "stop_loss": "protective stop", "take_profit": "target", "exit": "exit"}


def role(order: OrderRow) -> str:
    """What the order is for, in words."""
    return _ROLES[order.role]


def price(order: OrderRow) -> Shown | None:
    """The price that the order names; None for a market order."""
    return figures.price(order.limit_price or order.stop_price)


def status(order: OrderRow) -> str:
    """The broker's last word on it."""
    return "no word yet" if order.status == "pending" else order.status.replace("_", " ")


def mark(order: OrderRow) -> str:
    """The kind of mark of its status: what has no word yet is unknown."""
    return "unknown" if order.status == "pending" else "ok"
