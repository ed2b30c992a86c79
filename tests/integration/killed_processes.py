"""Runner, bot, market and portal of one home, killed again and again while much is traded; what must hold after each.

The files of the home are read beside whoever writes them: what comes later is read last where it may only have more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import psutil

from tbot_bot.domain.orders import OrderRole, role_of
from tests.browser.launched import free_port
from tests.integration.evidence import (
    assert_audit_is_whole,
    assert_books_are_sound,
    booked,
    filled,
    ledger_rows,
    reconciliations,
    venue_rows,
)
from tests.integration.homes import TRADING, all_gone, start_trading
from tests.support.running import REPOSITORY, RunningHome, wait_for

MODULES = {"tbot_bot.control.bot": "bot", "tbot_bot.venue.main": "venue"}
#: Who is killed, as often as it stands here. Below the runner a second end in a row is waited for longer and longer, so
#: each that ends the runner too begins anew.
VICTIMS = (
    ("runner",),
    ("runner",),
    ("bot",),
    ("venue",),
    ("web",),
    ("bot", "venue"),
    ("runner", "bot"),
    ("runner", "venue"),
    ("runner", "web"),
    ("runner", "bot", "venue"),
    ("runner", "bot", "venue", "web"),
)
#: So often a child is killed below the same runner.
DEATHS_BELOW_MAX = 2
PROTECTED_WITHIN_S = 20.0


@dataclass
class KilledHome:
    """A home under kills; `history` says what was done to it."""

    home: RunningHome
    dice: Random
    history: list[str] = field(default_factory=list)
    deaths_below: int = 0
    recoveries_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._port = free_port()
        self._web: subprocess.Popen[bytes] | None = None

    # its processes

    def begin(self) -> None:
        """Everything up, and trading."""
        self.home.start()
        self._start_web()
        if self.home.state() == "stopped":
            start_trading(self.home)
        wait_for(lambda: self.home.state() in TRADING, 40, self.told)

    def end(self) -> None:
        """Nothing is left."""
        self._end_web()
        if self.home.process is not None and self.home.process.poll() is None:
            self.home.end(signal.SIGTERM)
        all_gone(self.home.home.root)

    def _end_web(self) -> None:
        if self._web is not None:
            self._web.kill()
            self._web.communicate()
            self._web = None

    def _start_web(self) -> None:
        """The portal as the launcher starts it; it says nothing here."""
        self._web = subprocess.Popen(
            [sys.executable, "-m", "tbot_web.py.run_web"],
            cwd=REPOSITORY,
            env=os.environ | {"TBOT_HOME": str(self.home.home.root), "TBOT_WEB_PORT": str(self._port)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _found(self) -> dict[str, psutil.Process]:
        """The processes that can be killed now."""
        assert self.home.process is not None
        runner = psutil.Process(self.home.process.pid)
        found = {"runner": runner}
        for child in runner.children():
            name = next((name for module, name in MODULES.items() if module in child.cmdline()), None)
            if name is not None:
                found[name] = child
        if self._web is not None:
            found["web"] = psutil.Process(self._web.pid)
        return found

    # a kill

    def kill(self) -> None:
        """Kill at a moment that nobody chose, see it come back, and look at what is left."""
        until = time.monotonic() + self.dice.random() * 1.2
        before = booked(self.home.home)
        while time.monotonic() < until:
            before = booked(self.home.home)
        victims = self._victims()
        found = {name: one for name, one in self._found().items() if name in victims}
        boots, market_time = self._clean_boots(), self._market_time()
        for name in self.dice.sample(sorted(found), len(found)):
            found[name].kill()
        self.history.append(f"killed {', '.join(found)}")
        began = time.monotonic()
        self._bring_back(found)
        self._look_at_what_is_left(before)
        wait_for(lambda: self._is_back(found, boots, market_time), 40, self.told)
        self.recoveries_s.append(time.monotonic() - began)
        wait_for(lambda: not self._unprotected(), PROTECTED_WITHIN_S, self.told)

    def _victims(self) -> tuple[str, ...]:
        chosen = self.dice.choice(VICTIMS)
        if "runner" in chosen:
            self.deaths_below = 0
        elif chosen != ("web",):
            self.deaths_below += 1
            if self.deaths_below > DEATHS_BELOW_MAX:
                self.deaths_below = 0
                return ("runner", *chosen)
        return chosen

    def _bring_back(self, killed: dict[str, psutil.Process]) -> None:
        """What the launcher does: the runner and the portal are its children."""
        if "web" in killed:
            self._end_web()
            self._start_web()
        if "runner" in killed:
            self.home.ended()
            if {"bot", "venue"} <= killed.keys():
                all_gone_but_web(self.home)
                self._look_at_what_is_left({})
            self.home.start()

    def _is_back(self, killed: dict[str, psutil.Process], boots: int, market_time: int) -> bool:
        if {"runner", "bot"} & killed.keys() and self._clean_boots() <= boots:
            return False
        return self.home.state() in TRADING and self._market_time() > market_time

    def told(self) -> str:
        """What to read when it waits in vain."""
        return f"{self.history[-5:]}; unprotected: {self._unprotected()}; {self.home.status()['bots'][0]}"

    # what must hold

    def _look_at_what_is_left(self, acknowledged: dict[str, tuple[object, ...]]) -> None:
        home = self.home.home
        ours = booked(home)
        assert acknowledged.items() <= ours.items(), self.history
        assert ours.items() <= filled(home).items(), self.history
        sent = {row[0] for row in venue_rows(home, "SELECT client_order_id FROM orders")}
        on_record = {row[0] for row in ledger_rows(home, "SELECT client_order_id FROM trade_order")}
        assert sent <= on_record, (sent - on_record, self.history)
        assert list(self._doubled(sent)) == [], self.history

    def _doubled(self, sent: set[str]) -> Iterator[str]:
        """Second entries in one symbol and session, and exits of more than was open."""
        entries = Counter(name.rsplit("-", 2)[0] for name in sent if role_of(name) is OrderRole.ENTRY)
        yield from (name for name, count in entries.items() if count > 1)
        held: dict[str, int] = {}
        query = "SELECT client_order_id, symbol, side, quantity FROM executions ORDER BY sequence"
        for name, symbol, side, units in venue_rows(self.home.home, query):
            before = held.get(symbol, 0)
            held[symbol] = before + (units if side == "buy" else -units)
            if role_of(name) is not OrderRole.ENTRY and before * held[symbol] < 0:
                yield f"{name} turned {symbol} around"

    def _unprotected(self) -> set[str]:
        """Symbols in which a position is open and no order protects or closes it, at one moment of the market."""
        query = """
            SELECT symbol, (SELECT group_concat(client_order_id) FROM orders WHERE is_final = 0) AS working
            FROM executions GROUP BY symbol HAVING sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) <> 0
        """
        rows = venue_rows(self.home.home, query)
        working = (rows[0]["working"] or "").split(",") if rows else []
        protective = (OrderRole.STOP_LOSS, OrderRole.EXIT)
        return {row["symbol"] for row in rows} - {name.split("-")[2] for name in working if role_of(name) in protective}

    def _clean_boots(self) -> int:
        count = "SELECT count(*) FROM session_reconciliation WHERE started_by = 'boot' AND is_clean"
        return int(ledger_rows(self.home.home, count)[0][0])

    def _market_time(self) -> int:
        return int(venue_rows(self.home.home, "SELECT coalesce(now, 0) FROM market")[0][0])

    def settle(self, *, stop: bool) -> None:
        """End in order, with `stop` after a Stop, and compare broker, books and ledger to the last unit."""
        if stop:
            self.home.raise_flag("control_stop.flag")
            wait_for(lambda: self.home.state() == "stopped", 60, lambda: str(self.home.ask("control.state")["closing"]))
        self.end()
        home = self.home.home
        assert_books_are_sound(home)
        assert_audit_is_whole(home)
        assert [row for row in reconciliations(home) if not row["is_clean"]] == [], self.history
        assert ledger_rows(home, "SELECT 1 FROM quarantined_execution") == []
        assert self._unprotected() == set(), self.history
        if stop:
            assert venue_rows(home, "SELECT client_order_id FROM orders WHERE is_final = 0") == []


def all_gone_but_web(home: RunningHome) -> None:
    """After all three were killed nothing of them is left; the kernel may take a moment."""
    wait_for(lambda: not any(named(one, home) for one in psutil.process_iter()), 10)


def named(process: psutil.Process, home: RunningHome) -> bool:
    """Whether this is a market of the home: of the three it alone names its folder."""
    try:
        return str(home.home.venue) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
