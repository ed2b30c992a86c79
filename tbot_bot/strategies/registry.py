"""Every strategy, in the order of the day: one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tbot_bot.api.settings import validate
from tbot_bot.strategies.base import Strategy, StrategyParameters
from tbot_bot.strategies.strategy_close import StrategyClose
from tbot_bot.strategies.strategy_mid import StrategyMid
from tbot_bot.strategies.strategy_open import StrategyOpen

STRATEGIES: tuple[Strategy[Any, Any], ...] = (StrategyOpen(), StrategyMid(), StrategyClose())


class StrategySettingsError(ValueError):
    """Strategy parameters that cannot be traded by; the message names each wrong field."""


def in_sequence(names: Sequence[str]) -> tuple[Strategy[Any, Any], ...]:
    """Return the strategies of these names, in their order."""
    known = {strategy.name: strategy for strategy in STRATEGIES}
    return tuple(known[name] for name in names)


def parse_parameters(settings: Mapping[str, Mapping[str, str]]) -> dict[str, StrategyParameters]:
    """Return the parameters of every strategy by its name; what `settings` does not name takes its default.

    An unknown strategy or a wrong field raises StrategySettingsError.
    """
    unknown = sorted(set(settings) - {strategy.name for strategy in STRATEGIES})
    messages = [f"there is no strategy named {name}" for name in unknown]
    parsed: dict[str, StrategyParameters] = {}
    for strategy in STRATEGIES:
        params, wrong = validate(strategy.parameters, settings.get(strategy.name, {}))
        messages += [f"{name}: {message}" for name, message in wrong.items()]
        if params is not None:
            parsed[strategy.name] = params
    if messages:
        raise StrategySettingsError("; ".join(messages))
    return parsed
