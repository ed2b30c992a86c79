"""One strategy is held back by hand: recorded, told to the bot, refused by the gate, shown, and kept over restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.bot_protocol import PauseStrategies
from tbot_bot.api.errors import ApiError
from tbot_bot.control.strategy_pauses import StrategyPauses
from tbot_bot.control.strategy_status import strategy_statuses
from tbot_bot.control.verbs_strategies import StrategyVerbs
from tests.unit.control.backstage import call
from tests.unit.control.stage import Stage, stage


def ask(made: Stage, strategy: str, **params: object) -> Any:
    backstage = made.backstage
    handlers = StrategyVerbs(lambda: backstage.foundation.audit, lambda: made.conductor).handlers()
    return call(handlers, "control.pause_strategy", backstage.caller(backstage.sign_in()), strategy=strategy, **params)


def shown(made: Stage) -> dict[str, str | None]:
    return {one.name: one.paused_because for one in strategy_statuses(made.floor, made.floor.view.seen, None)}


def test_a_paused_strategy_makes_no_entry_until_it_is_resumed(tmp_path: Path) -> None:
    with stage(tmp_path) as made:
        made.trade()
        done = ask(made, "open", reason="too wild")
        assert done.message == "Strategy open makes no new entry; its open trades are managed."
        assert made.bot.heard() == [PauseStrategies(reasons={"open": "too wild"})]
        assert made.ask_entry("AAA") == "strategy open is paused (too wild): no new entry until it is resumed"
        assert shown(made) == {"open": "too wild", "mid": None, "close": None}
        again = StrategyPauses(made.backstage.foundation.record, lambda _told: None)
        assert again.reasons() == {"open": "too wild"}
        assert ask(made, "open", paused=False).message == "Strategy open may enter again."
        assert made.bot.heard() == [PauseStrategies(reasons={})]
        assert made.ask_entry("BBB") is None
        assert [one.target for one in made.backstage.audited("control.pause_strategy")] == ["open", "open"]
        assert made.backstage.audited("control.resume_strategy")


def test_without_a_reason_it_says_who_and_a_strategy_must_exist(tmp_path: Path) -> None:
    with stage(tmp_path) as made:
        ask(made, "mid")
        assert shown(made)["mid"] == "paused by Admin"
        with pytest.raises(ApiError) as error:
            ask(made, "moon")
        assert error.value.problem.status == 404
