"""Orders as the pages show them."""

from __future__ import annotations

from tbot_bot.api.orders import OrderRow, UnresolvedRow
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


def known_of(row: UnresolvedRow) -> str:
    """What is known of an order in doubt."""
    if row.doubt == "lost":
        return "the broker had taken it, and does not know it any more"
    return "it was recorded and perhaps sent; no answer came"


def done_about(row: UnresolvedRow) -> str:
    """What is being done about it."""
    if row.doubt == "lost":
        return "entries are held back until broker and books agree; an administrator looks into it and signs"
    return "the broker is asked by its id; it is never sent again"
