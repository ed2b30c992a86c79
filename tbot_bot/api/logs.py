"""Logs, newest last, filtered before they are cut to a page."""

from __future__ import annotations

from pydantic import Field

from tbot_bot.api.model import Message


class LogName(Message):
    """A log stream that can be read."""

    name: str
    title: str
    size_bytes: int


class LogNames(Message):
    items: list[LogName]


class AskLog(Message):
    """Lines of one log. With `after`, lines written since that position; else the newest, or those before `before`."""

    name: str = Field(max_length=64)
    level: str | None = None
    text: str | None = Field(default=None, max_length=200)
    before: int | None = None
    after: int | None = None
    limit: int = Field(default=200, ge=1, le=1000)


class LogLine(Message):
    """One line; `position` is its byte offset."""

    position: int
    at: str | None
    level: str
    source: str
    message: str
    fields: dict[str, str]


class LogPage(Message):
    """Oldest first; `before` pages to older lines (None at the start), `after` follows the end."""

    items: list[LogLine]
    before: int | None
    after: int
