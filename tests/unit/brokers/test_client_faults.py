"""The client on a line that a scenario disturbs: it gets the truth or says that it does not know."""

from contextlib import contextmanager

import pytest

from tbot_bot.brokers.sim import SimBroker
from tbot_bot.domain.broker import BrokerUnavailableError, GapDetected, OrderRefusedError
from tbot_bot.domain.orders import OrderStatus
from tbot_bot.venue.faults import Fault, FaultKind, Scenario
from tests.contract.sim_stage import SimServer
from tests.unit.venue.stage import buy


@contextmanager
def disturbed(folder, *faults):
    """An open market whose line is disturbed, with a client that is not patient."""
    server = SimServer(folder, Scenario(1, faults))
    server.pass_minutes(2)
    patient, server.broker = server.broker, SimBroker(server.path, timeout_s=0.3)
    try:
        yield server
    finally:
        patient.close()
        server.close()


def bought(client_id="S-a-1", quantity=10):
    return buy(client_id, quantity, symbol="MKT")


@pytest.mark.parametrize(
    ("kind", "is_taken"), [(FaultKind.LOST_REQUEST, False), (FaultKind.LOST_REPLY, True), (FaultKind.DISCONNECT, True)]
)
def test_a_submission_without_an_answer_is_unknown_until_it_is_asked_after(tmp_path, kind, is_taken):
    with disturbed(tmp_path, Fault(kind, call="submit", nth=1)) as server:
        with pytest.raises(BrokerUnavailableError):
            server.broker.submit(bought())
        assert (server.broker.order("S-a-1") is not None) is is_taken
        assert any(isinstance(event, GapDetected) for event in server.broker.events(0))


def test_pieces_and_delays_change_nothing(tmp_path):
    faults = (Fault(FaultKind.SLICED_REPLY, call="submit"), Fault(FaultKind.LATENCY, call="order", nth=1))
    with disturbed(tmp_path, *faults) as server:
        order = server.broker.submit(bought())
        assert order == server.broker.order("S-a-1")


def test_an_answer_that_takes_too_long_is_none(tmp_path):
    with disturbed(tmp_path, Fault(FaultKind.LATENCY, call="account", nth=1, seconds=60)) as server:
        with pytest.raises(BrokerUnavailableError):
            server.broker.account()
        assert server.broker.account().cash


def test_a_stale_answer_is_none(tmp_path):
    with disturbed(tmp_path, Fault(FaultKind.STALE_REPLY, call="positions", nth=2)) as server:
        assert server.broker.positions() == []
        server.broker.submit(bought())
        server.pass_minutes(2)
        with pytest.raises(BrokerUnavailableError, match="older than one before it"):
            server.broker.positions()
        assert len(server.broker.positions()) == 1


def test_a_reply_without_a_result_is_none(tmp_path):
    with disturbed(tmp_path, Fault(FaultKind.EMPTY_REPLY, call="order")) as server:
        server.broker.submit(bought())
        with pytest.raises(BrokerUnavailableError, match="unreadable"):
            server.broker.order("S-a-1")


def test_a_refusal_of_the_scenario_is_a_refusal(tmp_path):
    with disturbed(tmp_path, Fault(FaultKind.REFUSAL, nth=1, reason="too many requests")) as server:
        with pytest.raises(OrderRefusedError, match="too many requests"):
            server.broker.submit(bought())
        assert server.broker.order("S-a-1") is None


def test_the_stream_that_broke_tells_of_a_gap_and_goes_on(tmp_path):
    with disturbed(tmp_path, Fault(FaultKind.DISCONNECT, call="events", nth=2)) as server:
        server.broker.events(0)
        server.broker.submit(bought())
        with pytest.raises(BrokerUnavailableError):
            server.broker.events(0)
        assert isinstance(server.broker.events(0)[0], GapDetected)
        assert server.broker.events(0)


def test_busts_cross_the_wire_and_stay_in_the_journal(tmp_path):
    with disturbed(tmp_path, Fault(FaultKind.BUST, nth=1, seconds=30)) as server:
        server.broker.submit(bought())
        server.pass_minutes(3)
        first, bust = server.broker.executions(0)
        assert (first.busts, bust.busts) == (None, first.execution_id)
        assert server.broker.order("S-a-1").status is OrderStatus.FILLED
        server.restart()
        with pytest.raises(BrokerUnavailableError):
            server.broker.executions(0)
        assert server.broker.executions(0) == [first, bust]
