"""The table of states, written out again from its specification and compared with the code."""

import pytest

from tbot_bot.domain.lifecycle import (
    PHASES,
    RUNNING,
    TRANSITIONS,
    Phase,
    State,
    TransitionRefusedError,
    require_transition,
    state_at_boot,
)

TABLE = """
initialize: provisioning error
provisioning: bootstrapping initialize error
bootstrapping: registration error
registration: stopped
stopped: started updating emergency_closing_positions shutdown_triggered error
started: idle graceful_closing_positions emergency_closing_positions shutdown_triggered error
idle: analyzing updating graceful_closing_positions emergency_closing_positions shutdown_triggered error
analyzing: trading monitoring idle graceful_closing_positions emergency_closing_positions shutdown_triggered error
trading: monitoring idle graceful_closing_positions emergency_closing_positions shutdown_triggered error
monitoring: analyzing trading idle graceful_closing_positions emergency_closing_positions shutdown_triggered error
updating: idle stopped error
graceful_closing_positions: stopped idle emergency_closing_positions shutdown_triggered error
emergency_closing_positions: stopped shutdown_triggered error
shutdown_triggered: shutdown
shutdown:
error: stopped shutdown_triggered
"""
PHASE_TABLE = {
    Phase.CONFIGURATION: "initialize provisioning bootstrapping",
    Phase.REGISTRATION: "registration",
    Phase.MAIN: "started idle analyzing trading monitoring updating stopped",
    Phase.CLOSING: "graceful_closing_positions emergency_closing_positions",
    Phase.ERROR: "shutdown_triggered shutdown error",
}


def test_moves_are_those_of_the_table():
    written = {}
    for line in TABLE.strip().splitlines():
        source, _, targets = line.partition(":")
        written[State(source)] = frozenset(map(State, targets.split()))
    assert written == TRANSITIONS


def test_every_state_has_the_phase_of_the_table():
    written = {State(state): phase for phase, states in PHASE_TABLE.items() for state in states.split()}
    assert written == PHASES


@pytest.mark.parametrize("source", list(State))
@pytest.mark.parametrize("target", list(State))
def test_a_move_outside_the_table_is_refused(source, target):
    if target in TRANSITIONS[source]:
        require_transition(source, target)
    else:
        with pytest.raises(TransitionRefusedError, match=f"from {source} to {target}"):
            require_transition(source, target)


@pytest.mark.parametrize(
    ("last", "before", "expected"),
    [
        (State.SHUTDOWN, State.TRADING, State.STARTED),
        (State.SHUTDOWN_TRIGGERED, State.STOPPED, State.STOPPED),
        (State.SHUTDOWN, State.GRACEFUL, State.GRACEFUL),
        (State.SHUTDOWN, None, State.STOPPED),
        (State.UPDATING, None, State.STARTED),
        (State.EMERGENCY, None, State.EMERGENCY),
        (State.BOOTSTRAPPING, None, State.BOOTSTRAPPING),
        (State.ERROR, None, State.ERROR),
    ],
)
def test_what_a_restart_resumes(last, before, expected):
    assert state_at_boot(last, before) is expected


@pytest.mark.parametrize("state", sorted(RUNNING))
def test_a_running_bot_reconciles_first(state):
    assert state_at_boot(state, None) is State.STARTED
