"""The client of the embedded simulated market."""

from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.brokers.sim.client import SimBroker

__all__ = ["SimBroker", "connect"]


def connect(setup: BrokerSetup) -> SimBroker:
    """Return a broker at the simulated market's socket; it connects on its first call."""
    return SimBroker(setup.venue_socket)
