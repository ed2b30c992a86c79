"""States of the bot, the moves between them, and what the portal loads in each: one table each."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where the bot stands; the runner's record is the authority."""

    INITIALIZE = "initialize"
    PROVISIONING = "provisioning"
    BOOTSTRAPPING = "bootstrapping"
    REGISTRATION = "registration"
    STOPPED = "stopped"
    STARTED = "started"
    IDLE = "idle"
    ANALYZING = "analyzing"
    TRADING = "trading"
    MONITORING = "monitoring"
    UPDATING = "updating"
    GRACEFUL = "graceful_closing_positions"
    EMERGENCY = "emergency_closing_positions"
    SHUTDOWN_TRIGGERED = "shutdown_triggered"
    SHUTDOWN = "shutdown"
    ERROR = "error"


class Phase(StrEnum):
    """Which part of the portal is loaded."""

    CONFIGURATION = "configuration"
    REGISTRATION = "registration"
    MAIN = "main"
    CLOSING = "closing"
    ERROR = "error"


_S = State
_ENDS = frozenset({_S.SHUTDOWN_TRIGGERED, _S.ERROR})
_CLOSERS = frozenset({_S.GRACEFUL, _S.EMERGENCY}) | _ENDS

TRANSITIONS: dict[State, frozenset[State]] = {
    _S.INITIALIZE: frozenset({_S.PROVISIONING, _S.ERROR}),
    _S.PROVISIONING: frozenset({_S.BOOTSTRAPPING, _S.INITIALIZE, _S.ERROR}),
    _S.BOOTSTRAPPING: frozenset({_S.REGISTRATION, _S.ERROR}),
    _S.REGISTRATION: frozenset({_S.STOPPED}),
    _S.STOPPED: frozenset({_S.STARTED, _S.UPDATING, _S.EMERGENCY}) | _ENDS,
    _S.STARTED: frozenset({_S.IDLE}) | _CLOSERS,
    _S.IDLE: frozenset({_S.ANALYZING, _S.UPDATING}) | _CLOSERS,
    _S.ANALYZING: frozenset({_S.TRADING, _S.MONITORING, _S.IDLE}) | _CLOSERS,
    _S.TRADING: frozenset({_S.MONITORING, _S.IDLE}) | _CLOSERS,
    _S.MONITORING: frozenset({_S.ANALYZING, _S.TRADING, _S.IDLE}) | _CLOSERS,
    _S.UPDATING: frozenset({_S.IDLE, _S.STOPPED, _S.ERROR}),
    _S.GRACEFUL: frozenset({_S.STOPPED, _S.IDLE, _S.EMERGENCY}) | _ENDS,
    _S.EMERGENCY: frozenset({_S.STOPPED}) | _ENDS,
    _S.SHUTDOWN_TRIGGERED: frozenset({_S.SHUTDOWN}),
    _S.SHUTDOWN: frozenset(),
    _S.ERROR: frozenset({_S.STOPPED, _S.SHUTDOWN_TRIGGERED}),
}

#: The bot's loop is up and may hold positions; after a restart each of these reconciles first.
RUNNING = frozenset({_S.STARTED, _S.IDLE, _S.ANALYZING, _S.TRADING, _S.MONITORING})
SETTING_UP = frozenset({_S.INITIALIZE, _S.PROVISIONING, _S.BOOTSTRAPPING, _S.REGISTRATION})
CLOSING = frozenset({_S.GRACEFUL, _S.EMERGENCY})

PHASES: dict[State, Phase] = {
    _S.INITIALIZE: Phase.CONFIGURATION,
    _S.PROVISIONING: Phase.CONFIGURATION,
    _S.BOOTSTRAPPING: Phase.CONFIGURATION,
    _S.REGISTRATION: Phase.REGISTRATION,
    _S.STARTED: Phase.MAIN,
    _S.IDLE: Phase.MAIN,
    _S.ANALYZING: Phase.MAIN,
    _S.TRADING: Phase.MAIN,
    _S.MONITORING: Phase.MAIN,
    _S.UPDATING: Phase.MAIN,
    _S.STOPPED: Phase.MAIN,
    _S.GRACEFUL: Phase.CLOSING,
    _S.EMERGENCY: Phase.CLOSING,
    _S.SHUTDOWN_TRIGGERED: Phase.ERROR,
    _S.SHUTDOWN: Phase.ERROR,
    _S.ERROR: Phase.ERROR,
}


class TransitionRefusedError(Exception):
    """The table has no such move."""

    def __init__(self, source: State, target: State) -> None:
        super().__init__(f"the bot cannot go from {source} to {target}")
        self.source = source
        self.target = target


def require_transition(source: State, target: State) -> None:
    """Raise TransitionRefusedError unless the table allows the move."""
    if target not in TRANSITIONS[source]:
        raise TransitionRefusedError(source, target)


def state_at_boot(last: State, before_shutdown: State | None) -> State:
    """The state to resume in after a restart.

    `last` is the recorded state; `before_shutdown` the one recorded when a shutdown began, None if none was.
    A running bot reconciles again (started), a closing one resumes closing, the set-up states resume, error stays.
    """
    resumed = before_shutdown if last in (_S.SHUTDOWN, _S.SHUTDOWN_TRIGGERED) else last
    if resumed is None:
        return _S.STOPPED
    if resumed in RUNNING or resumed is _S.UPDATING:
        return _S.STARTED
    return resumed
