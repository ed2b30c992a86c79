"""Start a new broker by copying this folder; `broker.py` says what to fill in."""

from tbot_bot.brokers._template.broker import TemplateBroker
from tbot_bot.brokers.setup import BrokerSetup

__all__ = ["TemplateBroker", "connect"]


def connect(setup: BrokerSetup) -> TemplateBroker:
    """Return the broker for these settings and credentials; it may connect on its first call."""
    return TemplateBroker(setup)
