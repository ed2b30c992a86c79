"""Identity of a home, and the shape of ids that people see."""

from __future__ import annotations

import re
from dataclasses import dataclass

CODE = re.compile(r"[A-Z][A-Z0-9]{0,15}")
BOT_ID = re.compile(r"[A-Z0-9]{1,16}")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Who this bot is, fixed once provisioned: entity, jurisdiction, broker and number."""

    entity: str
    jurisdiction: str
    broker: str
    bot_id: str

    def __str__(self) -> str:
        return f"{self.entity}_{self.jurisdiction}_{self.broker}_{self.bot_id}"


def is_request_id(text: str) -> bool:
    """Whether `text` can be a request id: 8 to 64 letters, digits, `-` or `_`."""
    return REQUEST_ID.fullmatch(text) is not None
