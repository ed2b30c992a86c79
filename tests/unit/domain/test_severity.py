"""The truth table of Overall System Status, in full: the worst input wins and every bad one is named."""

from itertools import product

import pytest

from tbot_bot.domain.severity import Inputs, Level, judge, worst

FLAGS = {False: Level.OK, None: Level.WARNING}
KILL = FLAGS | {True: Level.CRITICAL}
DEFENSE = FLAGS | {True: Level.WARNING}
API = {"healthy": Level.OK, "degraded": Level.WARNING, "unknown": Level.WARNING, "down": Level.CRITICAL}
UNIVERSE = {"up-to-date": Level.OK, "stale": Level.WARNING, "unknown": Level.WARNING, "missing": Level.CRITICAL}
COMPLIANCE = {"OK": Level.OK, "Warning": Level.WARNING, "unknown": Level.WARNING, "Out-of-Spec": Level.CRITICAL}


@pytest.mark.parametrize(("kill", "defense"), list(product(KILL, DEFENSE)))
def test_every_combination_is_as_bad_as_its_worst_input(kill, defense):
    for api, universe, compliance in product(API, UNIVERSE, COMPLIANCE):
        expected = max(KILL[kill], DEFENSE[defense], API[api], UNIVERSE[universe], COMPLIANCE[compliance])
        level, reasons = judge(Inputs(kill, defense, api, universe, compliance))
        unwell = [KILL[kill], DEFENSE[defense], API[api], UNIVERSE[universe], COMPLIANCE[compliance]]
        assert level is expected
        assert len(reasons) == sum(one is not Level.OK for one in unwell)


def test_a_trouble_warns_and_is_told_in_its_own_words():
    level, reasons = judge(Inputs(False, False, "healthy", "up-to-date", "OK", ("cash differs by 1.00",)))
    assert level is Level.WARNING
    assert reasons == ["cash differs by 1.00"]


def test_defense_mode_is_told_with_what_called_for_it():
    inputs = Inputs(False, True, "healthy", "up-to-date", "OK", defense_because=("a loss", "a break"))
    assert judge(inputs)[1] == ["defense mode is active, a loss, a break"]


def test_the_gravest_reason_comes_first():
    _, reasons = judge(Inputs(False, True, "down", "up-to-date", "OK"))
    assert reasons == ["the broker's interface is down", "defense mode is active"]


def test_nothing_is_well():
    assert worst([]) is Level.OK
