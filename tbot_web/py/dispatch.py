"""Which application answers: the one of the phase that the runner has published, looked up at every request."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import ApiError
from tbot_bot.api.lifecycle import PHASES, Phase, State
from tbot_web.py.portal_web_main import Portal, create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Dispatcher:
    """The WSGI application of the portal: one Flask application for each phase, made when first needed.

    A change of phase takes effect with the next request, in every thread and every worker.
    """

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._lock = threading.Lock()
        self._apps: dict[Phase | None, Flask] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        state = self._portal.home.state() or self._asked_state(environ)
        return self._app(None if state is None else PHASES[state])(environ, start_response)

    def _app(self, phase: Phase | None) -> Flask:
        with self._lock:
            if phase not in self._apps:
                # The application of a phase that is over is let go; whoever it is still answering keeps it alive.
                self._apps = {kept: app for kept, app in self._apps.items() if kept is None}
                self._apps[phase] = create_app(phase, self._portal)
            return self._apps[phase]

    def _asked_state(self, environ: WSGIEnvironment) -> State | None:
        """Ask the runner where the bot stands: its published copy is missing or says nothing we know."""
        with self._app(None).request_context(environ):
            try:
                answer: ControlState = self._portal.runner.call("control.state")
                return State(answer.state)
            except (ApiError, ValueError):  # the waiting page says that nobody knows
                return None
