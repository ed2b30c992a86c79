"""The application factory: one Flask application for each phase, with the pages of that phase and no other."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, request

from tbot_bot.api.lifecycle import Phase
from tbot_bot.domain.time import Clock
from tbot_web.py import discover, system_web
from tbot_web.support import (
    csrf_protection,
    headers,
    problems,
    request_log,
    security_users,
    session_manager,
    utils_web,
)
from tbot_web.support.home import Home
from tbot_web.support.metrics import Metrics
from tbot_web.support.page import Page
from tbot_web.support.runner_client import RunnerClient


@dataclass(frozen=True, slots=True)
class Portal:
    """What the applications of all phases share in one process."""

    home: Home
    clock: Clock
    host: str
    runner: RunnerClient
    keys: csrf_protection.Keyring
    verdicts: session_manager.Verdicts
    metrics: Metrics

    @classmethod
    def of(cls, home: Home, clock: Clock, host: str = "127.0.0.1") -> Portal:
        """Put one together; nothing is opened before the first request."""
        client = RunnerClient(home.runner_socket)
        keys = csrf_protection.Keyring(client, home)
        return cls(home, clock, host, client, keys, session_manager.Verdicts(home, clock), Metrics())


def create_app(phase: Phase | None, portal: Portal) -> Flask:
    """Make the application of `phase`; None is the one that waits for the runner to say where the bot stands.

    Raises UndeclaredPermissionError for a view that names no permission.
    """
    app = Flask("tbot_web")
    app.config["PHASE"] = phase
    app.config["STATUS_JSON"] = portal.home.status_document()
    app.extensions.update(runner=portal.runner, home=portal.home, clock=portal.clock, metrics=portal.metrics)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider, which this is
    pages = _register_pages(app, phase)
    utils_web.install(app)
    request_log.install(app)
    headers.install(app, portal.host, {module.page.prefix: module.page for module in discover() if module.page.panel})
    session_manager.install(app, portal.verdicts)
    security_users.install(app, phase, pages)
    csrf_protection.install(app, portal.keys)
    problems.install(app)
    return app


def _register_pages(app: Flask, phase: Phase | None) -> dict[str, Page]:
    """Register what the phase holds; return the pages by the name of their blueprint."""
    app.register_blueprint(system_web.blueprint)
    if phase is None:
        app.register_blueprint(system_web.waiting)
    if phase in system_web.FIRST_PAGES:
        app.register_blueprint(system_web.entrance)
    present = [module for module in discover() if phase in module.page.phases]
    for module in present:
        app.register_blueprint(module.blueprint, url_prefix=module.page.prefix)
    pages = {module.blueprint.name: module.page for module in present}
    app.extensions["pages"] = pages
    app.config["PAGES"] = [module.page for module in present]
    app.context_processor(lambda: {"page": pages.get(request.blueprint or "", problems.ERROR_PAGE), "phase": phase})
    return pages
