"""A conductor at an in-process market: real books, real socket to a bot that the test plays, clocks moved by hand."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from tbot_bot.api.bot_protocol import (
    TO_BOT,
    Answer,
    AskIntent,
    FromBot,
    TellExecution,
    TellMarket,
    TellSession,
    TellSubmission,
    ToBot,
)
from tbot_bot.api.wire import execution_to_wire, intent_to_wire, order_to_wire
from tbot_bot.control.bot_link import LineChannel
from tbot_bot.control.child import Child, Keeper, start_child
from tbot_bot.control.conductor import Conductor
from tbot_bot.domain.broker import Executed
from tbot_bot.domain.intents import OrderIntent
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Session
from tbot_bot.domain.orders import Book
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.monitoring.log_book import LogBook
from tests.unit.control.backstage import Backstage, furnished, wait_until
from tests.unit.trading.desk import FRIDAY, Line, entry_intent, exit_intent, market

SYMBOLS = {"AAA": "100", "BBB": "100", "CCC": "100"}


class BotEnd:
    """The bot's end of the line: asks, waits for each answer, and keeps what it is told."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._channel = LineChannel(connection)
        self._ids = count(1)
        self._told: list[ToBot] = []

    def ask(self, kind: type[FromBot], **fields: Any) -> Answer:
        """Send one message and return its answer."""
        message = kind(id=next(self._ids), **fields)
        self._channel.send(message)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for heard in self._read(1.0):
                if isinstance(heard, Answer):
                    assert heard.id == message.id
                    return heard
                self._told.append(heard)
        raise AssertionError("the runner did not answer")

    def heard(self) -> list[ToBot]:
        """What was told since the last look, answers aside."""
        while more := self._read(0.0):
            self._told += more
        told, self._told = self._told, []
        return told

    def _read(self, timeout_s: float) -> list[ToBot]:
        return [TO_BOT.validate_json(line) for line in self._channel.receive(timeout_s)]

    def hang_up(self) -> None:
        self._connection.close()


class Stage:
    """A conductor whose processes are played: the market in this process, the bot by the test."""

    def __init__(self, backstage: Backstage) -> None:
        self.backstage = backstage
        self.clock = backstage.clock
        self.lifecycle = backstage.lifecycle
        self.changed = 0
        self.log_book = LogBook(backstage.home.system_logs, self.clock)
        self.line = Line(market(SYMBOLS, "100000", "0"))
        self.prices = dict(SYMBOLS)
        self.bots: list[BotEnd] = []
        self._open()

    def _open(self) -> None:
        self.conductor = Conductor(self.backstage.foundation, self.lifecycle, self.log_book, self._change)
        self.floor = self.conductor.floor
        self._alive: TellMarket | None = None
        self.floor.broker = self.line
        self.floor.venue_keeper = None  # the market is in this process
        self.floor.bot_keeper = Keeper("bot", self._start_bot)

    def _change(self) -> None:
        self.changed += 1

    def _start_bot(self) -> Child:
        ours, theirs = socket.socketpair()
        host = self.floor.bot
        host._socket = ours
        self.bots.append(BotEnd(theirs))
        threading.Thread(target=host._serve, args=(ours,), daemon=True).start()
        command = [sys.executable, "-S", "-E", "-c", "import sys; sys.stdin.read()"]
        return start_child("bot", command, now_s=time.monotonic(), on_line=lambda _line: None)

    @property
    def bot(self) -> BotEnd:
        return self.bots[-1]

    def restart(self) -> None:
        """Let the runner end and come up again; the market goes on."""
        self.floor.bot.hang_up()
        self.floor.bot_keeper.stop(5)
        self.floor.database.close()
        self.backstage.restart()
        self.lifecycle = self.backstage.lifecycle
        self._open()

    def close(self) -> None:
        self.floor.close()
        for bot in self.bots:
            bot.hang_up()
        for log in self.log_book._files.values():
            log.close()

    # time

    def tick(self, seconds: int = 5, *, silent: bool = False) -> None:
        """Let wall time go by and do what is due; a bot that has spoken goes on reporting unless it is `silent`."""
        self.clock.move(seconds=seconds)
        if self._alive is not None and not silent:
            self.conductor.api.hear(self._alive)
        self.conductor.tick()

    def ticks_until(self, state: State) -> None:
        for _ in range(60):
            if self.lifecycle.state is state:
                return
            if self.line.inner.clock().is_open:
                self.pass_market_time()
            self.tick()
        raise AssertionError(f"still {self.lifecycle.state}: {self.conductor.closing.report()}")

    def pass_market_time(self, seconds: int = 30) -> None:
        """Let the market run on without a word from the bot."""
        self.line.inner.advance_to(self.line.inner.clock().now + timedelta(seconds=seconds))

    # what the bot says

    def tell_market(self, at: datetime | None = None, window: str = "trading", **changes: Any) -> None:
        """A heartbeat at `at`, to which the market runs first."""
        if at is not None:
            self.line.inner.advance_to(at)
        now = self.line.inner.clock()
        told = {
            "market_time": to_rfc3339(at or now.now),
            "session_day": now.session.day.isoformat() if now.session else None,
            "session_open_at": to_rfc3339(now.session.open_at) if now.session else None,
            "session_close_at": to_rfc3339(now.session.close_at) if now.session else None,
            "is_open": now.is_open,
            "strategy": "open" if window != "idle" else None,
            "window": window,
            "marks": self.prices,
            "broker_ok": True,
            "answers_ms": [2],
            "newest_bar_at": to_rfc3339(at or now.now),
        }
        assert self.bot.ask(TellMarket, **told | changes).refused is None
        self._alive = TellMarket.model_validate({"id": 0, **told, **changes, "answers_ms": [], "unanswered": 0})

    def tell_session(self, what: str, session: Session | None = FRIDAY, **changes: Any) -> None:
        day = None if session is None else session.day.isoformat()
        at = to_rfc3339(self.line.inner.clock().now if session is None else session.open_at)
        told = {"what": what, "day": day, "at": at} | changes
        assert self.bot.ask(TellSession, **told).refused is None

    def ask_entry(self, symbol: str = "AAA", quantity: str = "100", **options: Any) -> str | None:
        """What the runner says to an entry."""
        return self.bot.ask(AskIntent, intent=intent_to_wire(self.entry(symbol, quantity, **options))).refused

    def entry(self, symbol: str = "AAA", quantity: str = "100", **options: Any) -> OrderIntent:
        return entry_intent(symbol, "buy", quantity, **({"bracket": False} | options))

    def enter(self, symbol: str = "AAA", quantity: str = "100", **options: Any) -> None:
        """Enter, be filled, and report it, as a bot does."""
        self._trade(self.entry(symbol, quantity, **options))
        assert symbol in {trade.symbol for trade in self.floor.records.open_trades()}

    def leave(self, symbol: str = "AAA", quantity: str = "100", number: int = 1) -> None:
        """Leave, be filled, and report it."""
        self._trade(exit_intent(symbol, "sell", quantity, number=number))
        assert symbol not in {trade.symbol for trade in self.floor.records.open_trades()}

    def hold(self, symbol: str, quantity: str, *, side: str = "buy", number: int = 1) -> None:
        """Trade in the holdings book until filled and booked."""
        made = entry_intent(symbol, side, quantity, number=number, bracket=False)
        self._trade(replace(made, book=Book.HOLDINGS, strategy="core"))

    def _trade(self, intent: OrderIntent) -> None:
        assert self.bot.ask(AskIntent, intent=intent_to_wire(intent)).refused is None
        order = self.line.inner.submit(intent.to_request())
        self.bot.ask(TellSubmission, client_order_id=intent.client_order_id, order=order_to_wire(order))
        self.pass_market_time(60)
        for event in self.line.inner.events(0):
            if isinstance(event, Executed):
                answer = self.bot.ask(TellExecution, execution=execution_to_wire(event.execution))
                assert answer.trades is not None

    # where the bot may trade

    def start(self) -> None:
        """Stopped -> idle: reconciled and told to run."""
        self.conductor.start("ada")
        self.tick()
        self.tell_market(window="idle")
        self.tick()
        assert self.lifecycle.state is State.IDLE, self.conductor.books.boot

    def trade(self) -> None:
        """Stopped -> trading, with the session open."""
        self.start()
        self.tell_session("opened")
        self.tell_market()
        assert self.lifecycle.state is State.TRADING
        self.bot.heard()

    def lose_bot(self) -> None:
        self._alive = None
        before = self.changed
        self.bot.hang_up()
        wait_until(lambda: self.changed > before, "the runner noticed")


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    made = Stage(furnished(folder / "home"))
    try:
        yield made
    finally:
        made.close()
