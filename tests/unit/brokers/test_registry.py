"""Which brokers exist, and what their settings accept."""

import inspect
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from tbot_bot.brokers import _template
from tbot_bot.brokers._template.broker import TemplateCallError
from tbot_bot.brokers.registry import BROKERS, UnknownBrokerError, broker_kind
from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.brokers.sim.settings import SimSettings
from tbot_bot.domain.broker import Broker, BrokerError

CALLS = {name for name, _ in inspect.getmembers(Broker, inspect.isfunction) if not name.startswith("_")}


@pytest.mark.parametrize("code", BROKERS)
def test_every_entry_connects_to_a_broker_of_its_code(code):
    kind = broker_kind(code)
    setup = BrokerSetup(kind.settings(), {one.key: "x" for one in kind.credentials}, Path("/nowhere/venue.sock"))
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


def test_settings_are_named_after_the_configuration_keys():
    settings = SimSettings.model_validate({"SIM_SPEED": "120", "SIM_SEED": "7", "SIM_STARTING_CASH": "50000.50"})
    assert (settings.speed, settings.seed, settings.starting_cash) == (Decimal(120), 7, Decimal("50000.50"))
    assert all(field.description for field in SimSettings.model_fields.values())


@pytest.mark.parametrize(
    "bad",
    [
        {"SIM_SPEED": "0"},
        {"SIM_SPEED": "1e9"},
        {"SIM_SEED": "-1"},
        {"SIM_STARTING_CASH": "0.001"},
        {"SIM_FEED": "random"},
        {"SIM_FEED": "replay"},
        {"SIM_COLOUR": "red"},
    ],
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValidationError):
        SimSettings.model_validate(bad)


def test_the_template_has_every_call_and_answers_none():
    broker = _template.connect(BrokerSetup(SimSettings(), {}, Path("/nowhere")))
    assert issubclass(TemplateCallError, BrokerError)
    for call in sorted(CALLS - {"close"}):
        method = getattr(broker, call)
        wanted = [None] * len(inspect.signature(getattr(Broker, call)).parameters.keys() - {"self"})
        with pytest.raises(TemplateCallError, match=f"cannot answer {call};"):
            method(*wanted)
    broker.close()
    assert "TEMPLATE" not in BROKERS
