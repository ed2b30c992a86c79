"""What becomes of calls on their way to the market and back: nothing, unless a scenario disturbs the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tbot_bot.domain.broker import OrderRefusedError
from tbot_bot.venue.faults import Fault, FaultKind, Faults

#: Calls whose answer is a list; one of them can be empty by mistake.
LISTS = frozenset({"instruments", "positions", "quotes", "bars", "open_orders", "executions"})
#: Calls that can be answered with what they were answered before.
_REPEATABLE = frozenset({"account", "positions", "open_orders", "order", "executions"})
_AFTER = (FaultKind.LOST_REPLY, FaultKind.DISCONNECT, FaultKind.EMPTY_REPLY, FaultKind.SLICED_REPLY)
#: What leaves the caller without an answer that it could use.
UNANSWERED = frozenset({FaultKind.LOST_REQUEST, FaultKind.LOST_REPLY, FaultKind.DISCONNECT})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer or refusal, the market time of which it is true, and the fault that befalls it, if any."""

    result: Any
    as_of: datetime
    refused: str | None = None
    fault: FaultKind | None = None


class Line:
    """Carries calls; the caller of `carry` sees to silence, delay and broken answers."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._former: dict[tuple[str, str], Reply] = {}

    def delay(self, call: str, now: datetime) -> Fault | None:
        """Return the fault that makes a call wait, if any."""
        return self._faults.due(FaultKind.LATENCY, now, call=call)

    def carry(self, call: str, arguments: object, now: datetime, make: Callable[[], Any]) -> Reply:
        """Make a call at market time `now`, unless it gets lost, and return what comes back."""
        if self._faults.due(FaultKind.LOST_REQUEST, now, call=call):
            return Reply(None, now, fault=FaultKind.LOST_REQUEST)
        try:
            reply = Reply(make(), now)
        except OrderRefusedError as error:
            reply = Reply(None, now, refused=str(error))
        fault = next((kind for kind in _AFTER if self._faults.due(kind, now, call=call)), None)
        if fault is FaultKind.EMPTY_REPLY and reply.refused is None:
            return replace(reply, result=[] if call in LISTS else None, fault=fault)
        return replace(self._latest_or_former(call, arguments, reply), fault=fault)

    def _latest_or_former(self, call: str, arguments: object, reply: Reply) -> Reply:
        """Give a stale answer if that is due and there is one from an earlier moment."""
        if call not in _REPEATABLE or not self._faults.has(FaultKind.STALE_REPLY):
            return reply
        key = (call, repr(arguments))
        former = self._former.get(key)
        fault = self._faults.due(FaultKind.STALE_REPLY, reply.as_of, call=call)
        if fault is not None and former is not None and former.as_of + fault.delay < reply.as_of:
            return former
        self._former[key] = reply
        return reply
