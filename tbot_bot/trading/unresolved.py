"""Orders in doubt: kept until the broker's word settles them or an administrator signs; each change is logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from tbot_bot.domain.time import Clock
from tbot_bot.domain.trading_port import TradingStore
from tbot_bot.domain.unresolved import Doubt, UnresolvedOrder

log = structlog.get_logger("unresolved_orders")
BROKER = "broker"
_SENTENCES = {
    Doubt.UNKNOWN: "It is not known whether the broker took the order. It is asked after and not sent again.",
    Doubt.LOST: "The broker had taken the order and does not know it any more. An administrator has to look into it.",
}


class UnresolvedOrders:
    """Safe to call from several threads. `told` is called with each order that comes into doubt."""

    def __init__(self, store: TradingStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.told: Callable[[str, Mapping[str, str]], None] = lambda _sentence, _facts: None

    def note(self, client_order_id: str, doubt: Doubt) -> None:
        """Keep an order as one in doubt; noting it again changes nothing."""
        with self._store.transaction() as unit:
            known = {one.record.order.client_order_id: one.doubt for one in unit.unresolved.open()}
            if known.get(client_order_id) is doubt:
                return
            unit.unresolved.note(client_order_id, doubt, self._clock.now())
        log.warning(_SENTENCES[doubt], order=client_order_id, doubt=doubt.value, unresolved=True)
        self.told(_SENTENCES[doubt], {"order": client_order_id})

    def asked(self, client_order_id: str) -> None:
        """Count that the broker was asked after it and did not know it, which may mean that it is on its way."""
        with self._store.transaction() as unit:
            unit.unresolved.asked(client_order_id, self._clock.now())
        log.info("asked after; not known yet", order=client_order_id, unresolved=True)

    def open(self) -> tuple[UnresolvedOrder, ...]:
        """Return the orders in doubt, oldest first; those that the broker has spoken of since are settled first."""
        with self._store.snapshot() as unit:
            found = tuple(unit.unresolved.open())
        for one in found:
            if one.is_settled:
                order = one.record.order
                self._resolve(one, f"{order.status}: {order.reason}" if order.reason else order.status.value, BROKER)
        return tuple(one for one in found if not one.is_settled)

    def sign(self, one: UnresolvedOrder, *, actor: str, reason: str) -> bool:
        """Accept that an order is lost: nothing is booked. False if it was settled meanwhile."""
        return self._resolve(one, reason, actor)

    def _resolve(self, one: UnresolvedOrder, resolution: str, by: str) -> bool:
        name = one.record.order.client_order_id
        with self._store.transaction() as unit:
            is_first = unit.unresolved.resolve(name, self._clock.now(), resolution, by)
        if is_first:
            log.info("resolved", order=name, by=by, how=resolution, unresolved=True)
        return is_first
