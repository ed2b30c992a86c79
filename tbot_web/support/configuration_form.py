"""What was typed for a category of the configuration, by a person in a form or by a program in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import request
from pydantic import Field, ValidationError

from tbot_bot.api.configuration import AskChange, AskTest, Category, SubmitChange, settings_of
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message
from tbot_bot.api.sealing import LIFETIME
from tbot_web.support.sealed import box

#: Before the name of a setting: the value that the form showed.
_WAS = "was-"
#: Before the name of a secret: the box that removes it.
_CLEAR = "clear-"


class Settings(Message):
    """New values for one category."""

    values: dict[str, str] = Field(
        description="Settings by name, secrets too. What is left out stays; an empty secret is removed."
    )


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person or program wants in a category; `secrets` never leaves this request but sealed."""

    category: Category
    version: int
    values: dict[str, str]
    secrets: dict[str, str]
    cleared: list[str]

    @classmethod
    def of_form(cls, category: Category) -> Typed:
        """Read what differs from what the form showed; a secret that was left empty stays as it is."""
        form = request.form
        sent = {
            name: form[name] for name in _changeable(category) if name in form and form[name] != form.get(_WAS + name)
        }
        version = request.form.get("version", "")
        cleared = [name.removeprefix(_CLEAR) for name in request.form if name.startswith(_CLEAR)]
        return cls._sorted(category, int(version) if version.isdecimal() else -1, sent, cleared)

    @classmethod
    def of_json(cls, category: Category, version: int) -> Typed:
        """Read the JSON body; an empty secret is one to remove."""
        try:
            sent = Settings.model_validate(request.get_json()).values
        except ValidationError as error:
            raise ApiError.of(
                400,
                "bad_request",
                "The request is malformed",
                'The body must be {"values": {…}} with a text for each setting. Nothing was changed.',
            ) from error
        cleared = [name for name in _secrets(category) if sent.get(name) == ""]
        return cls._sorted(category, version, sent, cleared)

    @classmethod
    def _sorted(cls, category: Category, version: int, sent: Mapping[str, str], cleared: list[str]) -> Typed:
        secret = _secrets(category)
        values = {name: value for name, value in sent.items() if name not in secret}
        secrets = {name: value for name, value in sent.items() if name in secret and value and name not in cleared}
        return cls(category, version, values, secrets, cleared)

    def test(self, request_id: str) -> AskTest:
        """The request to test it."""
        bare = AskTest(category=self.category, values=self.values, cleared=self.cleared)
        sealed = box("configuration.test", bare, self.secrets, request_id, LIFETIME)
        return bare.model_copy(update={"sealed": sealed})

    def preview(self) -> AskChange:
        """The question what it would do."""
        return AskChange(
            category=self.category,
            version=self.version,
            values=self.values,
            cleared=self.cleared,
            given=list(self.secrets),
        )

    def change(self, request_id: str, lifetime: timedelta) -> SubmitChange:
        """The change itself, good for `lifetime`."""
        bare = SubmitChange(category=self.category, version=self.version, values=self.values, cleared=self.cleared)
        sealed = box("configuration.change", bare, self.secrets, request_id, lifetime)
        return bare.model_copy(update={"sealed": sealed})


def _changeable(category: Category) -> list[str]:
    return [field.name for field in settings_of(category) if not field.fixed]


def _secrets(category: Category) -> set[str]:
    return {field.name for field in settings_of(category) if field.secret}
