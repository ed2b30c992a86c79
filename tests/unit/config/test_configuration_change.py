from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tbot_bot.api.configuration import Category, category_of, settings_of
from tbot_bot.api.settings import Configuration, describe
from tbot_bot.config.configuration_change import InvalidChangeError, Wanted, changed, differences, secrets_set

PRESENT = Configuration(
    SMTP_HOST="mail.example.org", SMTP_FROM="bot@example.org", SMTP_USER="bot", SMTP_PASSWORD=SecretStr("hunter2")
)


def wanted(category: Category, secrets: dict[str, str] | None = None, *cleared: str, **values: str) -> Wanted:
    return Wanted(category, values, secrets or {}, cleared)


def refused(asked: Wanted) -> dict[str, str]:
    with pytest.raises(InvalidChangeError) as error:
        changed(PRESENT, asked)
    return error.value.fields


def test_every_setting_stands_in_one_category() -> None:
    found = [field.name for category in Category for field in settings_of(category)]
    assert sorted(found) == sorted(field.name for field in describe(Configuration))
    assert {category: settings_of(category)[0].group for category in Category} == {
        Category.IDENTITY: "Identity",
        Category.BROKER: "Simulated market",
        Category.MAIL: "Mail",
        Category.NOTIFICATIONS: "Notifications",
        Category.ANCHORS: "Audit anchors",
    }


def test_what_is_left_out_stays() -> None:
    made = changed(PRESENT, wanted(Category.MAIL, SMTP_PORT="465", SMTP_SECURITY="tls"))
    assert made == PRESENT.model_copy(update={"SMTP_PORT": 465, "SMTP_SECURITY": "tls"})
    assert [(one.name, one.title, one.before, one.after) for one in differences(PRESENT, made)] == [
        ("SMTP_PORT", "Mail port", "587", "465"),
        ("SMTP_SECURITY", "Mail encryption", "starttls", "tls"),
    ]


def test_a_secret_is_told_by_what_happens_to_it() -> None:
    renewed = changed(PRESENT, wanted(Category.MAIL, {"SMTP_PASSWORD": "swordfish"}))
    assert renewed.SMTP_PASSWORD.get_secret_value() == "swordfish"
    (line,) = differences(PRESENT, renewed)
    assert (line.before, line.after) == ("set", "changed")
    removed = changed(PRESENT, wanted(Category.MAIL, {}, "SMTP_PASSWORD", SMTP_USER=""))
    lines = {one.name: (one.before, one.after) for one in differences(PRESENT, removed)}
    assert lines == {"SMTP_USER": ("bot", ""), "SMTP_PASSWORD": ("set", "removed")}
    first = {one.name: one.before for one in differences(removed, PRESENT)}
    assert first["SMTP_PASSWORD"] == "not set"
    assert {name for name, is_set in secrets_set(PRESENT).items() if is_set} == {"SMTP_PASSWORD"}
    assert not any(secrets_set(removed).values())


def test_the_same_values_differ_in_nothing() -> None:
    same = wanted(Category.BROKER, SIM_SPEED=" 120 ", SIM_FEED="synthetic", SIM_SEED="7")
    assert differences(PRESENT, changed(PRESENT, same)) == []
    assert differences(PRESENT, changed(PRESENT, wanted(Category.MAIL, {"SMTP_PASSWORD": "hunter2"}))) == []


@pytest.mark.parametrize(
    ("asked", "name", "message"),
    [
        (wanted(Category.IDENTITY, ENTITY_CODE="ACME"), "ENTITY_CODE", "Entity cannot change. It stands in every"),
        (wanted(Category.BROKER, SIM_SEED="8"), "SIM_SEED", "Seed cannot change. The market's books"),
        (wanted(Category.BROKER, SIM_STARTING_CASH="5000"), "SIM_STARTING_CASH", "Starting cash cannot change."),
        (wanted(Category.BROKER, SIM_SPEED="0"), "SIM_SPEED", "Market speed must be between 1 and 36000"),
        (wanted(Category.MAIL, SMTP_FROM=""), "SMTP_FROM", "is needed, since a mail server is named"),
        (wanted(Category.MAIL, {}, "SMTP_PASSWORD"), "SMTP_PASSWORD", "is needed, since a mail user is named"),
        (wanted(Category.MAIL, SIM_SPEED="60"), "SIM_SPEED", "not a setting to be changed here"),
        (wanted(Category.MAIL, SMTP_PASSWORD="open"), "SMTP_PASSWORD", "not a setting to be changed here"),
        (wanted(Category.MAIL, {"SMTP_HOST": "x"}), "SMTP_HOST", "not a setting to be changed here"),
        (wanted(Category.MAIL, {}, "SMTP_HOST"), "SMTP_HOST", "not a setting to be changed here"),
        (wanted(Category.MAIL, OTHER="x"), "OTHER", "not a setting to be changed here"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(asked: Wanted, name: str, message: str) -> None:
    fields = refused(asked)
    assert list(fields) == [name]
    assert message in fields[name]


def test_a_replay_may_move_to_another_folder() -> None:
    replay = PRESENT.model_copy(update={"SIM_FEED": "replay", "SIM_REPLAY_DIR": "/bars"})
    made = changed(replay, wanted(Category.BROKER, SIM_REPLAY_DIR="/moved/bars"))
    assert [one.name for one in differences(replay, made)] == ["SIM_REPLAY_DIR"]


@given(
    st.sampled_from(Category),
    st.dictionaries(st.sampled_from([one.name for one in describe(Configuration)]), st.text(max_size=12)),
)
@settings(deadline=None, max_examples=200)
def test_a_change_never_leaves_its_category_nor_moves_what_is_fixed(category: Category, typed: dict[str, str]) -> None:
    try:
        made = changed(PRESENT, Wanted(category, typed, {}))
    except InvalidChangeError:
        return
    fixed = {field.name for field in describe(Configuration) if field.fixed}
    for line in differences(PRESENT, made):
        assert category_of(line.name) is category
        assert line.name in typed
        assert line.name not in fixed
