"""What can be set about the simulated market."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tbot_bot.brokers.sim.feeds import SimFeed


class SimSettings(BaseModel):
    """Settings of the simulated market; all but the speed are fixed once it has run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: SimFeed = Field(
        SimFeed.SYNTHETIC, alias="SIM_FEED", description="Invented prices (synthetic) or recorded ones (replay)."
    )
    replay_dir: str | None = Field(
        None, alias="SIM_REPLAY_DIR", max_length=4096, description="Folder of recorded minute bars, for a replay."
    )
    speed: Decimal = Field(
        Decimal(60), alias="SIM_SPEED", gt=0, le=100_000, description="Market seconds that pass in one real second."
    )
    seed: int = Field(
        1, alias="SIM_SEED", ge=0, le=2**31 - 1, description="Which synthetic market: the same seed, the same prices."
    )
    starting_cash: Decimal = Field(
        Decimal(100_000),
        alias="SIM_STARTING_CASH",
        gt=0,
        le=1_000_000_000,
        decimal_places=2,
        description="Cash in the account at the start, USD.",
    )

    @model_validator(mode="after")
    def _replay_has_a_folder(self) -> Self:
        if self.feed is SimFeed.REPLAY and not self.replay_dir:
            raise ValueError("a replay needs SIM_REPLAY_DIR: the folder with the recorded bars")
        return self
