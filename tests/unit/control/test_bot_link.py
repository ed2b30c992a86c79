from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.api.bot_protocol import Answer, Begin, Halt, Pause, TellError
from tbot_bot.brokers.measured import Calls
from tbot_bot.control.bot_link import (
    ANSWER_TIMEOUT_S,
    LINE_BYTES_MAX,
    ChannelClosedError,
    LineChannel,
    RunnerLink,
    Tell,
)
from tbot_bot.domain.intents import Window
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Execution, Order, OrderStatus, OrderType, Side
from tbot_bot.trading.execution_port import NotRecordedError, RunnerGoneError
from tbot_bot.trading.strategy_router import Running
from tests.unit.trading_bot.scene import OPEN_AT, Stopwatch

ORDER = Order(
    client_order_id="S-open-SPY-20240507-1-E",
    broker_order_id="7",
    symbol="SPY",
    side=Side.BUY,
    quantity=Quantity.of(5),
    type=OrderType.MARKET,
    status=OrderStatus.ACCEPTED,
    filled=Quantity.zero(),
    limit_price=None,
    stop_price=None,
    updated_at=OPEN_AT,
)
FILL = Execution("X1", 1, ORDER.client_order_id, "SPY", Side.BUY, Quantity.of(5), Price.of(9), Money.of(1), OPEN_AT)


class Pair:
    """Both ends of a line: the bot's link, and the bare socket of the other end."""

    def __init__(self) -> None:
        self.ours, self.other = socket.socketpair()
        self.channel = LineChannel(self.ours)
        self.watch = Stopwatch()
        self.link = RunnerLink(self.channel, self.watch)
        self.heard: list[Tell] = []
        self.link.listen(self)

    def hear(self, message: Tell) -> None:
        self.heard.append(message)

    def say(self, *messages: Answer | Halt | Pause | Begin) -> None:
        self.other.sendall(b"".join(message.model_dump_json().encode() + b"\n" for message in messages))

    def close(self) -> None:
        self.ours.close()
        self.other.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40), max_size=8), st.data())
def test_lines_arrive_whole_however_they_are_cut(texts: list[str], data: st.DataObject) -> None:
    pair = Pair()
    try:
        sent = b"".join(text.encode() + b"\n" for text in texts)
        received: list[bytes] = []
        while sent:
            size = data.draw(st.integers(1, len(sent)))
            pair.other.sendall(sent[:size])
            sent = sent[size:]
            received += pair.channel.receive(1.0)
        assert received == [text.encode() for text in texts]
        assert pair.channel.receive(0.0) == []
    finally:
        pair.close()


def test_a_line_without_end_is_refused(pair: Pair) -> None:
    def feed_without_end() -> None:
        for _ in range(LINE_BYTES_MAX // 1024):
            pair.other.send(b"x" * 4096)
            pair.channel.receive(1.0)

    with pytest.raises(ChannelClosedError, match="longer than"):
        feed_without_end()


def test_the_other_end_closing_ends_both_directions(pair: Pair) -> None:
    pair.other.close()
    with pytest.raises(ChannelClosedError):
        pair.channel.receive(1.0)
    with pytest.raises(RunnerGoneError):
        pair.link.poll(1.0)
    with pytest.raises(RunnerGoneError):
        pair.link.tell_error(ValueError("late"))


def test_a_reset_connection_is_an_end(pair: Pair) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    channel = LineChannel(client)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # close by reset
    accepted.close()
    with pytest.raises(ChannelClosedError, match="gone"):
        channel.receive(5.0)
    client.close()
    server.close()


def test_begin_comes_first(pair: Pair) -> None:
    begin = Begin(
        identity={}, broker={}, settings={}, armed="/flags/kill_armed", log_directory="/logs", execution_cursor=4
    )
    pair.say(begin)
    assert pair.link.begin() == begin


def test_anything_else_first_is_refused(pair: Pair) -> None:
    pair.say(Halt(reason="early", cancel_entries=False))
    with pytest.raises(RunnerGoneError, match="Halt instead of Begin"):
        pair.link.begin()


def test_what_is_told_while_an_answer_is_awaited_is_heard_at_once(pair: Pair) -> None:
    halt, pause = Halt(reason="stop", cancel_entries=True), Pause(paused=True, reason="asked")
    pair.say(Answer(id=99), halt, Answer(id=1), pause)
    pair.link.tell_submission(ORDER.client_order_id, order=ORDER)
    assert pair.heard == [halt]
    pair.link.poll(0.0)
    assert pair.heard == [halt, pause]
    asked = json.loads(pair.other.recv(65536))
    assert (asked["kind"], asked["id"], asked["order"]["broker_order_id"]) == ("submission", 1, "7")


def test_a_runner_that_stays_silent_is_taken_for_gone(pair: Pair) -> None:
    pair.say(Answer(id=99))
    original = pair.hear

    def hear(message: Tell) -> None:
        original(message)
        pair.watch.now_s += ANSWER_TIMEOUT_S + 1

    pair.hear = hear  # type: ignore[method-assign]
    pair.say(Pause(paused=True, reason="and then nothing"))
    with pytest.raises(RunnerGoneError, match="no answer for 30 s"):
        pair.link.tell_order(ORDER)


def test_what_was_not_recorded_does_not_count(pair: Pair) -> None:
    pair.say(Answer(id=1, refused="disk full"), Answer(id=2, refused="disk full"), Answer(id=3))
    with pytest.raises(NotRecordedError, match="disk full"):
        pair.link.tell_order(ORDER)
    with pytest.raises(NotRecordedError, match="disk full"):
        pair.link.tell_execution(FILL)
    with pytest.raises(NotRecordedError, match="without the open trades"):
        pair.link.tell_execution(FILL)


def test_errors_carry_their_kind(pair: Pair) -> None:
    pair.link.tell_error(ValueError("odd"))
    told = TellError.model_validate_json(pair.other.recv(65536))
    assert (told.error_kind, told.message) == ("ValueError", "odd")


def tell_market(pair: Pair) -> int:
    """Tell what the market shows; the number it was told under."""
    pair.link.tell_market(
        OPEN_AT,
        None,
        Running(None, Window.IDLE),
        {},
        is_open=False,
        broker_error=None,
        calls=Calls(),
        newest_bar_at=None,
        missing_minutes=0,
    )
    return int(json.loads(pair.other.recv(65536))["id"])


def test_the_market_is_told_again_only_once_the_runner_has_dealt_with_the_last(pair: Pair) -> None:
    first = tell_market(pair)
    pair.say(Answer(id=first))
    second = tell_market(pair)
    pair.say(Pause(paused=True, reason="meanwhile"), Answer(id=second))
    pair.link.poll(1.0)
    tell_market(pair)  # its answer is not here, and nobody waits for it
    assert pair.heard == [Pause(paused=True, reason="meanwhile")]
    pair.other.close()
    with pytest.raises(RunnerGoneError):
        tell_market(pair)
