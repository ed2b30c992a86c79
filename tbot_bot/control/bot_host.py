"""The runner's end of the bot: starts the process, answers its questions, and tells it what to do.

An answer goes out only after what it acknowledges is durable. What cannot be recorded is refused and left to the
next reconciliation with the broker; it is never acknowledged.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from typing import Protocol

import structlog

from tbot_bot.api.bot_protocol import (
    FROM_BOT,
    Answer,
    AskIntent,
    Begin,
    FromBot,
    TellError,
    TellExecution,
    TellMarket,
    TellNoTrade,
    TellOrder,
    TellSession,
    TellSubmission,
    ToBot,
    WireTrade,
)
from tbot_bot.api.wire import execution_from_wire, intent_from_wire, order_from_wire
from tbot_bot.control.child import Child, start_child
from tbot_bot.domain.intents import NoTrade, Stage
from tbot_bot.domain.orders import Execution
from tbot_bot.domain.positions import FillError
from tbot_bot.domain.time import from_rfc3339
from tbot_bot.domain.trades import ExecutionConflictError, Outcome
from tbot_bot.monitoring.log_book import LogBook
from tbot_bot.trading.order_service import OrderService

log = structlog.get_logger("bot_host")


class Listener(Protocol):
    """Whoever must know what the bot reports."""

    def market(self, told: TellMarket) -> None: ...
    def session(self, told: TellSession) -> None: ...
    def books_behind(self, why: str) -> None:
        """Something the broker did could not be recorded; the broker must be asked again."""
        ...

    def bot_gone(self) -> None: ...


class BotHost:
    """One bot process at a time. `begin` makes its first line, `trades` the open trades it manages."""

    def __init__(
        self,
        orders: OrderService,
        begin: Callable[[], Begin],
        trades: Callable[[], list[WireTrade]],
        listener: Listener,
        log_book: LogBook,
    ) -> None:
        self._orders = orders
        self._begin = begin
        self._trades = trades
        self._listener = listener
        self._log_book = log_book
        self._socket: socket.socket | None = None
        self._writing = threading.Lock()
        self._booking = threading.Lock()

    def start(self) -> Child:
        """Start the process and say Begin; a thread answers it until it is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tbot_bot.control.bot", "--fd", str(theirs.fileno())]
            child = start_child(
                "bot",
                command,
                now_s=time.monotonic(),
                on_line=lambda line: self._log_book.write_line("bot", line),
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        self.tell(self._begin())
        thread = threading.Thread(target=self._serve, args=(ours,), name="bot-host", daemon=True)
        thread.start()
        return child

    def tell(self, message: ToBot) -> bool:
        """Send one message; False when there is no bot to hear it."""
        with self._writing:
            if self._socket is None:
                return False
            try:
                self._socket.sendall(message.model_dump_json().encode() + b"\n")
            except OSError:
                return False
        return True

    def tell_books(self, make: Callable[[], ToBot]) -> bool:
        """Send what `make` reads from the books, with no fill booked and answered in between."""
        with self._booking:
            return self.tell(make())

    def hang_up(self) -> None:
        """Close our end: the bot cancels its working entries and ends."""
        with self._writing:
            if self._socket is not None:
                with contextlib.suppress(OSError):  # it may have closed its end first
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _serve(self, ours: socket.socket) -> None:
        # a reset connection is the same as the end of file: it is gone
        with contextlib.suppress(ConnectionError), ours, ours.makefile("rb") as lines:
            for line in lines:
                self._handle(FROM_BOT.validate_json(line))
        with self._writing:
            if self._socket is ours:
                self._socket = None
        self._listener.bot_gone()

    def _handle(self, told: FromBot) -> None:
        if isinstance(told, TellExecution):
            with self._booking:
                self._respond(told)
        else:
            self._respond(told)

    def _respond(self, told: FromBot) -> None:
        try:
            answer = self._answer(told)
        except Exception as error:  # not recorded, so not acknowledged; the broker is asked again later
            log.exception("the bot's report could not be recorded", kind=told.kind)
            self._listener.books_behind(f"{type(error).__name__}: {error}")
            answer = Answer(id=told.id, refused="The runner could not record this; it will ask the broker again.")
        self.tell(answer)

    def _answer(self, told: FromBot) -> Answer:
        match told:
            case AskIntent():
                return self._judge(told)
            case TellSubmission():
                order = order_from_wire(told.order) if told.order else None
                self._orders.submission(told.client_order_id, order=order, refused=told.refused)
            case TellOrder():
                self._orders.order_changed(order_from_wire(told.order))
            case TellExecution():
                self._book(execution_from_wire(told.execution))
                return Answer(id=told.id, trades=self._trades())
            case TellMarket():
                self._listener.market(told)
            case TellSession():
                self._listener.session(told)
            case TellNoTrade():
                self._note_no_trade(told)
            case TellError():
                self._log_book.write_line("bot", _error_record(told))
        return Answer(id=told.id)

    def _book(self, execution: Execution) -> None:
        """Book a fill. One that is not ours, or contradicts the record, would be no other if it were told again.

        So the bot goes on, and broker and books are compared at once.
        """
        try:
            applied = self._orders.execution(execution)
        except (ExecutionConflictError, FillError) as error:
            self._listener.books_behind(str(error))
            return
        if applied.outcome is Outcome.QUARANTINED and not applied.is_repeat:
            self._listener.books_behind(f"the fill {execution.execution_id} is not booked: its order is not on record")

    def _judge(self, asked: AskIntent) -> Answer:
        intent = intent_from_wire(asked.intent)
        refused = self._orders.accept(intent)
        log.info(
            "order refused" if refused else "order accepted",
            strategy=intent.strategy,
            order=intent.client_order_id,
            quantity=str(intent.quantity),
            why=refused.reason if refused else intent.reason,
        )
        return Answer(id=asked.id, refused=refused.reason, check=refused.check) if refused else Answer(id=asked.id)

    def _note_no_trade(self, told: TellNoTrade) -> None:
        log.info(
            "no trade",
            strategy=told.strategy,
            symbol=told.symbol,
            stage=told.stage,
            check=told.check,
            why=told.reason,
            market=told.at,
        )
        no_trade = NoTrade(told.symbol, Stage(told.stage), told.check, told.reason)
        day = date.fromisoformat(told.session_day)
        self._orders.records.record_no_trade(day, told.strategy, no_trade, from_rfc3339(told.at))


def _error_record(told: TellError) -> str:
    return json.dumps({"level": "error", "event": told.message, "error_kind": told.error_kind})
