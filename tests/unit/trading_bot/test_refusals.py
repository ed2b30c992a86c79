"""An entry that a rule of the gate refuses is listed among the trades not made under that rule's own name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tbot_bot.api.bot_protocol import TellNoTrade
from tbot_bot.domain.gate import (
    ENTRY_RULES,
    ORDER_RULES,
    PERMISSION_RULES,
    STRATEGY_ENTRY_RULES,
    GateConditions,
    GateFacts,
    RiskLimits,
    judge_intent,
)
from tbot_bot.domain.intents import GateRefusal, OrderIntent
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book
from tests.unit.trading_bot.conftest import SceneMaker
from tests.unit.trading_bot.scene import DAY, FLOAT, flat, instrument, quiet_range

BREAKOUT = f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('101.50', 16, 20)}"
SURE = GateConditions(
    state=State.TRADING,
    armed=True,
    killed=False,
    paused=False,
    market_day=DAY,
    instruments={"SPY": instrument("SPY")},
    marks={"SPY": Price.of("101.50")},
    limits=RiskLimits(max_open_positions=1, max_trades=1),
    float_allocation=FLOAT,
)
CLEAN = GateFacts(SURE, {}, [], 0)
AGAINST: dict[str, GateFacts] = {
    "killed": replace(CLEAN, conditions=replace(SURE, killed=True)),
    "unarmed": replace(CLEAN, conditions=replace(SURE, armed=False)),
    "state": replace(CLEAN, conditions=replace(SURE, state=State.STOPPED)),
    "trading_paused": replace(CLEAN, conditions=replace(SURE, paused=True)),
    "session": replace(CLEAN, conditions=replace(SURE, market_day=date(2024, 5, 8))),
    "instrument": replace(CLEAN, conditions=replace(SURE, instruments={})),
    "other_book": replace(CLEAN, positions={Book.HOLDINGS: {"SPY": Quantity.of(-1)}}),
    "paused": replace(CLEAN, conditions=replace(SURE, paused_strategies={"open": "too wild"})),
    "open_trade": replace(CLEAN, positions={Book.STRATEGY: {"SPY": Quantity.of(1)}}),
    "positions": replace(CLEAN, positions={Book.STRATEGY: {"QQQ": Quantity.of(1)}}),
    "trades": replace(CLEAN, trades_today=1),
    "float": replace(CLEAN, conditions=replace(SURE, float_allocation=Money.of(1))),
}


def test_every_rule_that_can_refuse_an_entry_of_the_bot_has_a_case_and_a_name_of_its_own() -> None:
    rules = [*PERMISSION_RULES, *ORDER_RULES, *ENTRY_RULES, *STRATEGY_ENTRY_RULES]
    assert len(set(rules)) == len(rules)
    never_asked = set(ORDER_RULES)  # the bot sizes an entry, and asks for entries and exits alone
    assert set(AGAINST) == set(rules) - never_asked


@pytest.mark.parametrize("rule", AGAINST)
def test_a_refusal_is_listed_under_the_name_of_its_rule(stage: SceneMaker, rule: str) -> None:
    scene = stage({"SPY": BREAKOUT})
    found: list[GateRefusal | None] = []

    def judge(intent: OrderIntent) -> GateRefusal | None:
        found.append(judge_intent(intent, AGAINST[rule]))
        return found[-1]

    scene.books.refuse = judge
    scene.run()
    scene.play(17, first=14)
    [told] = [one for one in scene.runner.told if isinstance(one, TellNoTrade)]
    [refusal] = found
    assert refusal is not None
    assert (told.symbol, told.stage, told.check, told.reason) == ("SPY", "gate", rule, refusal.reason)
    assert scene.broker.submitted == []
