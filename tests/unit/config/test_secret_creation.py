from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from tbot_bot.api.settings import Configuration, validate
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.config.secret_creation import (
    BOT_IDENTITY,
    ENV_BOT,
    create_secrets,
    read_configuration,
    read_trading_settings,
    write_trading_settings,
)
from tbot_bot.domain.canonical import canonical_json


def configured() -> Configuration:
    made, _ = validate(
        Configuration,
        {"SIM_SPEED": "60.5", "SMTP_HOST": "h", "SMTP_FROM": "a@b.org", "SMTP_USER": "u", "SMTP_PASSWORD": "p w"},
    )
    assert made is not None
    return made


def test_each_setting_stands_in_its_category() -> None:
    secrets = create_secrets(configured(), TradingSettings())
    assert {name: sorted(content) for name, content in secrets.items()} == {
        "bot_identity": ["BOT_ID", "BROKER_CODE", "ENTITY_CODE", "JURISDICTION_CODE"],
        "broker": ["SIM_FEED", "SIM_REPLAY_DIR", "SIM_SEED", "SIM_SPEED", "SIM_STARTING_CASH"],
        "smtp": ["SMTP_FROM", "SMTP_HOST", "SMTP_PASSWORD", "SMTP_PORT", "SMTP_SECURITY", "SMTP_USER"],
        "notifications": [
            "NOTIFY_HEARTBEAT_URL",
            "NOTIFY_MAIL_TO",
            "NOTIFY_MAIL_WITHOUT",
            "NOTIFY_WEBHOOK_KEY",
            "NOTIFY_WEBHOOK_URL",
            "NOTIFY_WEBHOOK_WITHOUT",
        ],
        "audit_anchors": ["AUDIT_ANCHOR_FILE", "AUDIT_ANCHOR_JOURNAL", "AUDIT_ANCHOR_MAIL"],
        "env_bot": sorted(TradingSettings.model_fields),
    }
    assert secrets["smtp"]["SMTP_PASSWORD"] == "p w"
    assert secrets["broker"]["SIM_SPEED"] == "60.5"
    canonical_json(secrets)


def test_what_was_written_is_read_back() -> None:
    trading = TradingSettings(MAX_RISK_PER_TRADE=Decimal("0.00100000"), strategies={"open": {"range_minutes": "15"}})
    secrets = create_secrets(configured(), trading)
    assert read_configuration(secrets) == configured()
    assert read_trading_settings(secrets) == trading


def test_new_trading_settings_leave_the_rest() -> None:
    before = create_secrets(configured(), TradingSettings())
    after = write_trading_settings(before, TradingSettings(MAX_TRADES=3))
    assert read_trading_settings(after) == TradingSettings(MAX_TRADES=3)
    assert read_trading_settings(before) == TradingSettings()
    assert {name: after[name] for name in after if name != ENV_BOT} == {
        name: before[name] for name in before if name != ENV_BOT
    }


def test_anything_else_is_refused() -> None:
    secrets = create_secrets(configured(), TradingSettings())
    secrets[BOT_IDENTITY]["OTHER"] = "x"
    with pytest.raises(ValidationError):
        read_configuration(secrets)


def test_a_home_from_before_there_were_notifications_is_read_as_having_none() -> None:
    secrets = create_secrets(configured(), TradingSettings())
    del secrets["notifications"]
    assert read_configuration(secrets) == configured()
    del secrets["broker"]
    with pytest.raises(KeyError):
        read_configuration(secrets)
