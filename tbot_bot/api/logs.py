"""Logs, newest last, filtered before they are cut to a page."""

from __future__ import annotations

from pydantic import Field

from tbot_bot.api.model import Message


class LogName(Message):
    """A log stream that can be read."""

    name: str = Field(description="Name in addresses.")
    title: str = Field(description="Name for people.")
    holds: str = Field(default="", description="What stands in it.")
    size_bytes: int = Field(description="Size of the file.")


class LogNames(Message):
    items: list[LogName] = Field(description="The logs.")


class AskLog(Message):
    """Lines of one log. With `after`, lines written since that position; else the newest, or those before `before`."""

    name: str = Field(max_length=64, description="Name of the log.")
    level: str | None = Field(default=None, description="The lowest level to return, of debug to critical.")
    text: str | None = Field(
        default=None, max_length=200, description="Only lines with this text; capitals do not matter."
    )
    before: int | None = Field(default=None, description="Only lines before this position, for older ones.")
    after: int | None = Field(default=None, description="Only lines from this position on, for later ones.")
    file: str | None = Field(
        default=None, pattern=r"^[0-9]{1,20}$", description="The file those positions are in; none for the newest."
    )
    limit: int = Field(default=200, ge=1, le=1000, description="Most lines on the page.")


class LogLine(Message):
    """One line; `position` is its byte offset."""

    position: int = Field(description="Byte offset in the file.")
    at: str | None = Field(description="When it was written, UTC; null for a line that says no time.")
    level: str = Field(description="debug, info, warning, error or critical.")
    source: str = Field(description="The part of the program that wrote it.")
    message: str = Field(description="What happened.")
    fields: dict[str, str] = Field(description="Details by name.")


class LogPage(Message):
    """Oldest first; `before` pages to older lines (null at the start), `after` follows the end, both in `file`.

    A log that grows begins a new file now and then. Whoever asks with `file` reads on from one to the next.
    """

    items: list[LogLine] = Field(description="The lines, oldest first.")
    before: int | None = Field(description="Where older lines end; null at the start of the file.")
    after: int = Field(description="Where later lines will begin.")
    file: str | None = Field(default=None, description="The file that these positions are in.")


class ErrorEntry(Message):
    """One error: those of the same kind from the same innermost frames are one entry."""

    kind: str = Field(description="Name of the error.")
    where: str = Field(description="The innermost place in the program.")
    message: str = Field(description="What it stood in the way of, when it came last.")
    source: str = Field(description="The part of the program that wrote it.")
    count: int = Field(description="How often it came since the start.")
    first_at: str = Field(description="When it came first, UTC.")
    last_at: str = Field(description="When it came last, UTC.")


class ErrorEntries(Message):
    """Errors since the start, the one that came last first; the whole text of each is in the log of tracebacks."""

    items: list[ErrorEntry] = Field(description="The errors.")
