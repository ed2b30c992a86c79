"""Declared settings: one field is one setting, and forms, validation, defaults and help all follow from it.

A model is closed to unknown keys. `describe` turns its fields into plain data, `validate` turns text into an instance
or into one message for each field that says what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from tbot_bot.api.web_address import address_problem
from tbot_bot.domain.ids import BOT_ID, CODE, BotIdentity
from tbot_bot.domain.money import to_decimal
from tbot_bot.domain.notices import NoticeKind

# Plain spellings only: no exponent, no underscore, no digits of other scripts, no more decimals than money has.
_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,8})?")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class SettingType(StrEnum):
    """What a form shows for a setting."""

    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - the name of a kind of field
    CHOICE = "choice"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"


class FieldDescription(BaseModel):
    """One setting as plain data; numbers and defaults are text, empty where there is none.

    `names` are what a person reads for a choice. `fixed` says why it cannot change once the bot is set up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    type: SettingType
    choices: tuple[str, ...] = ()
    names: dict[str, str] = {}
    unit: str = ""
    help: str = ""
    default: str = ""
    minimum: str = ""
    maximum: str = ""
    pattern: str = ""
    allowed: str
    secret: bool = False
    group: str = ""
    fixed: str = ""


def trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _exact(value: object) -> object:
    if isinstance(value, Decimal) or type(value) is int:
        return to_decimal(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise PydanticCustomError("inexact", "not a plain decimal number")


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _whole(value: object) -> object:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise PydanticCustomError("not_whole", "not a whole number")
    return value


Text = Annotated[str, BeforeValidator(trimmed)]
Whole = Annotated[int, BeforeValidator(_whole), BeforeValidator(trimmed)]
Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    BeforeValidator(trimmed),
    PlainSerializer(_plain, return_type=str, when_used="json"),
]


def setting(
    default: object,
    *,
    title: str,
    help: str,  # noqa: A002 - the field's own word, used as a keyword only
    group: str,
    unit: str = "",
    minimum: int | str | None = None,
    maximum: int | str | None = None,
    pattern: str | None = None,
    allowed: str = "",
    names: Mapping[str, str] | None = None,
    fixed: str = "",
) -> Any:
    """Declare one setting: its default, what it is for, and its bounds.

    `allowed` says in words what `pattern` says in symbols; for numbers and choices the words follow from the bounds.
    `names` are what a person reads for each choice. `fixed` says why it cannot change once the bot is set up.
    """
    return Field(
        default,
        title=title,
        description=help,
        ge=None if minimum is None else Decimal(minimum),
        le=None if maximum is None else Decimal(maximum),
        pattern=None if pattern is None else f"^(?:{pattern})$",
        json_schema_extra={
            "group": group,
            "unit": unit,
            "allowed": allowed,
            "names": dict(names or {}),
            "fixed": fixed,
        },
    )


class Settings(BaseModel):
    """What every declared model shares: frozen, closed to unknown keys, and free of contradictions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def conflicts(self) -> dict[str, str]:
        """Return a message for each field that contradicts another one."""
        return {}

    @model_validator(mode="after")
    def _without_conflicts(self) -> Self:
        found = self.conflicts()
        if found:
            raise PydanticCustomError("conflict", "settings contradict each other", {"fields": found})
        return self


_HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
_ADDRESS = r"[^@\s\x00-\x1f<>]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_KIND = "|".join(NoticeKind)
_KINDS = rf"|(?:{_KIND})(?: *, *(?:{_KIND}))*"
_KINDS_WORDS = f"some of {', '.join(NoticeKind)}, with commas between"
#: A key that signs is no shorter.
_SIGNING_KEY_LENGTH_MIN = 16
_CODE_WORDS = "1 to 16 capital letters and digits, a letter first"
_IDENTITY_STAYS = "It stands in every record and folder of this bot; another identity is another home."
_MARKET_STAYS = "The market's books began with it; another market is another home."


_WEB_ADDRESSES = ("NOTIFY_WEBHOOK_URL", "NOTIFY_HEARTBEAT_URL")


class Configuration(Settings):
    """Who this bot is, which market it trades on, how it sends mail, and whom it tells of what happens."""

    ENTITY_CODE: Text = setting(
        "RIGD",
        title="Entity",
        help="Short code of the legal entity that owns the account.",
        group="Identity",
        pattern=CODE.pattern,
        allowed=_CODE_WORDS,
        fixed=_IDENTITY_STAYS,
    )
    JURISDICTION_CODE: Text = setting(
        "US",
        title="Jurisdiction",
        help="Where the entity is taxed and supervised.",
        group="Identity",
        pattern=CODE.pattern,
        allowed=_CODE_WORDS,
        fixed=_IDENTITY_STAYS,
    )
    BROKER_CODE: Text = setting(
        "SIM",
        title="Broker",
        help="Where orders go. The embedded simulated market needs no account.",
        group="Identity",
        pattern=CODE.pattern,
        allowed="the code of a broker, in capital letters",
        fixed=_IDENTITY_STAYS,
    )
    BOT_ID: Text = setting(
        "001",
        title="Bot number",
        help="Tells the bots of one entity apart.",
        group="Identity",
        pattern=BOT_ID.pattern,
        allowed="1 to 16 capital letters and digits",
        fixed=_IDENTITY_STAYS,
    )
    SIM_FEED: Literal["synthetic", "replay"] = setting(
        "synthetic",
        title="Price feed",
        help="Synthetic prices are generated from the seed; a replay plays recorded bars from a folder.",
        group="Simulated market",
        names={"synthetic": "Synthetic prices", "replay": "Replay of recorded bars"},
        fixed=_MARKET_STAYS,
    )
    SIM_REPLAY_DIR: Text = setting(
        "",
        title="Replay folder",
        help="Folder of recorded bars on the machine that runs the bot. Needed for a replay only.",
        group="Simulated market",
        pattern=r"[^\x00-\x1f]{0,4096}",
        allowed="the path of a folder, absolute or from where the bot was started",
    )
    SIM_SPEED: Exact = setting(
        Decimal(120),
        title="Market speed",
        help="How much faster than the wall clock the market runs.",
        group="Simulated market",
        unit="market seconds per second",
        minimum=1,
        maximum=36000,
    )
    SIM_SEED: Whole = setting(
        7,
        title="Seed",
        help="The same seed makes the same synthetic prices.",
        group="Simulated market",
        minimum=0,
        maximum=2**31 - 1,
        fixed=_MARKET_STAYS,
    )
    SIM_STARTING_CASH: Exact = setting(
        Decimal(100000),
        title="Starting cash",
        help="What the simulated account holds on its first day.",
        group="Simulated market",
        unit="USD",
        minimum=1000,
        maximum=1_000_000_000,
        fixed=_MARKET_STAYS,
    )
    SMTP_HOST: Text = setting(
        "",
        title="Mail server",
        help="Leave empty to send no mail; password resets by mail need it.",
        group="Mail",
        pattern=f"|{_HOST}",
        allowed="a host name or address",
    )
    SMTP_PORT: Whole = setting(
        587, title="Mail port", help="Usually 587 for STARTTLS, 465 for TLS.", group="Mail", minimum=1, maximum=65535
    )
    SMTP_USER: Text = setting(
        "",
        title="Mail user",
        help="Leave empty if the server asks for no login.",
        group="Mail",
        pattern=r"[^\x00-\x1f]{0,256}",
        allowed="at most 256 characters on one line",
    )
    SMTP_PASSWORD: SecretStr = setting(
        SecretStr(""),
        title="Mail password",
        help="Stored encrypted, never shown again.",
        group="Mail",
    )
    SMTP_FROM: Text = setting(
        "",
        title="Sender address",
        help="The address that mail comes from.",
        group="Mail",
        pattern=f"|{_ADDRESS}",
        allowed="a mail address like bot@example.org",
    )
    SMTP_SECURITY: Literal["starttls", "tls", "none"] = setting(
        "starttls",
        title="Mail encryption",
        help="None only for a server on this machine.",
        group="Mail",
        names={"starttls": "STARTTLS", "tls": "TLS from the start", "none": "None"},
    )
    NOTIFY_MAIL_TO: Text = setting(
        "",
        title="Mail to",
        help="Who gets notices by mail; leave empty for none. They go out through the mail server above.",
        group="Notifications",
        pattern=rf"|{_ADDRESS}(?: *, *{_ADDRESS}){{0,9}}",
        allowed="up to 10 mail addresses with commas between",
    )
    NOTIFY_MAIL_WITHOUT: Text = setting(
        NoticeKind.FAREWELL.value,
        title="Not by mail",
        help="Kinds of notices that are not mailed; every other kind is.",
        group="Notifications",
        pattern=_KINDS,
        allowed=_KINDS_WORDS,
    )
    NOTIFY_WEBHOOK_URL: SecretStr = setting(
        SecretStr(""),
        title="Webhook address",
        help="Gets each notice as JSON; https, or http on this machine. Redirects are not followed.",
        group="Notifications",
    )
    NOTIFY_WEBHOOK_KEY: SecretStr = setting(
        SecretStr(""),
        title="Webhook key",
        help="Signs each notice, so that the receiver knows it is ours; at least 16 characters.",
        group="Notifications",
    )
    NOTIFY_WEBHOOK_WITHOUT: Text = setting(
        NoticeKind.FAREWELL.value,
        title="Not to the webhook",
        help="Kinds of notices that the webhook does not get; it gets every other kind.",
        group="Notifications",
        pattern=_KINDS,
        allowed=_KINDS_WORDS,
    )
    NOTIFY_HEARTBEAT_URL: SecretStr = setting(
        SecretStr(""),
        title="Heartbeat address",
        help="Fetched every minute while all is well, so that a monitor elsewhere notices when it is not.",
        group="Notifications",
    )
    AUDIT_ANCHOR_FILE: Text = setting(
        "",
        title="Anchor file",
        help="Each signed checkpoint of the audit trail is added here too; best on another disk. Empty for none.",
        group="Audit anchors",
        pattern=r"|/[^\x00-\x1f]{1,400}",
        allowed="the whole path of a file",
    )
    AUDIT_ANCHOR_JOURNAL: Literal["no", "yes"] = setting(
        "no",
        title="System journal",
        help="Each signed checkpoint is also said to the journal of the system, where there is one.",
        group="Audit anchors",
        names={"no": "No", "yes": "Yes"},
    )
    AUDIT_ANCHOR_MAIL: Literal["never", "daily"] = setting(
        "never",
        title="Checkpoint by notice",
        help="Once a day the newest checkpoint goes out as a notice; keep those messages.",
        group="Audit anchors",
        names={"never": "Never", "daily": "Daily"},
    )

    @property
    def identity(self) -> BotIdentity:
        """Who this bot is."""
        return BotIdentity(self.ENTITY_CODE, self.JURISDICTION_CODE, self.BROKER_CODE, self.BOT_ID)

    def conflicts(self) -> dict[str, str]:
        """A replay needs its folder; mail and webhook are set up whole or not at all."""
        password = bool(self.SMTP_PASSWORD.get_secret_value())
        login = bool(self.SMTP_USER)
        checks = (
            (
                self.SIM_FEED == "replay" and not self.SIM_REPLAY_DIR,
                "SIM_REPLAY_DIR",
                "must name a folder: the price feed is a replay",
            ),
            (bool(self.SMTP_FROM or login) and not self.SMTP_HOST, "SMTP_HOST", "is needed to send mail"),
            (bool(self.SMTP_HOST) and not self.SMTP_FROM, "SMTP_FROM", "is needed, since a mail server is named"),
            (login and not password, "SMTP_PASSWORD", "is needed, since a mail user is named"),
            (password and not login, "SMTP_USER", "is needed, since a mail password is given"),
        )
        found = {name: message for wrong, name, message in checks if wrong} | self._webhook_conflicts()
        return {name: f"{_title(type(self), name)} {message}" for name, message in found.items()}

    def _webhook_conflicts(self) -> dict[str, str]:
        addresses = {name: getattr(self, name).get_secret_value() for name in _WEB_ADDRESSES}
        found = {name: problem for name, address in addresses.items() if (problem := address_problem(address))}
        key, address = self.NOTIFY_WEBHOOK_KEY.get_secret_value(), addresses["NOTIFY_WEBHOOK_URL"]
        if key and not address:
            found["NOTIFY_WEBHOOK_URL"] = "is needed, since a webhook key is given"
        elif address and len(key) < _SIGNING_KEY_LENGTH_MIN:
            found["NOTIFY_WEBHOOK_KEY"] = f"must have at least {_SIGNING_KEY_LENGTH_MIN} characters"
        return found


S = TypeVar("S", bound=Settings)


def describe(model: type[Settings]) -> list[FieldDescription]:
    """Return the declared settings of `model` in their order; fields not made by `setting` are left out."""
    return [_describe(name, field) for name, field in model.model_fields.items() if field.json_schema_extra]


def validate(model: type[S], raw: Mapping[str, str]) -> tuple[S | None, dict[str, str]]:
    """Build `model` from text: the instance and no messages, or None and a message for each wrong field.

    A missing key takes its default; an empty text is taken as given. A message never repeats the value.
    """
    try:
        return model.model_validate(dict(raw)), {}
    except ValidationError as error:
        return None, _messages(model, error)


def values(settings: Settings) -> dict[str, str]:
    """Return the declared settings as text for a form; a secret is empty."""
    return {each.name: "" if each.secret else _text(getattr(settings, each.name)) for each in describe(type(settings))}


def _messages(model: type[Settings], error: ValidationError) -> dict[str, str]:
    allowed = {each.name: f"{each.title} must be {each.allowed}" for each in describe(model)}
    messages: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False):
        if problem["type"] == "conflict":
            messages.update(problem["ctx"]["fields"])
            continue
        name = str(problem["loc"][0])
        messages[name] = allowed.get(name, f"{name} is not a setting")
    return messages


def _title(model: type[Settings], name: str) -> str:
    return model.model_fields[name].title or name


def _describe(name: str, field: FieldInfo) -> FieldDescription:
    extra = field.json_schema_extra
    stated: dict[str, Any] = extra if isinstance(extra, dict) else {}
    kind, choices = _kind(field)
    low, high, pattern = (_stated(field, rule) for rule in ("ge", "le", "pattern"))
    secret = kind is SettingType.SECRET
    return FieldDescription(
        name=name,
        title=field.title or name,
        type=kind,
        choices=choices,
        names=stated["names"],
        unit=stated["unit"],
        help=field.description or "",
        default="" if secret else _text(field.default),
        minimum=low,
        maximum=high,
        pattern=pattern,
        allowed=stated["allowed"] or _allowed(kind, choices, low, high, stated["unit"]),
        secret=secret,
        group=stated["group"],
        fixed=stated["fixed"],
    )


def _stated(field: FieldInfo, rule: str) -> str:
    return next((str(getattr(part, rule)) for part in field.metadata if getattr(part, rule, None) is not None), "")


def _kind(field: FieldInfo) -> tuple[SettingType, tuple[str, ...]]:
    if get_origin(field.annotation) is Literal:
        return SettingType.CHOICE, get_args(field.annotation)
    kinds: dict[Any, SettingType] = {
        str: SettingType.TEXT,
        SecretStr: SettingType.SECRET,
        bool: SettingType.BOOLEAN,
        int: SettingType.INTEGER,
        Decimal: SettingType.DECIMAL,
    }
    return kinds[field.annotation], ()


def _allowed(kind: SettingType, choices: tuple[str, ...], low: str, high: str, unit: str) -> str:
    if kind is SettingType.CHOICE:
        return f"one of {', '.join(choices)}"
    if kind is SettingType.BOOLEAN:
        return "true or false"
    if kind is SettingType.SECRET:
        return "text"
    whole = "a whole number " if kind is SettingType.INTEGER else ""
    return f"{whole}between {low} and {high} {unit}".rstrip()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _plain(value) if isinstance(value, Decimal) else str(value)
