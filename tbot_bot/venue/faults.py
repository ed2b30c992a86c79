"""Bad days for the simulated market, as plain data: a seed and a list of what goes wrong and when.

Nothing of this happens unless a scenario is given, and only tests give one. The same scenario over the same calls and
market times brings the same faults, and its state, kept in the journal, lets a market that was restarted go on with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b

from tbot_bot.domain.orders import Execution

PER_MILLE = 1000


class FaultKind(StrEnum):
    """What can go wrong; each says what its opportunities are, and what `seconds` means for it."""

    #: At the market. An opportunity is a minute of a symbol; it is not traded for `seconds`. Orders rest meanwhile, or
    #: are refused if there is a `reason`.
    HALT = "halt"
    #: An opportunity is the open of a session for a symbol; it is never traded, listed or taken again.
    DELISTING = "delisting"
    #: An opportunity is a minute; for `seconds` the account may only close, for `reason`.
    RESTRICTION = "restriction"
    #: A submission is refused for `reason`.
    REFUSAL = "refusal"
    #: An order that could fill gets an eighth of what it wants, a share at least.
    PIECES = "pieces"
    #: A cancel comes too late for half of what was left: that fills first.
    CANCEL_RACE = "cancel_race"
    #: A fill is undone `seconds` later by an execution that names it.
    BUST = "bust"

    #: On the way of events. An opportunity is the report of an order or a fill.
    DUPLICATE_REPORT = "duplicate_report"
    #: It is told `seconds` late.
    LATE_REPORT = "late_report"
    #: It is told after the one that follows it.
    OUT_OF_ORDER = "out_of_order"

    #: On the line. An opportunity is a call. The answer takes `seconds`, in which the market goes on.
    LATENCY = "latency"
    #: The call never arrives; there is no answer.
    LOST_REQUEST = "lost_request"
    #: The call takes effect; there is no answer.
    LOST_REPLY = "lost_reply"
    #: A list comes back empty, anything else without a result.
    EMPTY_REPLY = "empty_reply"
    #: The answer is the one that the same call had before, and says of what moment it is.
    STALE_REPLY = "stale_reply"
    #: The line is cut in the middle of the answer.
    DISCONNECT = "disconnect"
    #: The answer comes in pieces.
    SLICED_REPLY = "sliced_reply"
    #: The clock is off by `seconds`, either way.
    CLOCK_SKEW = "clock_skew"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    It befalls the opportunities of its kind from `start_at` up to, not including, `end_at` (market time), those of
    `call` and of `symbol` where they are named: the `nth` of them, counted from 1, or else each by chance.
    """

    kind: FaultKind
    call: str | None = None
    symbol: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    nth: int | None = None
    chance_per_mille: int = PER_MILLE
    seconds: int = 0
    reason: str | None = None

    @property
    def delay(self) -> timedelta:
        """`seconds` as a length of market time."""
        return timedelta(seconds=self.seconds)

    def has_opportunity(self, now: datetime, call: str | None, symbol: str | None) -> bool:
        """Whether this could befall what happens now."""
        if (self.start_at is not None and now < self.start_at) or (self.end_at is not None and now >= self.end_at):
            return False
        return self.call in (None, call) and self.symbol in (None, symbol)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that goes wrong; the seed decides what is left to chance."""

    seed: int
    faults: tuple[Fault, ...]


CALM = Scenario(0, ())


#: Whose halts are those of the whole account, and how long the halt of a symbol lasts that was delisted.
ACCOUNT = ""
FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Halt:
    """A symbol is not traded until then; orders in it are refused if there is a reason.

    A delisting is one without an end, a restriction one of the account, which concerns what does not close.
    """

    symbol: str
    until: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class PendingBust:
    """A fill that will be undone."""

    execution: Execution
    at: datetime


@dataclass(frozen=True, slots=True)
class FaultState:
    """How far a scenario has come: the opportunities of each fault so far, and what is under way."""

    opportunities: tuple[int, ...]
    halts: tuple[Halt, ...] = ()
    busts: tuple[PendingBust, ...] = ()


class Faults:
    """A scenario under way; everything asks here whether something goes wrong now."""

    def __init__(self, scenario: Scenario = CALM, state: FaultState | None = None) -> None:
        self.scenario = scenario
        self._saved = state or FaultState((0,) * len(scenario.faults))
        self._opportunities = list(self._saved.opportunities)
        self._halts = {halt.symbol: halt for halt in self._saved.halts}
        self._busts = list(self._saved.busts)
        self._of: dict[FaultKind, list[int]] = {}
        for number, fault in enumerate(scenario.faults):
            self._of.setdefault(fault.kind, []).append(number)

    def due(
        self, kind: FaultKind, now: datetime, *, call: str | None = None, symbol: str | None = None
    ) -> Fault | None:
        """Count an opportunity of `kind` and return the fault that befalls it, if any."""
        return next(self._due(kind, now, call, symbol), None)

    def has(self, kind: FaultKind) -> bool:
        """Whether the scenario has a fault of this kind."""
        return kind in self._of

    def halt(self, symbol: str, now: datetime) -> Halt | None:
        """Return the halt of `symbol` that is in force."""
        halt = self._halts.get(symbol)
        return halt if halt is not None and now < halt.until else None

    def is_delisted(self, symbol: str) -> bool:
        """Whether `symbol` left this market."""
        halt = self._halts.get(symbol)
        return halt is not None and halt.until == FOREVER

    def restriction(self, now: datetime) -> str | None:
        """Return why the account may only close now; None if it may do as usual."""
        halt = self.halt(ACCOUNT, now)
        return None if halt is None else halt.reason

    def begin_session(self, symbols: Iterable[str], now: datetime) -> None:
        """Let a session begin: symbols may have left the market overnight."""
        for symbol in symbols:
            if self.due(FaultKind.DELISTING, now, symbol=symbol) is not None:
                self._halts[symbol] = Halt(symbol, FOREVER, f"{symbol} is no longer listed")

    def begin_minute(self, symbols: Iterable[str], now: datetime) -> None:
        """Let a minute begin: halts that are over are forgotten, others may begin."""
        self._halts = {symbol: halt for symbol, halt in self._halts.items() if now < halt.until}
        restriction = self.due(FaultKind.RESTRICTION, now)
        if restriction is not None:
            self._halts[ACCOUNT] = Halt(ACCOUNT, now + restriction.delay, restriction.reason)
        for symbol in symbols:
            fault = self.due(FaultKind.HALT, now, symbol=symbol)
            if fault is not None and not self.is_delisted(symbol):
                self._halts[symbol] = Halt(symbol, now + fault.delay, fault.reason)

    def filled(self, execution: Execution) -> None:
        """Note a fill: it may be undone later."""
        fault = self.due(FaultKind.BUST, execution.at, symbol=execution.symbol)
        if fault is not None:
            self._busts.append(PendingBust(execution, execution.at + fault.delay))

    def take_busts(self, now: datetime) -> list[Execution]:
        """Return the fills to be undone now, once."""
        ripe = [pending.execution for pending in self._busts if pending.at <= now]
        self._busts = [pending for pending in self._busts if pending.at > now]
        return ripe

    def take_state(self) -> FaultState | None:
        """Return the state if it is another than the one returned last."""
        state = FaultState(tuple(self._opportunities), tuple(self._halts.values()), tuple(self._busts))
        if state == self._saved:
            return None
        self._saved = state
        return state

    def _due(self, kind: FaultKind, now: datetime, call: str | None, symbol: str | None) -> Iterator[Fault]:
        for number in self._of.get(kind, ()):
            fault = self.scenario.faults[number]
            if fault.has_opportunity(now, call, symbol):
                self._opportunities[number] += 1
                if self._befalls(number, fault):
                    yield fault

    def _befalls(self, number: int, fault: Fault) -> bool:
        count = self._opportunities[number]
        if fault.nth is not None:
            return fault.nth == count
        drawn = blake2b(f"{self.scenario.seed}/{number}/{count}".encode(), digest_size=8).digest()
        return int.from_bytes(drawn) % PER_MILLE < fault.chance_per_mille


def scenario_errors(scenario: Scenario) -> list[str]:
    """Say what about a scenario makes no sense."""
    return [
        f"fault {number} ({fault.kind}): {reason}"
        for number, fault in enumerate(scenario.faults, start=1)
        if (reason := _error(fault))
    ]


def _error(fault: Fault) -> str | None:
    if not 0 <= fault.chance_per_mille <= PER_MILLE:
        return f"the chance lies between 0 and {PER_MILLE} in a thousand"
    if fault.nth is not None and fault.nth < 1:
        return "opportunities are counted from 1"
    if fault.seconds < 0 and fault.kind is not FaultKind.CLOCK_SKEW:
        return "only a clock goes backwards"
    if fault.kind in (FaultKind.REFUSAL, FaultKind.RESTRICTION) and not fault.reason:
        return f"a {fault.kind} has a reason"
    return None
