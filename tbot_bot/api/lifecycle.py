"""States and phases, for the portal as for the runner."""

from tbot_bot.domain.lifecycle import PHASES, Phase, State

__all__ = ["PHASES", "Phase", "State"]
