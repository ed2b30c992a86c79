"""A change of one category of the configuration: judged as a whole, and told without its secrets.

InvalidChangeError   fields that cannot be so, each with its message
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from tbot_bot.api.configuration import Category, FieldChange, settings_of
from tbot_bot.api.settings import Configuration, validate, values

#: What is said of a secret in place of its value.
SET, NOT_SET, CHANGED, REMOVED = "set", "not set", "changed", "removed"


class InvalidChangeError(Exception):
    """Nothing was changed; `fields` maps each wrong field to what it allows."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("Nothing was changed. Please correct: " + "; ".join(fields.values()))
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person typed: values, secrets, and secrets to remove; a setting that is left out stays."""

    category: Category
    values: Mapping[str, str]
    secrets: Mapping[str, str]
    cleared: Sequence[str] = ()


def changed(present: Configuration, wanted: Wanted) -> Configuration:
    """The whole configuration as it is wanted; raises InvalidChangeError."""
    fields = {field.name: field for field in settings_of(wanted.category)}
    open_names = {name for name, field in fields.items() if not field.secret}
    foreign = (wanted.values.keys() - open_names) | ({*wanted.secrets, *wanted.cleared} - (fields.keys() - open_names))
    if foreign:
        raise InvalidChangeError({name: f"{name} is not a setting to be changed here" for name in sorted(foreign)})
    typed = {**dict.fromkeys(wanted.cleared, ""), **wanted.values, **wanted.secrets}
    made, wrong = validate(Configuration, texts(present) | typed)
    if made is None:
        raise InvalidChangeError(wrong)
    moved = {one.name for one in differences(present, made)}
    fixed = [field for name, field in fields.items() if field.fixed and name in moved]
    if fixed:
        raise InvalidChangeError({field.name: f"{field.title} cannot change. {field.fixed}" for field in fixed})
    return made


def differences(before: Configuration, after: Configuration) -> list[FieldChange]:
    """What differs between two configurations, in the order of the form; of a secret only what happened to it."""
    old, new = texts(before), texts(after)
    found = []
    for field in (field for category in Category for field in settings_of(category)):
        was, becomes = old[field.name], new[field.name]
        if was == becomes:
            continue
        if field.secret:
            was, becomes = SET if was else NOT_SET, CHANGED if becomes else REMOVED
        found.append(FieldChange(name=field.name, title=field.title, before=was, after=becomes))
    return found


def secrets_set(configuration: Configuration) -> dict[str, bool]:
    """Every secret of a configuration, and whether it is set."""
    return {name: bool(value.get_secret_value()) for name, value in configuration if isinstance(value, SecretStr)}


def texts(configuration: Configuration) -> dict[str, str]:
    """Every setting as text, secrets too."""
    secrets = {name: value.get_secret_value() for name, value in configuration if isinstance(value, SecretStr)}
    return values(configuration) | secrets
