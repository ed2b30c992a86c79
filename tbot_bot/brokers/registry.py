"""Which brokers exist: what the configuration page offers and the bot connects to."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.domain.broker import Broker


class UnknownBrokerError(LookupError):
    """No broker has this code; the message lists those that exist."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One thing a broker asks for to let the bot in; a secret one is never shown again."""

    key: str
    label: str
    is_secret: bool


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """A broker that can be configured; its `package` is imported only when it is connected to."""

    code: str
    name: str
    package: str
    credentials: tuple[Credential, ...]
    market_is_simulated: bool

    def connect(self, setup: BrokerSetup) -> Broker:
        """Return a connected broker, or one that connects on its first call."""
        return cast("Broker", import_module(self.package).connect(setup))


_KINDS = (
    BrokerKind(
        code="SIM",
        name="Simulated market",
        package="tbot_bot.brokers.sim",
        credentials=(),
        market_is_simulated=True,
    ),
)
BROKERS: dict[str, BrokerKind] = {kind.code: kind for kind in _KINDS}


def broker_kind(code: str) -> BrokerKind:
    """Return the broker with this code, or raise UnknownBrokerError."""
    try:
        return BROKERS[code]
    except KeyError:
        raise UnknownBrokerError(f"there is no broker {code!r}; known are {', '.join(sorted(BROKERS))}") from None
