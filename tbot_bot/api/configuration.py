"""The configuration of a bot that is set up: what stands in each category, what a change would do, the change itself.

A category is one file of secrets. Its version is the generation that last changed it.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tbot_bot.api.model import Message
from tbot_bot.api.settings import Configuration, FieldDescription, describe
from tbot_bot.api.setup import BrokerChoice


class Category(StrEnum):
    """The categories of secrets that hold the configuration; the values are the names of their files."""

    IDENTITY = "bot_identity"
    BROKER = "broker"
    MAIL = "smtp"
    NOTIFICATIONS = "notifications"
    ANCHORS = "audit_anchors"


#: A setting belongs to the first category whose prefix its name has.
_PREFIXES = {
    "SIM_": Category.BROKER,
    "SMTP_": Category.MAIL,
    "NOTIFY_": Category.NOTIFICATIONS,
    "AUDIT_": Category.ANCHORS,
    "": Category.IDENTITY,
}
#: Came later than the others: a home may have been set up before there was such a category.
ADDED_LATER = frozenset({Category.NOTIFICATIONS, Category.ANCHORS})
#: What can be tested before it is saved.
TESTABLE = frozenset({Category.BROKER, Category.MAIL, Category.NOTIFICATIONS})


def category_of(name: str) -> Category:
    """The category that a setting stands in."""
    return next(category for prefix, category in _PREFIXES.items() if name.startswith(prefix))


def settings_of(category: Category) -> list[FieldDescription]:
    """The settings of a category, in their order."""
    return [field for field in describe(Configuration) if category_of(field.name) is category]


class AskCategory(Message):
    category: Category = Field(description="The category.")


class ConnectionTest(Message):
    """What became of a test of a category's connection; `at` is RFC 3339."""

    ok: bool = Field(description="Whether it went well.")
    detail: str = Field(description="What was found.")
    at: str = Field(description="When, UTC.")
    by: str = Field(description="Who asked for it.")


class CategoryView(Message):
    """One category as it may be shown: of a secret only whether it is set."""

    category: Category = Field(description="Name of the category.")
    title: str = Field(description="What it is called.")
    version: int = Field(description="The generation that last changed it; the ETag of the category.")
    changed_at: str = Field(description="When that was, UTC.")
    values: dict[str, str] = Field(description="Every setting that is no secret, as text.")
    secrets: dict[str, bool] = Field(description="Every secret, and whether it is set.")
    locked: str = Field(description="Why it cannot be changed now; empty if it can.")
    tested: ConnectionTest | None = Field(description="The last test of its connection.")


class ConfigurationView(Message):
    """Every category, and the generation of keys and secrets that is in force."""

    generation: int = Field(description="The generation in force.")
    generation_at: str = Field(description="When it was made, UTC.")
    generation_by: str = Field(description="Who asked for it.")
    generation_reason: str = Field(description="Why it was made.")
    brokers: list[BrokerChoice] = Field(description="The brokers that are there.")
    items: list[CategoryView] = Field(description="The categories.")


class Change(Message):
    """New values of a category; a setting that is left out stays.

    `version` is that of the category as the person saw it. `cleared` names secrets to remove.
    """

    category: Category
    version: int
    values: dict[str, str]
    cleared: list[str] = Field(default_factory=list)


class AskChange(Change):
    """What would change; `given` names the secrets that were typed, which this does not carry."""

    given: list[str] = Field(default_factory=list)


class SubmitChange(Change):
    """`sealed` holds the secrets that were typed."""

    sealed: str | None = None


class FieldChange(Message):
    """One setting before and after; of a secret only what happens to it."""

    name: str = Field(description="Name of the setting.")
    title: str = Field(description="What it is called.")
    before: str = Field(description="Its value before.")
    after: str = Field(description="Its value after.")


class ChangePreview(Message):
    """What a change would do; no changes mean that nothing would be renewed."""

    changes: list[FieldChange]
    follows: str = Field(description="What happens once it is saved.")


class Changed(Message):
    """The change is in force, in `generation`; without `changes` nothing differed and nothing was renewed."""

    generation: int = Field(description="The generation in force.")
    changes: list[FieldChange] = Field(description="What was changed.")
    message: str = Field(description="What was done, in a sentence.")


class AskTest(Message):
    """Try values without saving them; a secret that is neither in `sealed` nor `cleared` is the stored one."""

    category: Category
    values: dict[str, str]
    cleared: list[str] = Field(default_factory=list)
    sealed: str | None = None


class RotateSecrets(Message):
    """Renew every key and secret without changing what they hold."""

    reason: str = Field(max_length=500)
