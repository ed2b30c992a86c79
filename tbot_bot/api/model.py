"""The base of every message: closed to unknown fields and never changed once made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """A request or an answer of the system API."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Message):
    """No content."""


class Page(Message):
    """The part of a list answer that is the same for all: the cursor of the next page, None at the end."""

    next: str | None = Field(default=None, description="Cursor of the next page; null at the end.")
