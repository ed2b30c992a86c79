from __future__ import annotations

import pytest

from tbot_bot.api.settings import describe, validate
from tbot_bot.api.trading_settings import STRATEGY_NAMES, TradingSettings
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.strategies.registry import STRATEGIES, in_sequence


def made(**changes: str) -> TradingSettings:
    parsed, wrong = validate(TradingSettings, changes)
    assert parsed is not None, wrong
    return parsed


def test_the_settings_name_the_strategies_that_there_are() -> None:
    assert tuple(strategy.name for strategy in STRATEGIES) == STRATEGY_NAMES
    override = next(field for field in describe(TradingSettings) if field.name == "STRATEGY_OVERRIDE")
    assert override.choices == ("none", *STRATEGY_NAMES)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ("open", "mid", "close")),
        ({"STRATEGY_SEQUENCE": "close,open"}, ("close", "open")),
        ({"STRATEGY_SEQUENCE": "close,open", "STRATEGY_OVERRIDE": "mid"}, ("mid",)),
    ],
)
def test_the_sequence_or_the_only_one_runs(changes: dict[str, str], names: tuple[str, ...]) -> None:
    assert made(**changes).sequence == names
    assert tuple(strategy.name for strategy in in_sequence(names)) == names


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"STRATEGY_SEQUENCE": ""}, "STRATEGY_SEQUENCE"),
        ({"STRATEGY_SEQUENCE": "open,open"}, "STRATEGY_SEQUENCE"),
        ({"STRATEGY_SEQUENCE": "open,later"}, "STRATEGY_SEQUENCE"),
        ({"STRATEGY_SEQUENCE": "open,"}, "STRATEGY_SEQUENCE"),
        ({"STRATEGY_OVERRIDE": "later"}, "STRATEGY_OVERRIDE"),
        ({"CANDIDATE_PRICE_MIN": "5000"}, "CANDIDATE_PRICE_MAX"),
        ({"WATCHDOG_LATE_S": "30"}, "WATCHDOG_DOWN_S"),
        ({"CANDIDATE_BLOCKED": "spy"}, "CANDIDATE_BLOCKED"),
        ({"CANDIDATE_BLOCKED": "SPY,"}, "CANDIDATE_BLOCKED"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], field: str) -> None:
    parsed, wrong = validate(TradingSettings, changes)
    assert parsed is None
    assert list(wrong) == [field]


def test_the_candidate_settings_become_the_rules() -> None:
    rules = made(
        CANDIDATE_BLOCKED="SPY,BRK.B", CANDIDATE_PRICE_MIN="2.5", CANDIDATE_SHORTABLE_ONLY="true"
    ).candidate_rules
    assert rules.blocked == {"SPY", "BRK.B"}
    assert (rules.price_min, rules.minute_volume_min) == (Price.of("2.5"), Quantity.of(100))
    assert rules.shortable_only
