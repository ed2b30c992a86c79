"""The outbox as people see it: what they were told, how far each message came, and how the channels do."""

from __future__ import annotations

from pydantic import Field

from tbot_bot.api.model import Message, Page


class DeliveryView(Message):
    """A message on its way through one channel."""

    channel: str = Field(description="mail or webhook.")
    status: str = Field(description="waiting, sent or given_up.")
    tries: int = Field(description="How often it was tried.")
    tried_at: str | None = Field(description="The last try, UTC.")
    next_at: str | None = Field(description="The next try at the earliest, UTC, while it waits.")
    error: str = Field(description="Why the last try failed; empty if it did not.")


class NoticeEventView(Message):
    """One thing that happened."""

    at: str = Field(description="When, UTC.")
    sentence: str = Field(description="What happened.")
    facts: dict[str, str] = Field(description="Its facts by name.")


class NoticeView(Message):
    """One message with what it tells, the newest event last."""

    id: str = Field(description="Its id, the same at every try.")
    kind: str = Field(description="What kind of thing happened.")
    title: str = Field(description="What a person reads first.")
    count: int = Field(description="How many events it tells of; of many only the newest are listed.")
    first_at: str = Field(description="When the first of them was, UTC.")
    gathers_until: str | None = Field(description="Until when it gathers more of its kind before it goes out, UTC.")
    events: list[NoticeEventView] = Field(description="The events.")
    deliveries: list[DeliveryView] = Field(description="Its ways; none means that no channel wants its kind.")


class ChannelView(Message):
    """How a channel does."""

    channel: str = Field(description="mail or webhook.")
    configured: bool = Field(description="Whether messages go this way.")
    towards: str = Field(description="Where it leads; empty for who may not see the configuration.")
    failures: int = Field(description="Failed tries in a row.")
    rests_until: str | None = Field(description="Until when it is left alone after a failure, UTC.")


class Notifications(Page):
    """Every message that is kept, newest first."""

    as_of: str = Field(description="When this was read, UTC.")
    unrecorded: int = Field(description="Events that could not be recorded yet, because the disk refuses.")
    channels: list[ChannelView] = Field(description="The channels.")
    items: list[NoticeView] = Field(description="The messages.")
