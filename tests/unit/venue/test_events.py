"""The ring of numbered events."""

from threading import Thread

from tbot_bot.domain.broker import GapDetected, SessionOpened
from tbot_bot.venue.events import EVENTS_PER_CALL, EventRing
from tests.unit.venue.stage import session

EVENT = SessionOpened(session(1))


def numbered(count):
    return [SessionOpened(session(number + 1)) for number in range(count)]


def test_each_event_is_read_once_in_order():
    ring = EventRing("e")
    events = numbered(3)
    ring.publish(events[:1])
    ring.publish(events[1:])
    batch = ring.after("e", 0, 0)
    assert (list(batch.events), batch.next) == (events, 3)
    assert ring.after("e", 1, 0).events == tuple(events[1:])
    assert ring.after("e", 3, 0).events == ()


def test_dropped_events_are_a_gap_and_reading_goes_on_from_now():
    ring = EventRing("e", kept=2)
    ring.publish(numbered(5))
    batch = ring.after("e", 1, 0)
    assert batch.events == (GapDetected("2 events were dropped before they were read"),)
    assert batch.next == ring.latest == 5
    assert len(ring.after("e", 3, 0).events) == 2


def test_numbers_of_another_epoch_or_of_the_future_are_a_gap():
    ring = EventRing("e")
    ring.publish([EVENT])
    for epoch, number in (("before", 1), ("e", 2)):
        batch = ring.after(epoch, number, 5)
        assert isinstance(batch.events[0], GapDetected)
        assert batch.next == 1


def test_a_call_returns_a_bounded_number():
    ring = EventRing("e")
    ring.publish([EVENT] * (EVENTS_PER_CALL + 1))
    first = ring.after("e", 0, 0)
    assert len(first.events) == first.next == EVENTS_PER_CALL
    assert len(ring.after("e", first.next, 0).events) == 1


def test_a_waiting_reader_wakes_for_an_event_and_for_the_end():
    for act in (lambda ring: ring.publish([EVENT]), lambda ring: ring.close()):
        ring, read = EventRing("e"), []
        reader = Thread(target=lambda ring=ring, read=read: read.append(ring.after("e", 0, 30)))
        reader.start()
        act(ring)
        reader.join(10)
        assert len(read) == 1
