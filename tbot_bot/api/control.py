"""Acts on the bot's life, and what each would do."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tbot_bot.api.backups import Finding
from tbot_bot.api.model import Message


class Act(StrEnum):
    """What a person can ask of the bot; the values are the last part of `/control/api/<act>`."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    KILL = "kill"
    CANCEL_CLOSING = "cancel_closing"
    SIGN_RESIDUALS = "sign_residuals"
    BEGIN_DEFENSE = "begin_defense"
    END_DEFENSE = "end_defense"
    SIGN_BREAK = "sign_break"
    RESET = "reset"


class AskPreview(Message):
    act: Act = Field(description="The act.")


class PreviewLine(Message):
    """One position or order that the act concerns."""

    what: str
    symbol: str
    quantity: str
    value: str | None


class Preview(Message):
    """What the act would do, read from the books now; `allowed` False says why not in `refusal`.

    `subject` names what it is about where that may change; the act names it too and is refused when it has changed.
    """

    act: Act
    allowed: bool
    refusal: str = ""
    title: str
    sentence: str
    effects: list[str]
    positions: list[PreviewLine]
    orders: list[PreviewLine]
    gross_value: str | None
    typed_confirmation: str | None = None
    needs_step_up: bool = False
    subject: str = ""


class Issued(Message):
    """A live, one-use request id for a flag file."""

    request_id: str
    expires_at: str


class ActRequest(Message):
    """`reason` is kept in the audit trail; `typed` is the name typed for acts that ask for it."""

    reason: str = Field(default="", max_length=500, description="Why; kept in the audit trail.")
    typed: str = Field(default="", max_length=100, description="The name typed, for acts that ask for it.")
    subject: str = Field(default="", max_length=100, description="What its preview was about, where that names it.")


class PauseStrategy(Message):
    """Hold back the entries of one strategy, or with `paused` false let it enter again."""

    strategy: str = Field(max_length=40, description="The strategy.")
    paused: bool = Field(default=True, description="Whether its entries are to be held back.")
    reason: str = Field(default="", max_length=500, description="Why; kept in the audit trail and shown.")


class ActOutcome(Message):
    """Where the bot stands after the act was taken."""

    state: str = Field(description="State of the lifecycle; empty for an act that is only asked for.")
    message: str = Field(description="What was done, and what follows.")


class ClosingStep(Message):
    """One step of Stop or Kill with the time it took."""

    name: str
    status: str
    detail: str
    seconds: float | None = None


class ClosingReport(Message):
    """The running or last closing; `residuals` are positions that could not be closed."""

    kind: str
    started_at: str
    ended_at: str | None
    steps: list[ClosingStep]
    residuals: list[PreviewLine]


class ControlState(Message):
    """What the control bar and the error page show; `since` is when it came into its state, UTC.

    `findings` are what was found changed or damaged. `recovery` says that the home could not be opened: nothing is
    served but its restore, for whoever holds the recovery token.
    """

    state: str
    paused: bool
    kill_armed: bool
    kill_triggered: bool
    acts: list[Act]
    closing: ClosingReport | None
    error: str | None
    last_good_state: str | None
    since: str | None = None
    findings: list[Finding] = Field(default_factory=list)
    recovery: bool = False
