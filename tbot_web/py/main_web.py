"""`/`: the shell around the panels, with the controls that are always at hand."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_web.support import console, status_source, status_view
from tbot_web.support.answers import SessionEnds
from tbot_web.support.openapi import documented
from tbot_web.support.page import Page
from tbot_web.support.runner_client import runner
from tbot_web.support.security_users import needs
from tbot_web.support.session_manager import caller
from tbot_web.support.utils_web import Answer, attempt

PAGE = Page(
    slug="main",
    title="Console",
    purpose="",
    prefix="/",
    permission=Permission.STATUS_VIEW,
    phases=frozenset({Phase.MAIN, Phase.CLOSING}),
)
blueprint = Blueprint("main", __name__)


@blueprint.get("/")
def show() -> Answer:
    """The shell, with the panel that the address names or the first one."""
    verdict = caller()
    groups = console.navigation(current_app.config["PAGES"], verdict.permissions, current_app.config["PHASE"])
    panels = {page.slug: page for _, members in groups for page in members}
    asked = request.args.get("panel", "")
    published, state = attempt(status_source.published), attempt(_state)
    fresh = None if isinstance(published, Problem) else published.document
    document = fresh or status_source.last()
    known = None if isinstance(state, Problem) else state
    bot = document.bots[0] if document and document.bots else None
    return render_template(
        "main.html",
        page=PAGE,
        verdict=verdict,
        groups=groups,
        panels=panels,
        chosen=panels.get(asked) or next(iter(panels.values()), None),
        document=document,
        bot=bot,
        view=status_view,
        state=known,
        failure=next((found for found in (state, published) if isinstance(found, Problem)), None),
        controls=console.controls(known, verdict.permissions, bot.open_positions if bot and fresh else None),
        banners=console.banners(bot, known),
    )


@blueprint.post("/extend")
@documented("Keep the session of a person who is still there.", answer=SessionEnds)
@needs(Permission.ACCOUNT_SELF)
def extend() -> Response:
    """Keep the session: asking is a person's act, and that is all it takes."""
    verdict = caller()
    return jsonify(expires_at=verdict.expires_at, absolute_expires_at=verdict.absolute_expires_at)


def _state() -> ControlState:
    state: ControlState = runner().call("control.state")
    return state
