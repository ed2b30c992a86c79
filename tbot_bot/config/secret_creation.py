"""Secret creation, a privileged verb of the runner: which settings stand in which category of secrets."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from tbot_bot.api.configuration import ADDED_LATER, Category, category_of
from tbot_bot.api.settings import Configuration, Settings
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.domain.ids import BotIdentity

BOT_IDENTITY = Category.IDENTITY.value
ENV_BOT = "env_bot"
#: The key that seals databases and audit trail: made with the first generation, and the same in all that follow.
INTEGRITY = "integrity"
#: The secrets of second factors, each under an id that the users database names; a stray one means nothing.
SECOND_FACTORS = "second_factors"
_SEALING_KEY = "key"


def create_secrets(configuration: Configuration, trading: TradingSettings) -> dict[str, dict[str, Any]]:
    """Return the categories that provisioning writes, ready to be encrypted."""
    return write_configuration({ENV_BOT: _content(trading)}, configuration)


def read_configuration(categories: Mapping[str, Mapping[str, Any]]) -> Configuration:
    """Return the configuration that `create_secrets` wrote; raises pydantic's ValidationError for anything else."""
    present = [category for category in Category if category in categories or category not in ADDED_LATER]
    whole = {name: value for category in present for name, value in categories[category].items()}
    return Configuration.model_validate(whole)


def write_configuration(
    categories: Mapping[str, Mapping[str, Any]], configuration: Configuration
) -> dict[str, dict[str, Any]]:
    """Return all categories with this configuration: the change of one rotation."""
    content: dict[str, dict[str, Any]] = {category.value: {} for category in Category}
    for name, value in _content(configuration).items():
        content[category_of(name)][name] = value
    return {name: dict(kept) for name, kept in categories.items()} | content


def read_identity(category: Mapping[str, Any]) -> BotIdentity:
    """Return who the bot is, from its category alone."""
    return BotIdentity(*(str(category[name]) for name in ("ENTITY_CODE", "JURISDICTION_CODE", "BROKER_CODE", "BOT_ID")))


def read_trading_settings(categories: Mapping[str, Mapping[str, Any]]) -> TradingSettings:
    """Return the trading settings; raises pydantic's ValidationError if they are not as written."""
    return TradingSettings.model_validate(dict(categories[ENV_BOT]))


def write_trading_settings(
    categories: Mapping[str, Mapping[str, Any]], trading: TradingSettings
) -> dict[str, Mapping[str, Any]]:
    """Return all categories with new trading settings: the change of one rotation."""
    return {**categories, ENV_BOT: _content(trading)}


def with_factor(
    categories: Mapping[str, Mapping[str, Any]], secret_id: str, secret: str | None
) -> dict[str, Mapping[str, Any]]:
    """Return all categories with the secret of one second factor, or without it: the change of one rotation."""
    kept = {name: one for name, one in categories.get(SECOND_FACTORS, {}).items() if name != secret_id}
    return {**categories, SECOND_FACTORS: kept if secret is None else kept | {secret_id: secret}}


def new_integrity() -> dict[str, Any]:
    """The content of a fresh `integrity` category."""
    return {_SEALING_KEY: secrets.token_hex(32)}


def sealing_key(integrity: Mapping[str, Any]) -> bytes:
    """The key in the `integrity` category."""
    return bytes.fromhex(integrity[_SEALING_KEY])


def _content(settings: Settings) -> dict[str, Any]:
    shown: dict[str, Any] = settings.model_dump(mode="json")
    hidden = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    return shown | hidden
