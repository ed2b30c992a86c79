"""The sessions are worth something: each kind of mistake, planted, is found by what must hold after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from tbot_bot.api.bot_protocol import Halt
from tbot_bot.control.bot_loop import BotLoop
from tbot_bot.domain import gate
from tbot_bot.domain.broker import BrokerUnavailableError
from tbot_bot.domain.intents import OrderIntent
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book, Execution, Order
from tbot_bot.domain.trades import AppliedExecution, Trade
from tbot_bot.trading import closing, trade_logger
from tbot_bot.trading.execution import OrderRecipe, Sending
from tbot_bot.trading.execution_port import Standing
from tbot_bot.trading.order_service import OrderService
from tbot_bot.trading.trade_logger import TradeLogger
from tbot_bot.venue.faults import Fault, FaultKind, Scenario
from tests.faults.session_checker import violations
from tests.faults.sessions import OPEN, Act, SessionUnderTest

Plant = Callable[[pytest.MonkeyPatch], None]
SEEDS = 12


def found(folder: Path, seeds: int, act: Act, *faults: Fault) -> Iterator[str]:
    """What is complained of after each of a few sessions, one after the other, with these faults once it began."""
    begun = tuple(replace(one, start_at=OPEN + timedelta(minutes=1)) for one in faults)
    for seed in range(seeds):
        session = SessionUnderTest(folder, seed, act, Scenario(seed, begun))
        session.run()
        complaints = violations(session)
        session.close()
        yield from complaints


def resend_on_timeout(patch: pytest.MonkeyPatch) -> None:
    """Sends an order again when there was no answer."""
    once = OrderRecipe._submit

    def twice(self: OrderRecipe, intent: OrderIntent) -> Sending:
        try:
            self._broker.submit(intent.to_request())
        except BrokerUnavailableError:
            return once(self, intent)
        return once(self, intent)

    patch.setattr(OrderRecipe, "_submit", twice)


def fills_by_order_id(patch: pytest.MonkeyPatch) -> None:
    """Takes the second fill of an order for a repeat of the first."""
    by_execution = TradeLogger.apply_execution

    def by_order(self: TradeLogger, execution: Execution, *, session_day: date, recorded_at: datetime) -> object:
        record = self.order(execution.client_order_id)
        if record is not None and record.executed:
            return AppliedExecution(execution, trade_logger.Outcome.APPLIED, session_day, is_repeat=True)
        return by_execution(self, execution, session_day=session_day, recorded_at=recorded_at)

    patch.setattr(TradeLogger, "apply_execution", by_order)


def swallowed_reject(patch: pytest.MonkeyPatch) -> None:
    """Does not record that the broker refused."""
    recorded = OrderService.submission

    def told(
        self: OrderService, client_order_id: str, *, order: Order | None = None, refused: str | None = None
    ) -> None:
        if refused is None:
            recorded(self, client_order_id, order=order)

    patch.setattr(OrderService, "submission", told)


def unknown_is_failed(patch: pytest.MonkeyPatch) -> None:
    """Takes a submission without an answer for one that failed."""
    recorded = OrderService.submission

    def told(
        self: OrderService, client_order_id: str, *, order: Order | None = None, refused: str | None = None
    ) -> None:
        is_unknown = order is None and refused is None
        recorded(self, client_order_id, order=order, refused="no answer" if is_unknown else refused)

    patch.setattr(OrderService, "submission", told)


def entries_during_kill(patch: pytest.MonkeyPatch) -> None:
    """Neither the bot nor the gate looks at the kill switch, and Halt is not heard."""
    heard = BotLoop.hear
    patch.setattr(BotLoop, "hear", lambda self, told: None if isinstance(told, Halt) else heard(self, told))
    patch.setattr(Standing, "order_block", None)
    patch.setattr(gate, "PERMISSION_RULES", {})


def money_as_float(patch: pytest.MonkeyPatch) -> None:
    """Works a fill's cash out in binary fractions."""
    exact = trade_logger.fill_posting

    def rounded(*arguments: object) -> object:
        posting = exact(*arguments)  # type: ignore[arg-type]  # passed on as they came
        first, *middle, last = posting.entries
        off = Money(int(float(str(first.value)) * 1.0000001 * 10**8) - first.value.units)
        changed = (
            type(first)(first.account, first.value + off, first.commodity, first.quantity, first.lot),
            *middle,
            type(last)(last.account, last.value - off, last.commodity, last.quantity, last.lot),
        )
        return type(posting)(posting.book, posting.effective_at, posting.memo, changed)

    patch.setattr(trade_logger, "fill_posting", rounded)


def kill_sells_holdings(patch: pytest.MonkeyPatch) -> None:
    """Closes all that the broker has, whosever it is."""
    ours = closing.closable

    def all_of_it(trade: Trade, at_broker: dict[str, Quantity], books: dict[tuple[Book, str], Quantity]) -> Quantity:
        return abs(at_broker.get(trade.symbol) or ours(trade, at_broker, books))

    patch.setattr(closing, "closable", all_of_it)
    patch.setattr(OrderService, "accept_closing", lambda self, intent: self._accept(intent, lambda *_: None))


PLANTED: dict[Plant, tuple[Act, tuple[Fault, ...], str]] = {
    resend_on_timeout: (Act.NOTHING, (Fault(FaultKind.LOST_REPLY, call="submit"),), "was sent 2 times"),
    fills_by_order_id: (Act.NOTHING, (Fault(FaultKind.PIECES, chance_per_mille=300),), "is lost"),
    swallowed_reject: (Act.NOTHING, (Fault(FaultKind.REFUSAL, reason="halted"),), "was refused (halted)"),
    unknown_is_failed: (Act.NOTHING, (Fault(FaultKind.LOST_REPLY, call="submit"),), "and rejected on record"),
    entries_during_kill: (Act.KILL, (), "was sent by the bot after kill"),
    money_as_float: (Act.NOTHING, (), "in cash, the venue"),
    kill_sells_holdings: (Act.KILL, (), "the holdings book was sold"),
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    act, faults, words = PLANTED[plant]
    plant(monkeypatch)
    assert any(words in complaint for complaint in found(tmp_path, SEEDS, act, *faults))


def test_without_them_nothing_is_found(tmp_path: Path) -> None:
    for act, faults, _ in PLANTED.values():
        assert list(found(tmp_path, 1, act, *faults)) == []
