"""The trading settings: how much the bot may use and lose, which strategies run, and what they may enter."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tbot_bot.api.settings import Exact, Settings, Text, Whole, setting, trimmed
from tbot_bot.domain.candidates import CandidateRules
from tbot_bot.domain.defense import DefenseRules
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.slippage import SlippageLimits

#: Every strategy of the registry, in the order of the day.
STRATEGY_NAMES = ("open", "mid", "close")
_ONE_OF = "|".join(STRATEGY_NAMES)


class TradingSettings(Settings):
    """How much the bot may use and lose (the settings secret `env_bot`), and each strategy's own parameters.

    `strategies` maps a strategy's name to its parameters as text; the strategy's declared class validates them.
    """

    TOTAL_ALLOCATION: Exact = setting(
        Decimal("0.5"),
        title="Allocation",
        help="The share of the account's equity that the strategies may use: the float.",
        group="Allocation",
        unit="of equity",
        minimum="0.01",
        maximum=1,
    )
    MAX_OPEN_POSITIONS: Whole = setting(
        5,
        title="Open positions",
        help="No entry while this many positions are open in the strategy book.",
        group="Limits",
        unit="positions",
        minimum=1,
        maximum=100,
    )
    MAX_TRADES: Whole = setting(
        20,
        title="Trades per session",
        help="No entry after this many trades in one exchange session.",
        group="Limits",
        unit="trades",
        minimum=1,
        maximum=1000,
    )
    MAX_RISK_PER_TRADE: Exact = setting(
        Decimal("0.01"),
        title="Risk per trade",
        help="What one trade may lose between entry and stop; sizes the position.",
        group="Risk",
        unit="of the float",
        minimum="0.0001",
        maximum="0.1",
    )
    MAX_SLIPPAGE_BPS: Whole = setting(
        50,
        title="Slippage at most",
        help="No entry when the market has moved further from the signal's price, to our cost, before it is sent.",
        group="Risk",
        unit="basis points",
        minimum=1,
        maximum=1000,
    )
    CAP_ENTRIES: Annotated[bool, BeforeValidator(trimmed)] = setting(
        default=False,
        title="Cap entries",
        help="Send entries at a limit that far from the signal's price; what a minute leaves unfilled is cancelled.",
        group="Risk",
    )
    DAILY_LOSS_LIMIT: Exact = setting(
        Decimal("0.05"),
        title="Daily loss limit",
        help="A loss of this share of the float at the open pulls the kill switch.",
        group="Risk",
        unit="of the float",
        minimum="0.001",
        maximum=1,
    )
    DEFENSE_MODE_ACTIVE: Annotated[bool, BeforeValidator(trimmed)] = setting(
        default=False,
        title="Defense mode",
        help="Trade with reduced size and say so on every page, until a person ends it.",
        group="Risk",
    )
    DEFENSE_LOSS_SHARE: Exact = setting(
        Decimal("0.5"),
        title="Defense from a loss of",
        help="Defense mode begins when the session has lost this much, realised and unrealised.",
        group="Risk",
        unit="of the daily loss limit",
        minimum="0.05",
        maximum=1,
    )
    DEFENSE_LOSING_TRADES: Whole = setting(
        4,
        title="Defense from a run of",
        help="Defense mode begins when so many trades of a session were lost in a row.",
        group="Risk",
        unit="lost trades",
        minimum=2,
        maximum=100,
    )
    DEFENSE_FACTOR: Exact = setting(
        Decimal("0.5"),
        title="Defense factor",
        help="In defense mode entries have this share of the float, of the open positions and of the trades.",
        group="Risk",
        unit="of the usual",
        minimum="0.05",
        maximum="0.95",
    )
    WATCHDOG_WINDOW_S: Whole = setting(
        60,
        title="Calls looked at",
        help="Latency and errors of the broker's interface are those of the calls in this time.",
        group="Watchdog",
        unit="seconds",
        minimum=10,
        maximum=3600,
    )
    WATCHDOG_LATENCY_MS: Whole = setting(
        1000,
        title="Slow answers",
        help="The broker's interface is degraded when one answer in twenty takes this long.",
        group="Watchdog",
        unit="milliseconds",
        minimum=1,
        maximum=60_000,
    )
    WATCHDOG_ERRORS_PCT: Whole = setting(
        10,
        title="Lost answers",
        help="It is degraded when so many calls get no answer.",
        group="Watchdog",
        unit="% of the calls",
        minimum=1,
        maximum=100,
    )
    WATCHDOG_LATE_S: Whole = setting(
        10,
        title="Degraded after",
        help="It is degraded when no call was answered, or the bot did not report, for this long.",
        group="Watchdog",
        unit="seconds",
        minimum=2,
        maximum=600,
    )
    WATCHDOG_DOWN_S: Whole = setting(
        30,
        title="Down after",
        help="It is down, and no entry is made, when no call was answered, or the bot did not report, for this long.",
        group="Watchdog",
        unit="seconds",
        minimum=5,
        maximum=3600,
    )
    WATCHDOG_STALE_BARS: Whole = setting(
        5,
        title="Stale data",
        help="It is degraded when no bar of an open market came for this long, and down after three times as long.",
        group="Watchdog",
        unit="market minutes",
        minimum=1,
        maximum=120,
    )
    WATCHDOG_CALM_S: Whole = setting(
        30,
        title="Well again after",
        help="A degraded interface has to be well for this long before it counts as healthy.",
        group="Watchdog",
        unit="seconds",
        minimum=0,
        maximum=3600,
    )
    WATCHDOG_PROBES: Whole = setting(
        3,
        title="Good probes",
        help="An interface that was down has to answer this many probes in a row; then broker and books are compared.",
        group="Watchdog",
        unit="answers",
        minimum=1,
        maximum=100,
    )
    STRATEGY_SEQUENCE: Text = setting(
        ",".join(STRATEGY_NAMES),
        title="Strategies",
        help="Which strategies run; the first is asked first when several see a trade in the same minute.",
        group="Strategies",
        pattern=f"(?:{_ONE_OF})(?:,(?:{_ONE_OF}))*",
        allowed=f"some of {', '.join(STRATEGY_NAMES)}, each once, with commas between",
    )
    STRATEGY_OVERRIDE: Literal["none", "open", "mid", "close"] = setting(
        "none",
        title="Only strategy",
        help="When one is named, it alone runs, whatever the sequence says.",
        group="Strategies",
        names={"none": "All of the sequence"},
    )
    CANDIDATE_PRICE_MIN: Exact = setting(
        Decimal(5),
        title="Lowest price",
        help="A symbol that trades lower is not entered.",
        group="Candidates",
        unit="USD",
        minimum=0,
        maximum=1_000_000,
    )
    CANDIDATE_PRICE_MAX: Exact = setting(
        Decimal(5000),
        title="Highest price",
        help="A symbol that trades higher is not entered.",
        group="Candidates",
        unit="USD",
        minimum="0.01",
        maximum=1_000_000,
    )
    CANDIDATE_VOLUME_MIN: Whole = setting(
        100,
        title="Least volume",
        help="A symbol whose mean minute of the session is thinner is not entered.",
        group="Candidates",
        unit="shares a minute",
        minimum=0,
        maximum=1_000_000_000,
    )
    CANDIDATE_BLOCKED: Text = setting(
        "",
        title="Blocked symbols",
        help="These are never entered; what is open in them is still managed.",
        group="Candidates",
        pattern=r"|[A-Z][A-Z0-9.]{0,11}(?:,[A-Z][A-Z0-9.]{0,11}){0,199}",
        allowed="up to 200 symbols in capital letters, with commas between",
    )
    CANDIDATE_SHORTABLE_ONLY: Annotated[bool, BeforeValidator(trimmed)] = setting(
        default=False,
        title="Shortable only",
        help="Leave out what the broker does not lend, in both directions.",
        group="Candidates",
    )
    strategies: dict[str, dict[str, str]] = Field(default_factory=dict)

    @property
    def defense_rules(self) -> DefenseRules:
        """What the defense settings say together."""
        return DefenseRules(self.DEFENSE_LOSS_SHARE, self.DEFENSE_LOSING_TRADES, self.DEFENSE_FACTOR)

    @property
    def slippage_limits(self) -> SlippageLimits:
        """What the slippage settings say together."""
        return SlippageLimits(self.MAX_SLIPPAGE_BPS, self.CAP_ENTRIES)

    @property
    def sequence(self) -> tuple[str, ...]:
        """The names of the strategies that run, in their order."""
        if self.STRATEGY_OVERRIDE != "none":
            return (self.STRATEGY_OVERRIDE,)
        return tuple(self.STRATEGY_SEQUENCE.split(","))

    @property
    def candidate_rules(self) -> CandidateRules:
        """What the candidate settings say together."""
        return CandidateRules(
            Price.of(self.CANDIDATE_PRICE_MIN),
            Price.of(self.CANDIDATE_PRICE_MAX),
            Quantity.of(self.CANDIDATE_VOLUME_MIN),
            frozenset(self.CANDIDATE_BLOCKED.split(",")),
            self.CANDIDATE_SHORTABLE_ONLY,
        )

    def conflicts(self) -> dict[str, str]:
        """No strategy is named twice; the highest price is above the lowest, and down comes after degraded."""
        names = self.STRATEGY_SEQUENCE.split(",")
        checks = (
            (len(set(names)) < len(names), "STRATEGY_SEQUENCE", "Strategies must name each strategy once"),
            (
                self.CANDIDATE_PRICE_MAX <= self.CANDIDATE_PRICE_MIN,
                "CANDIDATE_PRICE_MAX",
                "Highest price must be above the lowest",
            ),
            (
                self.WATCHDOG_DOWN_S <= self.WATCHDOG_LATE_S,
                "WATCHDOG_DOWN_S",
                "Down after must be longer than Degraded after",
            ),
        )
        return {name: message for wrong, name, message in checks if wrong}
