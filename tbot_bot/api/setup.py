"""First run: setup token, configuration, provisioning progress, first administrator."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tbot_bot.api.model import Message


class WebKeys(Message):
    """What the portal needs to sign cookies and to seal secrets; newest signing key first.

    `generation` is None where no generation can be read.
    """

    generation: int | None
    signing_keys: list[str]
    sealing_public_key: str


class ExchangeToken(Message):
    """The one-time setup token."""

    token: str = Field(max_length=256)


class SetupSession(Message):
    """A session that may configure and register, until an administrator exists."""

    setup_session: str


class BrokerChoice(Message):
    """A broker that is really there."""

    code: str = Field(description="Its code.")
    name: str = Field(description="Its name.")
    simulated: bool = Field(description="Whether its market is simulated.")


class ConfigurationForm(Message):
    """What the configuration page shows: descriptions of `tbot_bot.api.settings.Configuration` are the web's own."""

    brokers: list[BrokerChoice]
    values: dict[str, str]
    saved: bool
    editable: bool
    generation: int


class SubmitConfiguration(Message):
    """The form as typed, without its secret fields; those are inside `sealed`."""

    values: dict[str, str]
    sealed: str | None = None


class Submitted(Message):
    """The input is durable in `generation`; the flag that names `request_id` says go."""

    request_id: str
    generation: int


class StepStatus(StrEnum):
    """Where one step of the set-up stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Step(Message):
    """One step of provisioning or bootstrapping; `detail` says what was done or why it failed and what to do."""

    name: str = Field(description="Name of the step.")
    title: str = Field(description="The step in words.")
    status: StepStatus = Field(description="Where it stands.")
    detail: str = Field(default="", description="What was done, or why it failed and what to do.")
    seconds: float | None = Field(default=None, description="How long it took, or has been taking.")


class Progress(Message):
    """How far the set-up is."""

    state: str = Field(description="State of the lifecycle.")
    steps: list[Step] = Field(description="Every step, in order.")
    failed: bool = Field(description="Whether a step failed.")
    done: bool = Field(description="Whether all are done.")
    elapsed_s: int | None = Field(default=None, description="Whole seconds since the first step; null before it.")


class RegisterAdmin(Message):
    """The first administrator; `sealed` holds `password`, and `confirm_password` where a person typed it twice."""

    username: str = Field(max_length=1024)
    email: str = Field(max_length=1024)
    sealed: str


class Registered(Message):
    """Shown once: codes that let the administrator in when the password is lost."""

    username: str
    recovery_codes: list[str]
    generation: int
