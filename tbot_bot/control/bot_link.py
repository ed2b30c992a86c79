"""The line between runner and bot: one JSON object a line over a socket, and the bot's end of the conversation."""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from itertools import count
from typing import Literal, Protocol

from tbot_bot.api.bot_protocol import (
    TO_BOT,
    Answer,
    AskIntent,
    Begin,
    Float,
    FromBot,
    Halt,
    Pause,
    PauseStrategies,
    Run,
    TellError,
    TellExecution,
    TellMarket,
    TellNoTrade,
    TellOrder,
    TellSession,
    TellSubmission,
    ToBot,
)
from tbot_bot.api.model import Message
from tbot_bot.api.wire import execution_to_wire, intent_to_wire, order_to_wire, trade_from_wire
from tbot_bot.brokers.measured import Calls
from tbot_bot.domain.intents import GateRefusal, NoTrade, OrderIntent
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Execution, Order
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.trading.execution_port import NotRecordedError, RunnerGoneError
from tbot_bot.trading.strategy_router import Running

LINE_BYTES_MAX = 1 << 20
SEND_TIMEOUT_S = 30.0
#: A runner that is silent for so long is taken for gone.
ANSWER_TIMEOUT_S = 30.0
_READ_BYTES = 1 << 16


class ChannelClosedError(Exception):
    """The other end is gone, stalls, or sent what is no line of this protocol."""


class LineChannel:
    """Messages as lines over a connected socket; either side can use it, one thread reads and one writes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(SEND_TIMEOUT_S)
        self._partial = bytearray()

    def send(self, message: Message) -> None:
        """Write one line; ChannelClosedError when the other end is gone or has not read for SEND_TIMEOUT_S."""
        try:
            self._connection.sendall(message.model_dump_json().encode() + b"\n")
        except OSError as error:
            raise ChannelClosedError(f"the other end does not read: {error}") from error

    def receive(self, timeout_s: float) -> list[bytes]:
        """Wait up to `timeout_s` for lines; empty when none came. ChannelClosedError at the end of the stream."""
        readable, _, _ = select.select([self._connection], [], [], max(0.0, timeout_s))
        if not readable:
            return []
        try:
            chunk = self._connection.recv(_READ_BYTES)
        except OSError as error:
            raise ChannelClosedError(f"the other end is gone: {error}") from error
        if not chunk:
            raise ChannelClosedError("the other end has closed")
        self._partial += chunk
        *lines, rest = self._partial.split(b"\n")
        self._partial = bytearray(rest)
        if len(self._partial) > LINE_BYTES_MAX:
            raise ChannelClosedError(f"a line is longer than {LINE_BYTES_MAX} bytes")
        return [bytes(line) for line in lines]


SessionChange = Literal["opened", "closed", "ended", "gap"]
Tell = Run | Halt | Pause | PauseStrategies | Float


class Listener(Protocol):
    """Hears what the runner tells, at once, even while an answer is awaited: it may note, not talk back."""

    def hear(self, message: Tell) -> None: ...


class RunnerLink:
    """The bot's end: asks, waits for the answer where the outcome matters, and passes on what the runner tells.

    Answers are awaited, so that the runner has dealt with one thing before the bot goes on to the next; only those
    to errors and to reasons against a trade are not. What the market shows is waited for when it is told again: what is
    asked in between comes after it, and the bot is never more than one minute ahead of the runner.
    """

    def __init__(self, channel: LineChannel, monotonic_s: Callable[[], float]) -> None:
        self._channel = channel
        self._monotonic_s = monotonic_s
        self._ids = count(1)
        self._heard: deque[ToBot] = deque()
        self._listener: Listener | None = None
        self._market_told: int | None = None

    def listen(self, listener: Listener) -> None:
        """Name who hears the runner."""
        self._listener = listener

    def begin(self) -> Begin:
        """Wait for the first line."""
        message = self._next(self._monotonic_s() + ANSWER_TIMEOUT_S)
        if not isinstance(message, Begin):
            raise RunnerGoneError(f"the runner began with {type(message).__name__} instead of Begin")
        return message

    def poll(self, timeout_s: float) -> None:
        """Pass on what the runner tells, waiting up to `timeout_s` for it."""
        if not self._heard:
            self._read(timeout_s)
        while self._heard:
            self._pass_on(self._heard.popleft())

    def ask_intent(self, intent: OrderIntent) -> GateRefusal | None:
        answer = self._ask(AskIntent(id=next(self._ids), intent=intent_to_wire(intent)))
        return None if answer.refused is None else GateRefusal(answer.check, answer.refused)

    def tell_submission(self, client_order_id: str, *, order: Order | None = None, refused: str | None = None) -> None:
        self._ask(
            TellSubmission(
                id=next(self._ids),
                client_order_id=client_order_id,
                order=None if order is None else order_to_wire(order),
                refused=refused,
            )
        )

    def tell_order(self, order: Order) -> None:
        _require_recorded(self._ask(TellOrder(id=next(self._ids), order=order_to_wire(order))))

    def tell_execution(self, execution: Execution) -> Sequence[OpenTrade]:
        answer = self._ask(TellExecution(id=next(self._ids), execution=execution_to_wire(execution)))
        _require_recorded(answer)
        if answer.trades is None:
            raise NotRecordedError("the runner answered a fill without the open trades")
        return [trade_from_wire(trade) for trade in answer.trades]

    def tell_no_trade(self, day: date, strategy: str, no_trade: NoTrade, at: datetime) -> None:
        """Say why a symbol is not traded; not waited for."""
        self._send(
            TellNoTrade(
                id=next(self._ids),
                session_day=day.isoformat(),
                strategy=strategy,
                symbol=no_trade.symbol,
                stage=no_trade.stage,
                check=no_trade.check,
                reason=no_trade.reason,
                at=to_rfc3339(at),
            )
        )

    def tell_market(
        self,
        at: datetime,
        session: Session | None,
        running: Running,
        marks: Mapping[str, Price],
        *,
        is_open: bool,
        broker_error: str | None,
        calls: Calls,
        newest_bar_at: datetime | None,
        missing_minutes: int,
    ) -> None:
        """Say what time it is in the market and how the broker is, once the runner has dealt with the last of it."""
        if self._market_told is not None:
            self._answer_to(self._market_told)
        self._market_told = next(self._ids)
        self._send(
            TellMarket(
                id=self._market_told,
                market_time=to_rfc3339(at),
                session_day=None if session is None else session.day.isoformat(),
                session_open_at=None if session is None else to_rfc3339(session.open_at),
                session_close_at=None if session is None else to_rfc3339(session.close_at),
                is_open=is_open,
                strategy=running.strategy,
                window=running.window,
                marks={symbol: str(price) for symbol, price in marks.items()},
                broker_ok=broker_error is None,
                broker_error=broker_error,
                answers_ms=list(calls.answers_ms),
                unanswered=calls.unanswered,
                newest_bar_at=None if newest_bar_at is None else to_rfc3339(newest_bar_at),
                missing_minutes=missing_minutes,
            )
        )

    def tell_session(self, what: SessionChange, day: date | None, at: datetime, reason: str = "") -> None:
        """Say that a session opened or closed, the feed ended or events were lost."""
        self._ask(
            TellSession(
                id=next(self._ids),
                what=what,
                day=None if day is None else day.isoformat(),
                at=to_rfc3339(at),
                reason=reason,
            )
        )

    def tell_error(self, error: BaseException) -> None:
        """Report an error; not waited for."""
        self._send(TellError(id=next(self._ids), error_kind=type(error).__name__, message=str(error)))

    def _ask(self, question: FromBot) -> Answer:
        self._send(question)
        return self._answer_to(question.id)

    def _answer_to(self, number: int) -> Answer:
        deadline_s = self._monotonic_s() + ANSWER_TIMEOUT_S
        while True:
            message = self._next(deadline_s)
            self._pass_on(message)
            if isinstance(message, Answer) and message.id == number:
                return message

    def _next(self, deadline_s: float) -> ToBot:
        while not self._heard:
            left_s = deadline_s - self._monotonic_s()
            if left_s <= 0:
                raise RunnerGoneError(f"the runner gave no answer for {ANSWER_TIMEOUT_S:g} s")
            self._read(left_s)
        return self._heard.popleft()

    def _pass_on(self, message: ToBot) -> None:
        """Tells go to the listener; answers nobody waits for need nothing."""
        if isinstance(message, Answer) and message.id == self._market_told:
            self._market_told = None
        if self._listener is not None and isinstance(message, Run | Halt | Pause | PauseStrategies | Float):
            self._listener.hear(message)

    def _send(self, message: FromBot) -> None:
        try:
            self._channel.send(message)
        except ChannelClosedError as error:
            raise RunnerGoneError(str(error)) from error

    def _read(self, timeout_s: float) -> None:
        try:
            lines = self._channel.receive(timeout_s)
        except ChannelClosedError as error:
            raise RunnerGoneError(str(error)) from error
        self._heard += [TO_BOT.validate_json(line) for line in lines]


def _require_recorded(answer: Answer) -> None:
    if answer.refused is not None:
        raise NotRecordedError(answer.refused)
