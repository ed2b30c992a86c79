"""Deny by default: every view needs a permission, its page's or its own, and exists in some phases only.

UndeclaredPermissionError   a view that names no permission; the app is not made
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, abort, current_app, g, request
from werkzeug.exceptions import MethodNotAllowed

from tbot_bot.api.errors import ApiError, no_setup_session, not_allowed, not_signed_in
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_web.support.page import Page
from tbot_web.support.session_manager import caller, verified_recently

#: How long an act that must work without the runner waits to learn that it is gone.
_HURRIED_S = 0.5
View = TypeVar("View", bound=Callable[..., Any])


class UndeclaredPermissionError(Exception):
    """A view names no permission, neither itself nor by its page."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"the view {endpoint} names no permission: give it @needs(...) or its module a PAGE")


@dataclass(frozen=True, slots=True)
class Need:
    """What a view asks for in `phases` (None: wherever its page is loaded)."""

    permission: Permission
    phases: frozenset[Phase] | None = None
    even_without_runner: bool = False

    def holds_in(self, phase: Phase | None) -> bool:
        return self.phases is None or phase in self.phases


def needs(
    permission: Permission, phases: frozenset[Phase] | None = None, *, even_without_runner: bool = False
) -> Callable[[View], View]:
    """Declare what a view needs in place of its page's permission; repeat it to differ by phase.

    In phases that none of its declarations names the view does not exist. `even_without_runner` admits a session that
    was verified in the last 15 minutes when the runner is gone: for the kill switch.
    """

    def declare(view: View) -> View:
        view.__needs__ = (Need(permission, phases, even_without_runner), *getattr(view, "__needs__", ()))  # type: ignore[attr-defined]  # an attribute of our own
        return view

    return declare


def install(app: Flask, phase: Phase | None, pages: Mapping[str, Page]) -> None:
    """Guard every view of `app`; `pages` are the pages by blueprint name. Call it when all views are registered."""
    required = {endpoint: _declared(app, endpoint, pages) for endpoint in app.view_functions}
    app.extensions["declared_needs"] = required
    app.extensions["needs"] = {
        endpoint: next((need for need in declared if need.holds_in(phase)), None)
        for endpoint, declared in required.items()
    }
    app.before_request(_guard)


def needed(app: Flask, endpoint: str) -> Need | None:
    """What the view needs in this app's phase; None if it does not exist in it."""
    found: dict[str, Need | None] = app.extensions["needs"]
    return found[endpoint]


def declared_needs(app: Flask, endpoint: str) -> tuple[Need, ...]:
    """Everything that the view declared, for whatever phase."""
    found: dict[str, tuple[Need, ...]] = app.extensions["declared_needs"]
    return found[endpoint]


def _declared(app: Flask, endpoint: str, pages: Mapping[str, Page]) -> tuple[Need, ...]:
    own: tuple[Need, ...] = getattr(app.view_functions[endpoint], "__needs__", ())
    if own:
        return own
    if endpoint == "static":
        return (Need(Permission.PUBLIC, even_without_runner=True),)
    page = pages.get(endpoint.rpartition(".")[0])
    if page is None:
        raise UndeclaredPermissionError(endpoint)
    return (Need(page.permission),)


def _guard() -> None:
    if request.endpoint is None:
        if isinstance(request.routing_exception, MethodNotAllowed) and not _exists(request.routing_exception):
            abort(404)  # 405 would tell that the address exists in another phase
        return  # no such address: Flask answers 404 or 405 by itself
    need = needed(current_app, request.endpoint)
    if need is None:
        abort(404)
    if need.permission is not Permission.PUBLIC:
        _require(need, _judged(need))


def _exists(refused: MethodNotAllowed) -> bool:
    """Whether another method would find a view of this phase at the request's address."""
    addresses = current_app.create_url_adapter(request)
    if addresses is None:
        return False
    endpoints = (addresses.match(method=method)[0] for method in refused.valid_methods or ())
    return any(needed(current_app, endpoint) for endpoint in endpoints)


def _judged(need: Need) -> Verdict:
    recent = verified_recently() if need.even_without_runner else None
    try:
        return caller(_HURRIED_S if recent else None)
    except ApiError as error:
        if recent is None or error.problem.code != "runner_unreachable":
            raise
        g.caller = recent
        return recent


def _require(need: Need, verdict: Verdict) -> None:
    if need.permission is Permission.SETUP:
        if not verdict.setup:
            raise no_setup_session()
    elif verdict.status is not SessionStatus.ACTIVE:
        raise not_signed_in()
    elif need.permission not in verdict.permissions:
        raise not_allowed(need.permission)
