"""The trading floor: the books, the broker, and the processes of venue and bot; there once a bot is configured."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

import structlog

from tbot_bot.accounting.ledger import Ledger
from tbot_bot.api.bot_protocol import Begin, WireTrade
from tbot_bot.api.wire import text_or_none
from tbot_bot.brokers.registry import broker_kind
from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.config.restored import LEDGER_RESTORED
from tbot_bot.control.bot_host import BotHost, Listener
from tbot_bot.control.child import Child, Keeper, start_child
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.market_view import MarketView
from tbot_bot.control.strategy_pauses import StrategyPauses
from tbot_bot.domain.broker import Broker, BrokerError, BrokerUnavailableError
from tbot_bot.domain.gate import GateConditions
from tbot_bot.domain.market import Instrument
from tbot_bot.domain.notices import NoticeKind
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.domain.trades import Trade
from tbot_bot.monitoring.log_book import LogBook
from tbot_bot.storage.ledger_database import LedgerDatabase
from tbot_bot.strategies.registry import STRATEGIES
from tbot_bot.trading.adoption import adopt
from tbot_bot.trading.kill_switch import KillSwitch
from tbot_bot.trading.leaving import leave
from tbot_bot.trading.manual_orders import ManualOrders
from tbot_bot.trading.order_service import OrderService

log = structlog.get_logger("floor")
STOP_TIMEOUT_S = 8.0
HOLD_TIMEOUT_S = 2.0
HOLD_LOOK_S = 0.01
#: The runner's record of the first Start.
_MARKET_RUN = "market_run"


class Floor:
    """Everything that trading needs. `conditions` is asked what the runner knows before each order."""

    def __init__(
        self, foundation: Foundation, log_book: LogBook, conditions: Callable[[], GateConditions], listener: Listener
    ) -> None:
        self.configuration = foundation.configuration()
        self.identity = self.configuration.identity
        home = foundation.home
        home.bot_logs(self.identity).mkdir(mode=0o750, parents=True, exist_ok=True)
        log_book.attach(home.bot_logs(self.identity))
        self.settings = foundation.trading_settings()
        self.database = LedgerDatabase.open(home.ledger_database(self.identity))
        self.ledger = Ledger(self.database, foundation.clock)
        self.orders = OrderService(self.database, conditions, foundation.clock)
        self.orders.unresolved.told = partial(foundation.notices.tell, NoticeKind.UNRESOLVED_ORDER)
        self.records = self.orders.records
        self.kill_switch = KillSwitch(home.flags)
        self.view = MarketView()
        self.kind = broker_kind(self.configuration.BROKER_CODE)
        self.broker: Broker = self.kind.connect(BrokerSetup({}, home.venue_socket))
        self.manual = ManualOrders(lambda: self.broker, self.orders, self.instruments, foundation.clock)
        self.venue_ready = threading.Event()
        self.venue_error: str | None = None
        self.venue_damage: str | None = None
        self._foundation = foundation
        self._log_book = log_book
        self._instruments: dict[str, Instrument] = {}
        self.bot = BotHost(self.orders, self._begin, self.wire_trades, listener, log_book)
        self.venue_keeper = Keeper("venue", self._start_venue) if self.kind.market_is_simulated else None
        self.pauses = StrategyPauses(foundation.record, self.bot.tell)
        self.bot_keeper = Keeper("bot", self._start_bot)

    # processes

    def poll(self, *, bot: bool = True) -> None:
        """Keep the venue, and with `bot` the bot, running, and follow what a person ordered."""
        now_s = time.monotonic()
        if self.venue_keeper is not None and self.venue_keeper.poll(now_s):
            self.venue_ready.clear()
        if bot and self.broker_is_up:
            self.bot_keeper.poll(now_s)
            self.manual.follow()

    @property
    def broker_is_up(self) -> bool:
        """Whether it makes sense to ask the broker: our own market must have opened first."""
        return self.venue_keeper is None or self.venue_ready.is_set()

    def probe(self) -> None:
        """Ask the broker something small; BrokerUnavailableError where it gives no answer."""
        self.broker.account()

    def run_market(self) -> None:
        """Start the simulated market's clock for the first time; later calls change nothing."""
        self._foundation.record.set_fact(_MARKET_RUN, "yes")
        self._tell_market_to_run()

    def _tell_market_to_run(self) -> None:
        if self.venue_keeper is not None and self.venue_keeper.child is not None:
            self.venue_keeper.child.send(json.dumps({"command": "run"}))

    def reopen(self) -> None:
        """End bot and venue, so that the next polls start them with the configuration as it is then."""
        self._end_bot()
        self.venue_ready.clear()
        self._end_venue()
        self.configuration = self._foundation.configuration()
        self._instruments = {}

    def close(self) -> None:
        """End the bot, which cancels its working entries, book what was filled, end the venue, let go of the books.

        A simulated market stands still meanwhile, so that nothing happens there which nobody sees.
        """
        try:
            self._hold_market()
            self._end_bot()
            for sentence in leave(self.broker, self.orders, self._foundation.clock) if self.broker_is_up else ():
                log.error("left behind", what=sentence)
        finally:
            self.broker.close()
            self._end_venue()
            self.database.close()

    def _hold_market(self) -> None:
        """Stop the simulated market's clock until the venue is started again; if it does not answer, so be it."""
        if self.venue_keeper is None or self.venue_keeper.child is None or not self.broker_is_up:
            return
        self.venue_keeper.child.send(json.dumps({"command": "hold"}))
        deadline_s = time.monotonic() + HOLD_TIMEOUT_S
        with contextlib.suppress(BrokerUnavailableError):
            while self.broker.clock().running and time.monotonic() < deadline_s:
                time.sleep(HOLD_LOOK_S)  # the runner ends and has nothing else to do; the market says when it holds

    def _end_bot(self) -> None:
        """Let the bot finish what it is at: an order between its record and its submission is sent and told."""
        self.bot_keeper.stop(STOP_TIMEOUT_S)
        self.bot.hang_up()

    def _end_venue(self) -> None:
        if self.venue_keeper is not None:
            self.venue_keeper.stop(STOP_TIMEOUT_S)

    def _start_bot(self) -> Child:
        child = self.bot.start()
        self.pauses.tell()
        return child

    def _start_venue(self) -> Child:
        home = self._foundation.home
        home.venue.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.venue_error = None
        command = [sys.executable, "-m", "tbot_bot.venue.main"]
        command += ["--directory", str(home.venue), "--socket", str(home.venue_socket)]
        child = start_child(
            "venue",
            command,
            now_s=time.monotonic(),
            on_line=self._venue_line,
            on_output=self._venue_up,
        )
        child.send(json.dumps(self._venue_configuration()))
        return child

    def _venue_up(self, _line: str) -> None:
        self.venue_ready.set()
        if self._foundation.record.fact(_MARKET_RUN):  # it may have ended before it took our word down
            self._tell_market_to_run()

    def _venue_line(self, line: str) -> None:
        self._log_book.write_line("venue", line)
        try:
            told = json.loads(line)
        except ValueError:
            told = {}
        if isinstance(told, dict) and "error" in told:
            self.venue_error = str(told["error"])
            if told.get("kind") == "JournalError":  # starting it again does not mend its books
                self.venue_damage = self.venue_error

    def _venue_configuration(self) -> dict[str, Any]:
        chosen = self.configuration
        replay = chosen.SIM_FEED == "replay"
        return {
            "feed": chosen.SIM_FEED,
            "replay_dir": chosen.SIM_REPLAY_DIR if replay else None,
            "speed": str(chosen.SIM_SPEED),
            "seed": chosen.SIM_SEED,
            "starting_cash": str(chosen.SIM_STARTING_CASH),
            "sessions": [
                {"day": one.day.isoformat(), "open_at": to_rfc3339(one.open_at), "close_at": to_rfc3339(one.close_at)}
                for one in self._foundation.record.calendar()
            ],
        }

    def take_back_orders(self) -> bool:
        """After a restore of the ledger: know the orders again that were sent since; whether the broker told them."""
        if not self._foundation.record.fact(LEDGER_RESTORED):
            return True
        try:
            found = adopt(self.broker, self.orders, self._foundation.clock)
        except BrokerError as error:
            log.warning("orders cannot be taken back yet", why=str(error))
            return False
        log.info("the ledger was restored; orders were taken back from the broker", orders=list(found))
        self._foundation.record.set_fact(LEDGER_RESTORED, None)
        return True

    # what the bot is told

    def _begin(self) -> Begin:
        home = self._foundation.home
        return Begin(
            identity={
                "entity": self.identity.entity,
                "jurisdiction": self.identity.jurisdiction,
                "broker": self.identity.broker,
                "bot_id": self.identity.bot_id,
            },
            broker={"code": self.kind.code, "socket": str(home.venue_socket)},
            settings=self.settings.model_dump(mode="json"),
            armed=str(home.flags / "kill_armed"),
            log_directory=str(home.bot_logs(self.identity)),
            execution_cursor=self.records.execution_cursor(),
        )

    def wire_trades(self) -> list[WireTrade]:
        """The open trades, for the bot to manage."""
        trades = self.records.open_trades()
        numbers = self.orders.numbers_of(trades)
        return [self._wire_trade(trade, numbers[trade.trade_id] or 1) for trade in trades]

    def _wire_trade(self, trade: Trade, number: int) -> WireTrade:
        return WireTrade(
            trade_id=trade.trade_id,
            symbol=trade.symbol,
            strategy=trade.strategy,
            side=trade.side,
            quantity=str(trade.quantity),
            entry_price=str(trade.entry_price),
            stop_price=text_or_none(trade.stop_price),
            target_price=text_or_none(trade.target_price),
            number=number,
            session_day=trade.session_day.isoformat(),
            opened_at=to_rfc3339(trade.opened_at),
        )

    def counts(self, day: date) -> dict[str, int]:
        """How many entries of each strategy and symbol are on record for a day, by `day/strategy/symbol`."""
        found = self.orders.entry_counts(day, (one.name for one in STRATEGIES), self.instruments())
        return {f"{day.isoformat()}/{strategy}/{symbol}": number for (strategy, symbol), number in found.items()}

    def instruments(self) -> dict[str, Instrument]:
        """What can be traded, asked of the broker once a session."""
        if not self._instruments:
            self._instruments = {one.symbol: one for one in self.broker.instruments()}
        return self._instruments

    @property
    def known_instruments(self) -> Mapping[str, Instrument]:
        """What could be traded when the broker was asked last; empty before that."""
        return self._instruments

    def refresh_instruments(self) -> None:
        """Ask the broker again what can be traded; what it said before stands if it gives no answer."""
        try:
            found = {one.symbol: one for one in self.broker.instruments()}
        except BrokerError as error:
            log.warning("what can be traded could not be read again", why=str(error))
            return
        self._instruments = found or self._instruments
