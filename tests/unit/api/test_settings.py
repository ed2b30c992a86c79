from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tbot_bot.api.settings import Configuration, FieldDescription, Settings, SettingType, describe, validate, values
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.domain.ids import BotIdentity

MODELS = (Configuration, TradingSettings)


def described(model: type[Settings]) -> dict[str, FieldDescription]:
    return {field.name: field for field in describe(model)}


def messages(model: type[Settings], **raw: str) -> dict[str, str]:
    made, found = validate(model, raw)
    assert (made is None) == bool(found)
    return found


def test_an_empty_form_takes_the_defaults() -> None:
    made, found = validate(Configuration, {})
    assert found == {}
    assert made is not None
    assert made.identity == BotIdentity("RIGD", "US", "SIM", "001")
    read = made.model_dump(include={"SIM_FEED", "SIM_SPEED", "SIM_SEED", "SIM_STARTING_CASH", "SMTP_PORT"})
    assert read == {
        "SIM_FEED": "synthetic",
        "SIM_SPEED": Decimal(120),
        "SIM_SEED": 7,
        "SIM_STARTING_CASH": Decimal(100000),
        "SMTP_PORT": 587,
    }


@pytest.mark.parametrize("model", MODELS)
def test_defaults_are_valid_as_text(model: type[Settings]) -> None:
    shown = values(model())
    assert shown.keys() == described(model).keys()
    assert {field.name: field.default for field in describe(model)} == shown
    assert validate(model, shown) == (model(), {})


@pytest.mark.parametrize("model", MODELS)
def test_every_field_says_what_it_is_for(model: type[Settings]) -> None:
    for field in describe(model):
        assert field.title
        assert field.help.endswith(".")
        assert field.group
        assert field.allowed
        assert FieldDescription.model_validate_json(field.model_dump_json()) == field


def test_fields_are_described_as_plain_data() -> None:
    speed = described(Configuration)["SIM_SPEED"]
    assert (speed.type, speed.minimum, speed.maximum) == (SettingType.DECIMAL, "1", "36000")
    assert (speed.unit, speed.default) == ("market seconds per second", "120")
    feed = described(Configuration)["SIM_FEED"]
    assert (feed.type, feed.choices) == (SettingType.CHOICE, ("synthetic", "replay"))
    assert feed.names == {"synthetic": "Synthetic prices", "replay": "Replay of recorded bars"}
    assert feed.fixed.startswith("The market's books began with it")
    password = described(Configuration)["SMTP_PASSWORD"]
    assert (password.type, password.secret, password.default) == (SettingType.SECRET, True, "")
    assert described(TradingSettings)["DEFENSE_MODE_ACTIVE"].type is SettingType.BOOLEAN
    assert "strategies" not in described(TradingSettings)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("SIM_SPEED", "0.5", "Market speed must be between 1 and 36000 market seconds per second"),
        ("SIM_SPEED", "1e3", "Market speed must be between 1 and 36000 market seconds per second"),
        ("SIM_SPEED", "NaN", "Market speed must be between 1 and 36000 market seconds per second"),
        ("SIM_SPEED", "٣", "Market speed must be between 1 and 36000 market seconds per second"),
        ("SIM_SEED", "1_0", "Seed must be a whole number between 0 and 2147483647"),
        ("SIM_SEED", "7.0", "Seed must be a whole number between 0 and 2147483647"),
        ("SIM_SEED", "-1", "Seed must be a whole number between 0 and 2147483647"),
        ("SIM_STARTING_CASH", "999.99", "Starting cash must be between 1000 and 1000000000 USD"),
        ("SMTP_PORT", "", "Mail port must be a whole number between 1 and 65535"),
        ("SIM_FEED", "live", "Price feed must be one of synthetic, replay"),
        ("ENTITY_CODE", "rigd", "Entity must be 1 to 16 capital letters and digits, a letter first"),
        ("ENTITY_CODE", "", "Entity must be 1 to 16 capital letters and digits, a letter first"),
        ("BOT_ID", "../1", "Bot number must be 1 to 16 capital letters and digits"),
        (
            "SIM_REPLAY_DIR",
            "/a\nb",
            "Replay folder must be the path of a folder, absolute or from where the bot was started",
        ),
        ("SMTP_FROM", "bot", "Sender address must be a mail address like bot@example.org"),
        ("SMTP_HOST", "a b", "Mail server must be a host name or address"),
        ("ENTITY_CODE_2", "X", "ENTITY_CODE_2 is not a setting"),
    ],
)
def test_a_message_says_what_is_allowed(name: str, text: str, message: str) -> None:
    assert messages(Configuration, **{name: text})[name] == message


def test_each_wrong_field_has_its_message_and_no_value_is_repeated() -> None:
    found = messages(Configuration, SIM_SPEED="hunter2", BOT_ID="hunter2!", SMTP_SECURITY="hunter2")
    assert found.keys() == {"SIM_SPEED", "BOT_ID", "SMTP_SECURITY"}
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        ({"SIM_FEED": "replay"}, {"SIM_REPLAY_DIR"}),
        ({"SIM_FEED": "replay", "SIM_REPLAY_DIR": "/bars"}, set()),
        ({"SMTP_HOST": "mail"}, {"SMTP_FROM"}),
        ({"SMTP_FROM": "bot@example.org"}, {"SMTP_HOST"}),
        ({"SMTP_HOST": "mail", "SMTP_FROM": "bot@example.org"}, set()),
        ({"SMTP_HOST": "mail", "SMTP_FROM": "bot@example.org", "SMTP_USER": "bot"}, {"SMTP_PASSWORD"}),
        ({"SMTP_HOST": "mail", "SMTP_FROM": "bot@example.org", "SMTP_PASSWORD": "x"}, {"SMTP_USER"}),
        ({"SMTP_USER": "bot", "SMTP_PASSWORD": "x"}, {"SMTP_HOST"}),
    ],
)
def test_settings_do_not_contradict_each_other(raw: dict[str, str], wrong: set[str]) -> None:
    assert messages(Configuration, **raw).keys() == wrong


def test_a_contradiction_names_the_fields_as_the_form_does() -> None:
    assert messages(Configuration, SIM_FEED="replay") == {
        "SIM_REPLAY_DIR": "Replay folder must name a folder: the price feed is a replay"
    }
    assert messages(Configuration, SMTP_HOST="mail") == {
        "SMTP_FROM": "Sender address is needed, since a mail server is named"
    }


def test_spaces_around_a_value_are_forgiven_except_in_a_secret() -> None:
    made, found = validate(
        Configuration,
        {
            "ENTITY_CODE": " ACME ",
            "SIM_SPEED": " 60.5 ",
            "SIM_SEED": " 9 ",
            "SMTP_HOST": "mail",
            "SMTP_FROM": "a@b.org",
            "SMTP_USER": "u",
            "SMTP_PASSWORD": " x ",
        },
    )
    assert found == {}
    assert made is not None
    read = made.model_dump(include={"ENTITY_CODE", "SIM_SPEED", "SIM_SEED"})
    assert read == {"ENTITY_CODE": "ACME", "SIM_SPEED": Decimal("60.5"), "SIM_SEED": 9}
    assert made.SMTP_PASSWORD.get_secret_value() == " x "
    assert " x " not in repr(made)
    assert values(made)["SMTP_PASSWORD"] == ""


@pytest.mark.parametrize(("text", "meant"), [("true", True), ("on", True), ("false", False), ("0", False)])
def test_a_boolean_is_read_from_a_form(text: str, meant: bool) -> None:
    made, _ = validate(TradingSettings, {"DEFENSE_MODE_ACTIVE": text})
    assert made is not None
    assert made.DEFENSE_MODE_ACTIVE is meant


def test_strategies_are_not_set_by_a_form() -> None:
    assert messages(TradingSettings, strategies="{}") == {"strategies": "strategies is not a setting"}


def test_no_float_becomes_a_setting() -> None:
    for wrong in (0.5, True, Decimal("NaN"), None):
        with pytest.raises(ValidationError):
            TradingSettings.model_validate({"TOTAL_ALLOCATION": wrong})
    made = TradingSettings(TOTAL_ALLOCATION=Decimal("0.25"), MAX_TRADES=3)
    assert values(made)["TOTAL_ALLOCATION"] == "0.25"


@given(st.dictionaries(st.sampled_from([*described(Configuration), "other"]), st.text(max_size=20)))
@settings(deadline=None, max_examples=200)
def test_any_text_is_taken_or_refused_field_by_field(raw: dict[str, str]) -> None:
    made, found = validate(Configuration, raw)
    assert (made is None) == bool(found)
    if made is not None:
        shown = {**values(made), "SMTP_PASSWORD": made.SMTP_PASSWORD.get_secret_value()}
        assert validate(Configuration, shown) == (made, {})
