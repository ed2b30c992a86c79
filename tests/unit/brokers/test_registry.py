"""Which brokers exist."""

import inspect
from pathlib import Path

import pytest

from tbot_bot.brokers import _template
from tbot_bot.brokers._template.broker import TemplateCallError
from tbot_bot.brokers.registry import BROKERS, UnknownBrokerError, broker_kind
from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.domain.broker import Broker, BrokerError

CALLS = {name for name, _ in inspect.getmembers(Broker, inspect.isfunction) if not name.startswith("_")}


@pytest.mark.parametrize("code", BROKERS)
def test_every_entry_connects_to_a_broker_of_its_code(code):
    kind = broker_kind(code)
    setup = BrokerSetup({one.key: "x" for one in kind.credentials}, Path("/nowhere/venue.sock"))
    broker = kind.connect(setup)
    assert broker.code == kind.code == code
    assert all(callable(getattr(broker, call)) for call in CALLS)
    broker.close()


def test_the_simulated_market_needs_no_credentials_and_says_what_it_is():
    kind = broker_kind("SIM")
    assert kind.market_is_simulated
    assert kind.credentials == ()


def test_an_unknown_code_is_named():
    with pytest.raises(UnknownBrokerError, match="no broker 'XX'; known are SIM"):
        broker_kind("XX")


def test_the_template_has_every_call_and_answers_none():
    broker = _template.connect(BrokerSetup({}, Path("/nowhere")))
    assert issubclass(TemplateCallError, BrokerError)
    for call in sorted(CALLS - {"close"}):
        method = getattr(broker, call)
        wanted = [None] * len(inspect.signature(getattr(Broker, call)).parameters.keys() - {"self"})
        with pytest.raises(TemplateCallError, match=f"cannot answer {call};"):
            method(*wanted)
    broker.close()
    assert "TEMPLATE" not in BROKERS
