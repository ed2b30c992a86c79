"""The first line of the venue's input."""

import json
from fractions import Fraction

import pytest

from tbot_bot.brokers.sim.wire import encode
from tbot_bot.venue.configuration import ConfigurationError, parse_configuration
from tbot_bot.venue.faults import CALM, Fault, FaultKind, Scenario
from tbot_bot.venue.feed import FeedError

GOOD = {
    "feed": "synthetic",
    "replay_dir": None,
    "speed": "120.5",
    "seed": 7,
    "starting_cash": "100000",
    "sessions": [{"day": "2010-01-04", "open_at": "2010-01-04T14:30:00Z", "close_at": "2010-01-04T21:00:00Z"}],
}


def parse(**changed):
    return parse_configuration(json.dumps(GOOD | changed).encode())


def test_a_good_line():
    configuration = parse()
    assert configuration.pace == Fraction(241, 2)
    assert configuration.lasting == {"feed": "synthetic", "seed": 7, "starting_cash": "100000"}
    assert configuration.open_feed().sessions == configuration.sessions


def test_faults_come_from_tests_only():
    assert parse().faults == CALM
    scenario = Scenario(4, (Fault(FaultKind.HALT, nth=1, seconds=60),))
    assert parse(faults=encode(scenario)).faults == scenario


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"speed": "0"}, "speed must be positive"),
        ({"speed": "fast"}, "not a number"),
        ({"speed": 120}, "expected str"),
        ({"starting_cash": "-1"}, "cash must be positive"),
        ({"seed": "7"}, "expected int"),
        ({"seed": True}, "expected int"),
        ({"feed": "random"}, "random"),
        ({"feed": "replay"}, "names its folder"),
        ({"replay_dir": "/somewhere"}, "only a replay"),
        ({"colour": "red"}, "exactly the fields"),
        ({"faults": encode(Scenario(1, (Fault(FaultKind.REFUSAL),)))}, "a refusal has a reason"),
        ({"sessions": [{"day": "2010-01-04"}]}, "exactly the fields"),
    ],
)
def test_a_bad_line_says_what_is_wrong(changed, reason):
    with pytest.raises(ConfigurationError, match=reason):
        parse(**changed)


@pytest.mark.parametrize("line", [b"", b"[]", b"{"])
def test_a_line_that_is_no_object_is_refused(line):
    with pytest.raises(ConfigurationError, match="JSON"):
        parse_configuration(line)


def test_a_replay_opens_its_folder(tmp_path):
    with pytest.raises(FeedError, match="neither symbol folders"):
        parse(feed="replay", replay_dir=str(tmp_path)).open_feed()
