from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tbot_bot.domain.slippage import SlippageLimits
from tbot_bot.venue.in_process import InProcessBroker
from tests.unit.trading_bot.scene import SLIPPAGE, Scene, make_broker

SceneMaker = Callable[..., Scene]


@pytest.fixture
def stage() -> Iterator[SceneMaker]:
    """Make scenes of tables or of a market; they are closed at the end."""
    scenes: list[Scene] = []

    def make(
        market: InProcessBroker | dict[str, str],
        settings: dict[str, str] | None = None,
        names: Sequence[str] = ("open",),
        slippage: SlippageLimits = SLIPPAGE,
    ) -> Scene:
        broker = make_broker(market) if isinstance(market, dict) else market
        scenes.append(Scene(broker, settings, names, slippage))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()
