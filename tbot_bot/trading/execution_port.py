"""What the bot's side of an order needs of the runner, and what the runner allows it.

Exception
+-- RunnerGoneError    nothing may be sent any more
+-- NotRecordedError   a report was not recorded, and is told again
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tbot_bot.domain.intents import GateRefusal, OrderIntent
from tbot_bot.domain.money import Money
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Execution, Order


class RunnerGoneError(Exception):
    """The runner does not answer any more: nothing may be sent, and the bot ends."""


class NotRecordedError(Exception):
    """The runner could not record a report, so it does not count; it has to be told again."""


class Runner(Protocol):
    """The owner of the books. Each call returns once it is durable there; RunnerGoneError when it never will.

    A report that could not be recorded raises NotRecordedError.
    """

    def ask_intent(self, intent: OrderIntent) -> GateRefusal | None:
        """Have the intent recorded and judged: None to let it pass, else the rule against it."""
        ...

    def tell_submission(self, client_order_id: str, *, order: Order | None = None, refused: str | None = None) -> None:
        """Say what became of a submission; neither order nor refusal means that it is unknown.

        Never raises NotRecordedError: the order is sent, and a runner that missed it asks the broker itself.
        """
        ...

    def tell_order(self, order: Order) -> None: ...

    def tell_execution(self, execution: Execution) -> Sequence[OpenTrade]:
        """Have a fill posted; returns every open trade of the strategy book after it."""
        ...


@dataclass(slots=True)
class Standing:
    """What may be sent now. `is_armed` looks at the file each time; the float is unknown until the runner names it.

    `paused_strategies` are those that a person holds back, each with the reason.
    """

    is_armed: Callable[[], bool]
    running: bool = False
    paused: bool = False
    float_allocation: Money | None = None
    paused_strategies: Mapping[str, str] = field(default_factory=dict)

    @property
    def order_block(self) -> str | None:
        """Why no order at all may be sent; None when one may."""
        if not self.running:
            return "trading is not running"
        if not self.is_armed():
            return "the kill switch is not armed"
        return None

    @property
    def entry_block(self) -> str | None:
        """Why no entry may be sent; None when one may."""
        if self.order_block is not None:
            return self.order_block
        if self.paused:
            return "trading is paused: no new entries"
        if self.float_allocation is None:
            return "the float is not known yet"
        return None
