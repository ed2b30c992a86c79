"""What the venue process is told on its first line of input.

ConfigurationError   the line cannot be used; the message says what is wrong with it
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tbot_bot.brokers.sim.feeds import SimFeed
from tbot_bot.brokers.sim.wire import WireError, decode, encode, from_line
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import AmountError, Money, to_decimal
from tbot_bot.venue.faults import CALM, Scenario, scenario_errors
from tbot_bot.venue.feed import Feed
from tbot_bot.venue.replay import ReplayFeed
from tbot_bot.venue.synthetic import SyntheticFeed


class ConfigurationError(ValueError):
    """The configuration cannot be used."""


@dataclass(frozen=True, slots=True)
class VenueConfiguration:
    """Which market, how fast, and the exchange's sessions; `speed` is market seconds per second, as text.

    `faults` is a hook for tests and no setting: a line that does not name any has a market on which all goes well.
    """

    feed: SimFeed
    replay_dir: str | None
    speed: str
    seed: int
    starting_cash: Money
    sessions: tuple[Session, ...]
    faults: Scenario = CALM

    @property
    def pace(self) -> Fraction:
        """The speed as an exact number."""
        return Fraction(to_decimal(self.speed))

    @property
    def lasting(self) -> dict[str, str | int | None]:
        """What must not change once the market has begun."""
        return {
            "feed": self.feed.value,
            "seed": self.seed,
            "starting_cash": str(self.starting_cash),
        }

    def open_feed(self) -> Feed:
        """Open the feed; FeedError says what is wrong with its data."""
        if self.feed is SimFeed.SYNTHETIC:
            return SyntheticFeed(self.seed, self.sessions)
        return ReplayFeed(Path(self.replay_dir or ""), self.sessions)


def parse_configuration(line: bytes) -> VenueConfiguration:
    """Read the first line of input."""
    try:
        configuration = decode(VenueConfiguration, {"faults": encode(CALM), **from_line(line)})
        pace = configuration.pace
    except (WireError, AmountError) as error:
        raise ConfigurationError(f"the market's configuration is not valid: {error}") from error
    if pace <= 0:
        raise ConfigurationError(f"the speed must be positive, not {configuration.speed}")
    if configuration.starting_cash <= Money.zero():
        raise ConfigurationError(f"the starting cash must be positive, not {configuration.starting_cash}")
    if (configuration.feed is SimFeed.REPLAY) != bool(configuration.replay_dir):
        raise ConfigurationError("a replay names its folder, and only a replay does")
    if errors := scenario_errors(configuration.faults):
        raise ConfigurationError("; ".join(errors))
    return configuration
