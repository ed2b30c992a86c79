"""The kinds of market that can be simulated."""

from __future__ import annotations

from enum import StrEnum


class SimFeed(StrEnum):
    """Where the simulated market's prices come from."""

    SYNTHETIC = "synthetic"
    REPLAY = "replay"
