"""What a broker's `connect` is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BrokerSetup:
    """One broker's credentials, and where the simulated market listens."""

    credentials: Mapping[str, str]
    venue_socket: Path
