"""`/users/`: who may come in and what they may do; invitations, changes, resets, sessions, removal."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.model import Message
from tbot_bot.api.permissions import Permission, Role
from tbot_bot.api.users import (
    AskPerson,
    ChangePerson,
    DeletePerson,
    InvitePerson,
    People,
    PersonChanged,
    PersonDetail,
    PersonLink,
    ResetPerson,
    SessionsEnded,
    Settable,
)
from tbot_bot.api.wording import counted
from tbot_web.support import people_view
from tbot_web.support.openapi import documented
from tbot_web.support.page import PEOPLE, Page
from tbot_web.support.requests import expected_version
from tbot_web.support.runner_client import idempotency_key, new_request_id, runner
from tbot_web.support.step_up import prove_again
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer, message_of

PAGE = Page(
    slug="users",
    title="People",
    purpose="Who may come in, and what they may do.",
    prefix="/users",
    permission=Permission.USERS_MANAGE,
    phases=frozenset({Phase.MAIN}),
    group=PEOPLE,
    shortcut="p",
    panel=True,
    place=40,
)
EDIT_PAGE = Page("edit_user", "Person", "", "/users", Permission.USERS_MANAGE, PAGE.phases, panel=True)
blueprint = Blueprint("users", __name__)
#: Where a one-time link leads, below the portal's own address.
_LINK = "password_reset.open_link"
_PROOF = Field(default="", max_length=1024, description="The caller's own password, which proves the person again.")


class PersonAddress(Message):
    person: int = Field(description="Number of the person.")


class InviteBody(InvitePerson):
    """A person to add, and the caller's own password."""

    password: str = _PROOF


class ChangeBody(Message):
    """A person's new values, and the caller's own password."""

    email: str = Field(max_length=320, description="Mail address.")
    role: Role = Field(description="What they may do.")
    status: Settable = Field(description="Whether they may sign in.")
    password: str = _PROOF


class DeleteBody(Message):
    """The username once more, and the caller's own password."""

    typed: str = Field(max_length=64, description="The username once more.")
    password: str = _PROOF


class ResetBody(Message):
    """How the link gets to the person, and the caller's own password."""

    by_mail: bool = Field(default=False, description="Mail the link to the person instead of telling it.")
    password: str = _PROOF


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    return _page(None)


@blueprint.post("/")
def invite() -> Answer:
    """Add a person and show their link in the same answer: it exists nowhere else."""
    sent = _typed("username", "email", "role", "by_mail")
    done = attempt(lambda: _invite(message_of(InvitePerson, sent), request.form.get("password", ""), _form_id()))
    return _page(done) if isinstance(done, Problem) else _link_page(done)


@blueprint.get("/<int:person>")
def edit(person: int) -> Answer:
    """One person, and what can be done about them."""
    return _edit_page(person, None)


@blueprint.post("/<int:person>")
def change(person: int) -> Answer | AnyResponse:
    """Change mail address, role or status."""
    sent = _typed("version", "email", "role", "status") | {"id": person}
    done = attempt(lambda: _change(message_of(ChangePerson, sent), request.form.get("password", ""), _form_id()))
    return _done(person, done)


@blueprint.post("/<int:person>/delete")
def delete(person: int) -> Answer | AnyResponse:
    """Remove a person whose name was typed."""
    sent = _typed("version", "typed") | {"id": person}
    done = attempt(lambda: _delete(message_of(DeletePerson, sent), request.form.get("password", ""), _form_id()))
    return _done(person, done)


@blueprint.post("/<int:person>/reset")
def reset(person: int) -> Answer:
    """Void a password and show the link that replaces it."""
    sent = _typed("version", "by_mail") | {"id": person}
    done = attempt(lambda: _reset(message_of(ResetPerson, sent), request.form.get("password", ""), _form_id()))
    return _edit_page(person, done) if isinstance(done, Problem) else _link_page(done)


@blueprint.post("/<int:person>/sessions/end")
def end_sessions(person: int) -> Answer | AnyResponse:
    """Sign a person out everywhere."""
    done = attempt(lambda: _end_sessions(AskPerson(id=person)))
    if isinstance(done, Problem):
        return _edit_page(person, done)
    flash(f"{counted(done.ended, 'session')} ended.")
    return redirect(url_for("users.edit", person=person), 303)


@blueprint.post("/<int:person>/second_factor/remove")
def remove_factor(person: int) -> Answer | AnyResponse:
    """Ask a person for no more codes: they lost what makes them."""
    asked = AskPerson(id=person)
    return _done(person, attempt(lambda: _remove_factor(asked, request.form.get("password", ""), new_request_id())))


@blueprint.get("/api")
@documented("Everybody, by name.", answer=People)
def listed() -> Response:
    """The people as JSON."""
    return json_answer(_people())


@blueprint.post("/api")
@documented("Add a person; the answer holds a one-time link, told once.", answer=PersonLink, body=InviteBody,
            repeatable=True)  # fmt: skip
def invite_one() -> Response:
    """Add a person."""
    sent = message_of(InviteBody, request.get_json())
    asked = InvitePerson.model_validate(sent.model_dump(exclude={"password"}))
    return _versioned(_invite(asked, sent.password, idempotency_key()))


@blueprint.get("/api/<int:person>")
@documented("A person and their live sessions; the ETag is the person's version.", answer=PersonDetail,
            address=PersonAddress)  # fmt: skip
def one(person: int) -> Response:
    """One person as JSON."""
    return _versioned(_detail(person))


@blueprint.put("/api/<int:person>")
@documented("Change a person whose ETag is that of If-Match.", answer=PersonChanged, address=PersonAddress,
            body=ChangeBody, repeatable=True)  # fmt: skip
def change_one(person: int) -> Response:
    """Change a person."""
    sent = message_of(ChangeBody, request.get_json())
    values = sent.model_dump(exclude={"password"})
    asked = ChangePerson(id=person, version=expected_version("person"), **values)
    return _versioned(_change(asked, sent.password, idempotency_key()))


@blueprint.delete("/api/<int:person>")
@documented("Remove a person whose ETag is that of If-Match.", answer=PersonChanged, address=PersonAddress,
            body=DeleteBody, repeatable=True)  # fmt: skip
def delete_one(person: int) -> Response:
    """Remove a person."""
    sent = message_of(DeleteBody, request.get_json())
    asked = DeletePerson(id=person, version=expected_version("person"), typed=sent.typed)
    return json_answer(_delete(asked, sent.password, idempotency_key()))


@blueprint.post("/api/<int:person>/reset")
@documented("Void the password of a person whose ETag is that of If-Match; the answer holds a one-time link.",
            answer=PersonLink, address=PersonAddress, body=ResetBody, repeatable=True)  # fmt: skip
def reset_one(person: int) -> Response:
    """Void a password."""
    sent = message_of(ResetBody, request.get_json())
    asked = ResetPerson(id=person, version=expected_version("person"), by_mail=sent.by_mail)
    return _versioned(_reset(asked, sent.password, idempotency_key()))


@blueprint.post("/api/<int:person>/sessions/end")
@documented("Sign a person out everywhere.", answer=SessionsEnded, address=PersonAddress)
def end_sessions_of_one(person: int) -> Response:
    """Sign a person out everywhere."""
    return json_answer(_end_sessions(AskPerson(id=person)))


def _page(problem: Problem | None) -> Answer:
    found = attempt(_people)
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    page = render_template(
        "users.html",
        page=PAGE,
        people=people_view.matching(found.items, request.args.get("text", ""), request.args.get("role", "")),
        total=len(found.items),
        by_mail=found.by_mail,
        view=people_view,
        roles=list(Role),
        problem=problem,
        request_id=new_request_id(),
    )
    return page, problem.status if problem else 200


def _edit_page(person: int, problem: Problem | None) -> Answer:
    found = attempt(lambda: _detail(person))
    if isinstance(found, Problem):
        return failed_panel(EDIT_PAGE, found)
    page = render_template(
        "edit_user.html",
        page=EDIT_PAGE,
        person=found.person,
        sessions=found.sessions,
        letter=found.letter,
        by_mail=found.by_mail,
        view=people_view,
        roles=list(Role),
        problem=problem,
        request_id=new_request_id,
    )
    return page, problem.status if problem else 200


def _link_page(made: PersonLink) -> Answer:
    token = made.token
    address = url_for(_LINK, kind=made.kind, token=token, _external=True) if token else None
    return render_template("edit_user.html", page=EDIT_PAGE, link=made, address=address, person=made.person)


def _done(person: int, done: PersonChanged | Problem) -> Answer | AnyResponse:
    if isinstance(done, Problem):
        return _edit_page(person, done)
    flash(done.message)
    return redirect(PAGE.address if done.person is None else url_for("users.edit", person=person), 303)


def _versioned(answered: PersonLink | PersonDetail | PersonChanged) -> Response:
    answer = json_answer(answered)
    if answered.person is not None:
        answer.set_etag(str(answered.person.version))
    return answer


def _typed(*names: str) -> dict[str, Any]:
    return {name: request.form[name].strip() for name in names if name in request.form}


def _form_id() -> str:
    return request.form.get("request_id") or new_request_id()


def _people() -> People:
    found: People = runner().call("users.list")
    return found


def _detail(person: int) -> PersonDetail:
    found: PersonDetail = runner().call("users.view", AskPerson(id=person))
    return found


def _invite(asked: InvitePerson, password: str, request_id: str) -> PersonLink:
    made: PersonLink = _proven("users.invite", asked, password, request_id)
    return made


def _change(asked: ChangePerson, password: str, request_id: str) -> PersonChanged:
    changed: PersonChanged = _proven("users.change", asked, password, request_id)
    return changed


def _delete(asked: DeletePerson, password: str, request_id: str) -> PersonChanged:
    done: PersonChanged = _proven("users.delete", asked, password, request_id)
    return done


def _reset(asked: ResetPerson, password: str, request_id: str) -> PersonLink:
    made: PersonLink = _proven("users.reset", asked, password, request_id)
    return made


def _remove_factor(asked: AskPerson, password: str, request_id: str) -> PersonChanged:
    done: PersonChanged = _proven("users.remove_second_factor", asked, password, request_id)
    return done


def _end_sessions(asked: AskPerson) -> SessionsEnded:
    ended: SessionsEnded = runner().call("users.end_sessions", asked)
    return ended


def _proven(verb: str, asked: Message, password: str, request_id: str) -> Any:
    if password:
        prove_again(password)
    return runner().call(verb, asked, request_id=request_id)
