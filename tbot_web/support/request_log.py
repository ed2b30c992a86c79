"""One line for each request: who asked for what, and how it went. Never the query: it may hold the setup token."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog
from flask import Flask, Response, g, request

from tbot_bot.domain.time import Clock
from tbot_web.support.metrics import Metrics

log = structlog.get_logger("web")
#: Asked for so often that only their failures are worth a line.
_QUIET = frozenset({"static", "system.healthz", "system.readyz"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAILED = 400


def set_up() -> None:
    """Have structlog hand its records to the process's log."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # one line for each call would drown the rest
    structlog.configure(
        processors=[_to_standard],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _to_standard(_logger: object, _method: str, record: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    exc_info = record.pop("exc_info", None)
    return (record.pop("event"),), {"exc_info": exc_info, "extra": {"fields": record}}


def install(app: Flask) -> None:
    """Log and count every request of `app`."""
    clock: Clock = app.extensions["clock"]
    metrics: Metrics = app.extensions["metrics"]

    def note_begin() -> None:
        g.begun_at = clock.now()

    def note_end(response: Response) -> Response:
        took = clock.now() - g.begun_at
        method = request.method if request.method in _METHODS else "other"
        metrics.count(request.endpoint or "none", method, response.status_code, took)
        if request.endpoint not in _QUIET or response.status_code >= _FAILED:
            log.info(
                "request",
                method=method,
                path=request.path,
                status=response.status_code,
                ms=round(took.total_seconds() * 1000, 1),
                user=g.caller.username if "caller" in g else None,
                address=request.remote_addr,
            )
        return response

    app.before_request(note_begin)
    app.after_request(note_end)
