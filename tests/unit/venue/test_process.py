"""The real process: killed, orphaned, asked to stop, started twice."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

from tbot_bot.brokers.sim import SimBroker
from tbot_bot.brokers.sim.wire import encode
from tbot_bot.domain.broker import BrokerUnavailableError, FeedEnded, OrderRefusedError, SessionOpened
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.venue import main as venue_main
from tests.unit.venue.stage import buy, order, sell, session, sessions
from tests.unit.venue.test_replay import DAYS, SESSIONS, TRADES, trade, write_zip

ROOT = Path(__file__).parents[3]
DEADLINE_S = 20


def configuration(**changed):
    return {
        "feed": "synthetic",
        "replay_dir": None,
        "speed": "600",
        "seed": 7,
        "starting_cash": "100000",
        "sessions": encode(sessions(3)),
    } | changed


class VenueProcess:
    """One venue process over a folder, with its socket beyond the length that a socket address can have."""

    def __init__(self, folder, line=None, **changed):
        deep = folder / ("long-" * 30)
        deep.mkdir(exist_ok=True)
        self.path = deep / "venue.sock"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tbot_bot.venue.main", "--directory", folder / "market", "--socket", self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        self.tell(configuration(**changed) if line is None else line)

    def tell(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ready(self):
        assert self.process.stdout.readline() == b'{"ready":true}\n'
        return self

    def run(self):
        self.tell({"command": "run"})
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        self.release()

    def end(self):
        """Wait for the exit; return its code and what was said on stderr."""
        code = self.process.wait(DEADLINE_S)
        said = self.process.stderr.read().decode()
        self.release()
        return code, said

    def release(self):
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def start(tmp_path):
    started = []

    def starter(*arguments, **changed):
        started.append(VenueProcess(tmp_path, *arguments, **changed))
        return started[-1]

    yield starter
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
            one.release()


def until(condition):
    """Ask until it is so, within a deadline; asking is what takes the time."""
    deadline = monotonic() + DEADLINE_S
    while not condition():
        assert monotonic() < deadline, "it did not happen in time"


def executions(broker):
    found, after = [], 0
    while page := broker.executions(after):
        found += page
        after = page[-1].sequence
    return found


def test_the_market_waits_for_whoever_follows_it(start):
    venue = start(speed="36000", sessions=encode([session(20)])).ready()
    follower, onlooker = SimBroker(venue.path), SimBroker(venue.path)
    follower.events(0)
    venue.run()
    for _ in range(12):
        (first, *_) = follower.events(DEADLINE_S)
        at = first.session.open_at if isinstance(first, SessionOpened) else first.bar.end_at
        assert {onlooker.clock().now for _ in range(20)} == {at}
    follower.close()
    until(lambda: onlooker.clock().ended_reason is not None)
    onlooker.close()


def test_it_stands_until_told_to_run_and_ends_with_a_reason(start):
    venue = start(speed="20000", sessions=encode([session(20)])).ready()
    assert venue.path.stat().st_mode & 0o777 == 0o600
    broker = SimBroker(venue.path)
    assert broker.clock().now == broker.clock().now == session(20).open_at - timedelta(minutes=2)
    assert not broker.clock().running
    venue.run()
    events = []
    until(lambda: events.extend(broker.events(1)) or any(isinstance(event, FeedEnded) for event in events))
    assert "no session after 2010-01-04" in broker.clock().ended_reason
    broker.close()
    venue.process.terminate()
    assert venue.end() == (0, "")


def trade_until_killed(broker, names):
    """Trade brackets and plain orders without end; stops when the market is lost."""
    with suppress(BrokerUnavailableError):
        for number in names:
            (quote,) = broker.quotes(["ESKA"]) or (None,)
            with suppress(OrderRefusedError):
                if quote is None or number % 3 == 0:
                    broker.submit(order(f"o{number}", Side.SELL, 20, symbol="ESKA"))
                else:
                    near = {"stop": str(quote.bid), "limit": str(quote.ask)}
                    legs = [sell(f"o{number}-{kind}", 20, symbol="ESKA", **{kind: near[kind]}) for kind in near]
                    broker.submit(buy(f"o{number}", 20, symbol="ESKA", bracket=legs))


def filled(reports):
    """How much of each order the executions fill."""
    found = {}
    for one in reports:
        found[one.client_order_id] = found.get(one.client_order_id, Quantity.zero()) + one.quantity
    return found


def test_killed_at_any_moment_nothing_is_lost_doubled_or_changed(start):
    names = count()
    known = {}
    for attempt in range(4):
        venue = start().ready()
        if attempt == 0:
            venue.run()
        broker = SimBroker(venue.path)
        now = executions(broker)
        assert [one.sequence for one in now] == list(range(1, len(now) + 1))
        assert {one.execution_id: one for one in now}.items() >= known.items()
        known_to_orders = {name: broker.order(name).filled for name in filled(now)}
        later = filled(executions(broker))  # the market runs on while it is asked
        assert all(filled(now)[name] <= quantity <= later[name] for name, quantity in known_to_orders.items())
        trader = Thread(target=trade_until_killed, args=(SimBroker(venue.path), names))
        trader.start()
        before = len(now)
        until(lambda broker=broker, before=before: len(executions(broker)) > before + 5)
        known = {one.execution_id: one for one in executions(broker)}
        venue.kill()
        trader.join()
        broker.close()
    assert len(known) > 20


def test_open_orders_survive_a_kill(start):
    venue = start(speed="300").ready().run()
    broker = SimBroker(venue.path)
    until(lambda: broker.quotes(["MKT"]))
    legs = [sell("far-S", 5, stop="1.00", symbol="MKT"), sell("far-T", 5, limit="900.00", symbol="MKT")]
    broker.submit(buy("far", 5, symbol="MKT", bracket=legs))
    until(lambda: broker.order("far").status.is_final)
    before = [(one.client_order_id, one.quantity, one.status) for one in broker.open_orders()]
    venue.kill()
    again = start(speed="301").ready()
    with pytest.raises(BrokerUnavailableError):
        broker.open_orders()
    assert [(one.client_order_id, one.quantity, one.status) for one in broker.open_orders()] == before
    assert [name for name, *_ in before] == ["far-S", "far-T"]
    assert broker.clock().running
    broker.close()
    again.process.terminate()
    assert again.end()[0] == 0


def test_orphaned_it_serves_who_is_connected_and_nobody_else(start):
    venue = start().ready()
    broker = SimBroker(venue.path)
    broker.submit(buy("b", 1, limit="1.00", symbol="MKT"))
    venue.process.stdin.close()
    until(lambda: not venue.path.exists())
    with pytest.raises(BrokerUnavailableError, match="does not answer"):
        SimBroker(venue.path).clock()
    broker.cancel("b")
    assert broker.order("b").status == "cancelled"
    broker.close()
    assert venue.end() == (0, "")


def test_a_second_one_waits_for_the_first_to_leave(start):
    first = start().ready()
    second = start()
    first.process.terminate()
    assert first.end()[0] == 0
    second.ready()


def test_a_second_one_gives_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(venue_main, "LOCK_WAIT_S", 0.2)
    one, two = (venue_main.Process(tmp_path, tmp_path / "venue.sock", -1) for _ in range(2))
    held = one._lock()
    with pytest.raises(venue_main.DirectoryTakenError, match="Stop it, or use another home"):
        two._lock()
    os.close(held)
    os.close(two._lock())


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ([], "ConfigurationError"),
        (configuration(speed="-1"), "ConfigurationError"),
        (configuration(sessions=[]), "FeedError"),
        (configuration(feed="replay", replay_dir="/nowhere/at/all"), "FeedError"),
    ],
    ids=["no object", "speed", "sessions", "folder"],
)
def test_a_bad_configuration_ends_it_with_one_line_of_json(start, line, kind):
    code, said = start(line).end()
    assert code == 1
    assert json.loads(said)["kind"] == kind


def test_a_market_that_is_held_answers_and_goes_on_at_the_next_start(start):
    venue = start(speed="600").ready().run()
    broker = SimBroker(venue.path)
    until(lambda: broker.clock().running)
    venue.tell({"command": "hold"})
    until(lambda: not broker.clock().running)
    assert len({broker.clock().now for _ in range(20)}) == 1
    broker.close()
    venue.kill()
    again = SimBroker(start(speed="600").ready().path)
    assert again.clock().running
    again.close()


def test_another_seed_is_refused_and_another_speed_is_not(start):
    start().ready().kill()
    start(speed="10").ready().kill()
    code, said = start(seed=8).end()
    assert code == 1
    assert "began with seed 7 and cannot go on with 8" in json.loads(said)["error"]


def test_data_that_breaks_while_it_runs_stops_the_process(start, tmp_path):
    folder = tmp_path / "bars"
    folder.mkdir()
    for day in DAYS:
        write_zip(folder, "spy", day, "trade", TRADES)
    venue = start(feed="replay", replay_dir=str(folder), speed="100000", sessions=encode(SESSIONS)).ready()
    write_zip(folder, "spy", DAYS[1], "trade", [trade(1), trade(0)])
    venue.tell({"command": "dance"})
    venue.run()
    code, said = venue.end()
    complaint, failure = map(json.loads, said.splitlines())
    assert code == 1
    assert "no command 'dance'" in complaint["error"]
    assert "changed while it was played" in failure["error"]
