"""Answers that the portal makes itself; what the runner answers is declared in `tbot_bot.api`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tbot_bot.api.lifecycle import Phase, State
from tbot_bot.api.model import Message, Page
from tbot_bot.api.status import DayResult


class Health(Message):
    """Whether portal and runner are up, and where the bot stands."""

    status: Literal["ok", "runner_down"] = Field(description="Whether the control process answers.")
    phase: Phase | None = Field(description="The phase, which decides what is loaded; null while nobody knows.")
    state: State | None = Field(description="State of the lifecycle; null while nobody knows.")
    version: str = Field(description="Version of the program.")


class Readiness(Message):
    """The portal can do its work."""

    status: Literal["ok"] = Field(description="The control process answers.")


class SessionEnds(Message):
    """When the viewer's session ends, RFC 3339 UTC."""

    expires_at: str | None = Field(description="When it ends without another act of the person.")
    absolute_expires_at: str | None = Field(description="When it ends in any case.")


class EquityMoment(Message):
    """Equity at a market time, and how far it is below the highest before it."""

    at: str = Field(description="Market time, UTC.")
    equity: str = Field(description="Cash and positions at the prices of that moment.")
    drawdown_pct: str = Field(description="Distance from the highest equity so far, in percent, never above zero.")


class EquityCurve(Page):
    """The newest points, oldest first."""

    items: list[EquityMoment] = Field(description="The points.")


class SessionResults(Page):
    """The newest exchange sessions, oldest first."""

    items: list[DayResult] = Field(description="The sessions.")


class ApiDocument(Message):
    """An OpenAPI document."""

    openapi: Literal["3.1.0"] = Field(description="Version of the format.")
    info: dict[str, str] = Field(description="Title and version of the program.")
    tags: list[dict[str, str]] = Field(description="Groups of operations.")
    paths: dict[str, object] = Field(description="Operations by address and method.")
    components: dict[str, object] = Field(description="Schemas, failures and ways to prove oneself.")
