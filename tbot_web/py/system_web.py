"""The core that every phase has: health and counters for machines, and where `/` leads before there is a dashboard."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, redirect
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot import VERSION
from tbot_bot.api.errors import ApiError, runner_unreachable
from tbot_bot.api.lifecycle import PHASES, Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.status import MetricsText
from tbot_web.support.answers import Health, Readiness
from tbot_web.support.home import home
from tbot_web.support.metrics import Metrics
from tbot_web.support.openapi import documented
from tbot_web.support.runner_client import runner
from tbot_web.support.security_users import needs

blueprint = Blueprint("system", __name__)
#: Where `/` leads while there is no dashboard, by phase.
FIRST_PAGES = {Phase.CONFIGURATION: "/configuration", Phase.REGISTRATION: "/register"}
entrance = Blueprint("entrance", __name__)
#: The application that waits for the runner answers everything with this.
waiting = Blueprint("waiting", __name__)

_HEALTH_TIMEOUT_S = 2.0
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@blueprint.get("/healthz")
@documented("Whether portal and runner are up, and where the bot stands.", answer=Health)
@needs(Permission.PUBLIC, even_without_runner=True)
def healthz() -> Response:
    """Say whether portal and runner are up, and where the bot stands."""
    state = home().state()
    return jsonify(
        status="ok" if _runner_answers() else "runner_down",
        phase=state and PHASES[state],
        state=state,
        version=VERSION,
    )


@blueprint.get("/readyz")
@documented("200 only if the runner answers.", answer=Readiness)
@needs(Permission.PUBLIC, even_without_runner=True)
def readyz() -> Response:
    """Say 200 only if the runner answers."""
    if not _runner_answers():
        raise runner_unreachable()
    return jsonify(status="ok")


@blueprint.get("/metrics")
@documented("The counters of portal and runner, as Prometheus reads them.", media_type="text/plain")
@needs(Permission.METRICS_VIEW, frozenset({Phase.MAIN}))
def metrics() -> Response:
    """Return the counters of this portal process and of the runner."""
    answer: MetricsText = runner().call("metrics.text")
    own: Metrics = current_app.extensions["metrics"]
    return Response(own.text() + answer.text, mimetype="text/plain; version=0.0.4")


@entrance.get("/")
@needs(Permission.PUBLIC)
def start() -> AnyResponse:
    """Lead to the first thing to do."""
    return redirect(FIRST_PAGES[current_app.config["PHASE"]], 303)


@waiting.route("/", defaults={"address": ""}, methods=_METHODS)
@waiting.route("/<path:address>", methods=_METHODS)
@needs(Permission.PUBLIC)
def wait(address: str) -> AnyResponse:  # noqa: ARG001 - every address has the same answer
    """Say that nobody knows yet where the bot stands."""
    raise runner_unreachable()


def _runner_answers() -> bool:
    try:
        runner().call("web.keys", timeout_s=_HEALTH_TIMEOUT_S)
    except ApiError:
        return False
    return True
