"""The simulated market's client when things go wrong: what is unknown is said to be unknown."""

import socket
from contextlib import suppress
from threading import Event, Thread

import pytest

from tbot_bot.brokers.sim import SimBroker
from tbot_bot.brokers.sim.connection import Connection
from tbot_bot.brokers.sim.wire import encode, from_line, to_line
from tbot_bot.domain.broker import BrokerError, BrokerUnavailableError, GapDetected, OrderChanged
from tbot_bot.domain.orders import OrderStatus
from tests.contract.sim_stage import SimServer
from tests.unit.venue.stage import buy

AS_OF = "2010-01-04T14:30:00Z"


@pytest.fixture
def server(tmp_path):
    running = SimServer(tmp_path)
    running.pass_minutes(2)
    yield running
    running.close()


class Impostor:
    """Speaks the greeting, then answers each call with the next line it was given; none left means silence."""

    def __init__(self, path, *lines):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.lines = list(lines)
        self.thread = Thread(target=self.run)
        self.thread.start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as reader:
            reader.readline()
            connection.sendall(to_line({"epoch": "e", "latest": 0}))
            while reader.readline():
                if self.lines:
                    connection.sendall(self.lines.pop(0))

    def close(self):
        self.thread.join()
        self.listener.close()


def test_without_a_market_every_call_is_unknown(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        broker = SimBroker(folder / "venue.sock")
        for call in (broker.account, broker.positions, lambda broker=broker: broker.events(0)):
            with pytest.raises(BrokerUnavailableError, match="does not answer"):
                call()
        broker.close()


def test_after_a_restart_it_reconnects_by_itself_and_tells_of_the_gap(server):
    broker = server.broker
    broker.submit(buy("b", 1, limit="1.00", symbol="MKT"))
    assert any(isinstance(event, OrderChanged) for event in broker.events(0))
    server.restart()
    with pytest.raises(BrokerUnavailableError, match="lost the simulated market"):
        broker.account()
    assert broker.order("b").status is OrderStatus.ACCEPTED
    assert [type(event) for event in broker.events(0)] == [GapDetected]
    with pytest.raises(BrokerUnavailableError, match="lost the simulated market"):
        broker.events(0)
    assert [type(event) for event in broker.events(0)] == [GapDetected]
    (restarted,) = broker.events(0)
    assert restarted == GapDetected("the simulated market was restarted")
    broker.submit(buy("c", 1, limit="1.00", symbol="MKT"))
    assert [event.order.client_order_id for event in broker.events(1)] == ["c"]


def test_events_begin_at_the_first_contact(server):
    late = SimBroker(server.path)
    late.clock()
    server.broker.submit(buy("b", 1, limit="1.00", symbol="MKT"))
    assert [event.order.client_order_id for event in late.events(1)] == ["b"]
    late.close()


def test_a_call_given_up_cannot_take_effect_later(server):
    first = Connection(server.path, "client-1", "calls", 5.0)
    other = Connection(server.path, "client-2", "calls", 5.0)
    second = Connection(server.path, "client-1", "calls", 5.0)
    submit = {"request": encode(buy("b", 1, limit="1.00", symbol="MKT"))}
    with pytest.raises(BrokerUnavailableError):
        first.ask("submit", submit)
    assert second.ask("order", {"client_order_id": "b"}) == []
    assert other.ask("submit", submit)["client_order_id"] == "b"
    for connection in (second, other):
        connection.close()


def test_a_call_already_read_does_nothing_once_its_client_has_a_new_connection(server):
    first = Connection(server.path, "client-1", "calls", 5.0)
    submit = {"request": encode(buy("b", 1, limit="1.00", symbol="MKT"))}
    read, original = Event(), server.service.answer

    def answer(*arguments, **keywords):
        read.set()
        return original(*arguments, **keywords)

    def give_up():
        with pytest.raises(BrokerUnavailableError):
            first.ask("submit", submit)

    server.service.answer = answer
    caller = Thread(target=give_up)
    with server.service._lock:  # the call is read and waits its turn
        caller.start()
        assert read.wait(10)
        second = Connection(server.path, "client-1", "calls", 5.0)
    caller.join()
    assert second.ask("order", {"client_order_id": "b"}) == []
    second.close()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "timed out"),
        (b"nonsense\n", "JSON"),
        (b'{"id":99,"result":null}\n', "another call"),
        (b'{"id":1,"result":{"cash":1}}\n', "unreadable"),
        (f'{{"id":1,"as_of":"{AS_OF}","result":{{"cash":1}}}}\n'.encode(), "unreadable"),
    ],
)
def test_an_answer_that_cannot_be_used_is_unknown(tmp_path, line, reason):
    impostor = Impostor(tmp_path / "venue.sock", *([line] if line else []))
    broker = SimBroker(tmp_path / "venue.sock", timeout_s=0.2)
    with pytest.raises(BrokerUnavailableError, match=reason):
        broker.account()
    broker.close()
    impostor.close()


@pytest.mark.parametrize("result", ['{"events":[{"kind":"Rumour"}],"next":1,"epoch":"e"}', "null", "{}"])
def test_unreadable_events_are_a_gap(tmp_path, result):
    impostor = Impostor(tmp_path / "venue.sock", f'{{"id":1,"as_of":"{AS_OF}","result":{result}}}\n'.encode())
    broker = SimBroker(tmp_path / "venue.sock", timeout_s=0.2)
    with pytest.raises(BrokerUnavailableError, match="unreadable event"):
        broker.events(0)
    broker.close()
    impostor.close()


def test_an_unreadable_list_is_unknown_and_not_empty(tmp_path):
    impostor = Impostor(tmp_path / "venue.sock", f'{{"id":1,"as_of":"{AS_OF}","result":null}}\n'.encode())
    broker = SimBroker(tmp_path / "venue.sock", timeout_s=0.2)
    with pytest.raises(BrokerUnavailableError, match="unreadable"):
        broker.positions()
    broker.close()
    impostor.close()


@pytest.mark.parametrize(
    ("call", "arguments", "reason"),
    [
        ("dance", {}, "no call 'dance'"),
        ("order", {}, "needs client_order_id as str"),
        ("submit", {"request": {}}, "exactly the fields"),
        ("bars", {"symbol": "MKT", "start_at": "now", "end_at": "then"}, "not a valid datetime"),
        ("quotes", {"symbols": "MKT"}, "needs symbols as list"),
        ("events", {"epoch": "e", "after": 0}, "needs timeout_ms"),
        ("order", [], "arguments are a JSON object"),
    ],
)
def test_a_call_that_makes_no_sense_is_answered_so(server, call, arguments, reason):
    connection = Connection(server.path, "client", "calls", 5.0)
    with pytest.raises(BrokerError, match=reason) as answered:
        connection.ask(call, arguments)
    assert not isinstance(answered.value, BrokerUnavailableError)
    assert connection.ask("account", {})
    connection.close()


def test_a_line_that_is_no_message_ends_the_talk_and_nothing_else(server):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.connect(str(server.path))
        raw.sendall(b"GET / HTTP/1.1\n")
        assert raw.recv(100) == b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.connect(str(server.path))
        raw.sendall(to_line({"hello": "x", "channel": "calls"}))
        assert from_line(raw.recv(1000))["epoch"] == "epoch-1"
        raw.sendall(b"x" * 70_000 + b"\n")
        with suppress(ConnectionResetError):  # hung up with our bytes unread
            assert raw.recv(100) == b""
    assert server.broker.account()


def test_a_market_that_failed_answers_nothing_more(server):
    server.journal.close()
    with pytest.raises(BrokerUnavailableError):
        server.broker.submit(buy("b", 1, limit="1.00", symbol="MKT"))
    assert "closed database" in str(server.service.failure)
    with pytest.raises(BrokerUnavailableError):
        server.broker.account()
