"""`/control`: what each act would do, its confirmation, and the act itself.

Start, stop and kill are flag files; the others are verbs of the runner. Kill never waits for the runner.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from flask import (
    Blueprint,
    Response,
    copy_current_request_context,
    redirect,
    render_template,
    request,
)
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.control import Act, ActOutcome, ActRequest, AskPreview, ControlState, Issued, PauseStrategy, Preview
from tbot_bot.api.errors import ApiError, Problem, not_allowed
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.status import StatusDocument
from tbot_bot.domain.ids import is_request_id
from tbot_web.support import console, flags
from tbot_web.support.console import permission_for
from tbot_web.support.flags import KillPulled
from tbot_web.support.home import home
from tbot_web.support.openapi import documented
from tbot_web.support.page import Page
from tbot_web.support.runner_client import idempotency_key, new_request_id, runner
from tbot_web.support.security_users import needs
from tbot_web.support.session_manager import caller
from tbot_web.support.step_up import prove_again
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer, message_of

PAGE = Page(
    slug="control",
    title="Control",
    purpose="What the act would do, before it is done.",
    prefix="/control",
    permission=Permission.TRADING_CONTROL,
    phases=frozenset({Phase.MAIN, Phase.CLOSING, Phase.ERROR}),
)
blueprint = Blueprint("control", __name__)
log = structlog.get_logger("web")

_VERBS = {
    Act.PAUSE: "control.pause",
    Act.RESUME: "control.resume",
    Act.BEGIN_DEFENSE: "control.begin_defense",
    Act.END_DEFENSE: "control.end_defense",
    Act.SIGN_BREAK: "control.sign_break",
    Act.CANCEL_CLOSING: "control.cancel_closing",
    Act.SIGN_RESIDUALS: "control.sign_residuals",
    Act.RESET: "control.reset",
}
#: How long the record of a kill may hold up the answer, and the preview of one its confirmation.
_KILL_WAITS_S = 1.0


class ActBody(ActRequest):
    """The confirmation of an act."""

    password: str = Field(default="", description="Proves the person again, for acts that ask for it.")
    request_id: str = Field(default="", description="Stands for a missing Idempotency-Key.")


@dataclass(frozen=True, slots=True)
class Asked:
    """The confirmation as it was sent; `password` never leaves this request but sealed."""

    reason: str
    typed: str
    subject: str
    password: str
    request_id: str

    @classmethod
    def of_request(cls) -> Asked:
        """Read a form or a JSON object of texts."""
        sent: Mapping[str, object] = request.get_json() if request.is_json else request.form
        if not isinstance(sent, Mapping):
            raise ApiError.of(400, "bad_request", "The request is malformed", "It must be a JSON object.")
        texts = {name: value for name, value in sent.items() if isinstance(value, str)}
        request_id = request.headers.get("Idempotency-Key") or texts.get("request_id", "")
        return cls(
            reason=texts.get("reason", "").strip()[:500],
            typed=texts.get("typed", "").strip()[:100],
            subject=texts.get("subject", "")[:100],
            password=texts.get("password", ""),
            request_id=request_id if is_request_id(request_id) else new_request_id(),
        )


@blueprint.get("/")
@needs(Permission.STATUS_VIEW)
def show() -> Answer:
    """Where the bot stands and what may be done about it, where there is no console around."""
    state = attempt(_state)
    if isinstance(state, Problem):
        return failed_panel(PAGE, state)
    offered = console.controls(state, caller().permissions, None)
    return render_template("control_acts.html", page=PAGE, state=state, controls=offered)


@blueprint.get("/confirm/<act>")
@needs(Permission.TRADING_CONTROL, even_without_runner=True)
def confirm(act: str) -> Answer:
    """The confirm step, a page of its own that the shell shows in a dialog."""
    return _confirmation(_known(act), None)


@blueprint.get("/strategies/<name>")
@needs(Permission.TRADING_CONTROL, frozenset({Phase.MAIN}))
def ask_strategy(name: str) -> Answer:
    """What pausing or resuming one strategy means."""
    return _strategy_question(name, None)


@blueprint.post("/strategies/<name>")
@needs(Permission.TRADING_CONTROL, frozenset({Phase.MAIN}))
def carry_out_strategy(name: str) -> Answer | AnyResponse:
    """Pause or resume it."""
    asked = Asked.of_request()
    wanted = PauseStrategy(strategy=name[:40], paused=request.form.get("paused") == "true", reason=asked.reason)
    result = attempt(lambda: _pause_strategy(wanted, asked.request_id))
    return _strategy_question(name, result) if isinstance(result, Problem) else redirect("/", 303)


@blueprint.post("/api/strategies")
@documented("Hold back the entries of one strategy, or let it enter again.", answer=ActOutcome, body=PauseStrategy,
            repeatable=True)  # fmt: skip
@needs(Permission.TRADING_CONTROL, frozenset({Phase.MAIN}))
def pause_strategy() -> Response:
    """Pause or resume one strategy."""
    return json_answer(_pause_strategy(message_of(PauseStrategy, request.get_json()), idempotency_key()))


@blueprint.post("/api/<act>")
@documented(
    "Do the act, and say where the bot stands.", answer=ActOutcome, address=AskPreview, body=ActBody, repeatable=True
)
@needs(Permission.TRADING_CONTROL, even_without_runner=True)
def perform(act: str) -> Answer | AnyResponse:
    """Do it. A program gets where the bot stands; a form goes back to the console, or to the question if refused."""
    chosen, asked = _known(act), Asked.of_request()
    if request.is_json:
        return json_answer(_done(chosen, asked))
    result = attempt(lambda: _done(chosen, asked))
    return _confirmation(chosen, result) if isinstance(result, Problem) else redirect("/", 303)


def _strategy_question(name: str, refused: Problem | None) -> Answer:
    document: StatusDocument | Problem = attempt(lambda: runner().call("status.document"))
    if isinstance(document, Problem):
        return failed_panel(PAGE, document)
    found = next((one for bot in document.bots for one in bot.strategies if one.name == name), None)
    if found is None:
        raise ApiError.of(404, "no_such_strategy", "There is no such strategy")
    page = render_template(
        "control_strategy.html", page=PAGE, strategy=found, refused=refused, request_id=new_request_id()
    )
    return page, refused.status if refused else 200


def _pause_strategy(asked: PauseStrategy, request_id: str) -> ActOutcome:
    outcome: ActOutcome = runner().call("control.pause_strategy", asked, request_id=request_id)
    return outcome


def _known(name: str) -> Act:
    try:
        act = Act(name)
    except ValueError as error:
        raise ApiError.of(404, "no_such_act", "There is no such act") from error
    if permission_for(act) not in caller().permissions:
        raise not_allowed(permission_for(act))
    return act


def _confirmation(act: Act, refused: Problem | None) -> Answer:
    preview = attempt(lambda: _preview(act))
    failure = preview if isinstance(preview, Problem) else None
    page = render_template(
        "control.html",
        page=PAGE,
        act=act,
        preview=None if failure else preview,
        failure=failure,
        refused=refused,
        request_id=new_request_id(),
    )
    shown = refused or (failure if act is not Act.KILL else None)
    return page, shown.status if shown else 200


def _state() -> ControlState:
    state: ControlState = runner().call("control.state")
    return state


def _preview(act: Act) -> Preview:
    timeout_s = _KILL_WAITS_S if act is Act.KILL else None
    preview: Preview = runner().call("control.preview", AskPreview(act=act), timeout_s=timeout_s)
    return preview


def _done(act: Act, asked: Asked) -> ActOutcome:
    """Step up first if a password came with it, then act; raises ApiError."""
    if asked.password:
        prove_again(asked.password)
    if act is Act.KILL:
        return _kill(asked)
    if act is Act.START:
        return _start(asked)
    if act is Act.STOP:
        return _stop(asked)
    params = ActRequest(reason=asked.reason, typed=asked.typed, subject=asked.subject)
    outcome: ActOutcome = runner().call(_VERBS[act], params, request_id=asked.request_id)
    return outcome


def _start(asked: Asked) -> ActOutcome:
    issued: Issued = runner().call("control.issue_start", request_id=asked.request_id)
    _write(flags.START, {"request_id": issued.request_id})
    return ActOutcome(state="", message="Start is asked for. The bot reconciles with the broker before it trades.")


def _stop(asked: Asked) -> ActOutcome:
    recorded = attempt(lambda: _record(Act.STOP, asked))
    _write(flags.STOP, {"request_id": asked.request_id})
    if isinstance(recorded, Problem):
        log.warning("stop asked for without a record", code=recorded.code)
        return ActOutcome(
            state="", message="Stop is asked for. It takes effect when the control process answers again."
        )
    return ActOutcome(state="", message="Stop is asked for. No new entries; exits are worked until flat.")


def _kill(asked: Asked) -> ActOutcome:
    try:
        found = flags.pull_kill(_flags(), {"request_id": asked.request_id})
    except OSError as error:
        raise _not_written(error) from error
    _record_kill(asked)
    if found is KillPulled.ALREADY:
        return ActOutcome(state="", message="The kill switch was already triggered; positions are being flattened.")
    return ActOutcome(state="", message="Kill switch triggered: entries are blocked, positions are being flattened.")


def _record_kill(asked: Asked) -> None:
    """Have the runner record who pulled it; the answer waits for that no longer than a moment."""

    @copy_current_request_context
    def record() -> None:
        recorded = attempt(lambda: _record(Act.KILL, asked))
        if isinstance(recorded, Problem):
            log.warning("kill switch pulled without a record", code=recorded.code)

    thread = threading.Thread(target=record, daemon=True)
    thread.start()
    thread.join(_KILL_WAITS_S)


def _record(act: Act, asked: Asked) -> None:
    runner().call("control.record_act", AskPreview(act=act), request_id=asked.request_id)


def _write(name: str, content: Mapping[str, str]) -> None:
    try:
        flags.write_flag(_flags(), name, content)
    except OSError as error:
        raise _not_written(error) from error


def _flags() -> Path:
    return home().flags


def _not_written(error: OSError) -> ApiError:
    log.error("flag not written", error=error.strerror)
    return ApiError.of(
        503,
        "flag_not_written",
        "The request could not be left for the control process",
        f"The folder control/flags cannot be written: {error.strerror}. Nothing was changed.",
        "Open positions keep their protective orders. Repair the folder, or stop the program on its machine.",
    )
