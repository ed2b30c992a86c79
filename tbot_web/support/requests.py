"""What kind of request this is: a person's navigation or a program's, on its own or in a frame."""

from __future__ import annotations

from flask import Request, request

#: Plain documents for programs, outside of any `/api`.
_FOR_PROGRAMS = frozenset({"/healthz", "/readyz", "/metrics"})
#: The one page under `/api`.
_REFERENCE = "/api/docs"


def wants_json(asked: Request | None = None) -> bool:
    """Whether the answer is for a program: errors are problem documents, and nobody is sent to a login page."""
    asked = asked or request
    if asked.path in _FOR_PROGRAMS or ("api" in asked.path.split("/") and asked.path != _REFERENCE):
        return True
    accepted = asked.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def is_navigation() -> bool:
    """Whether the browser is about to show the answer; clients that do not say so are taken by what they ask for."""
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else not wants_json()


def is_framed() -> bool:
    """Whether the answer goes into a frame."""
    return request.headers.get("Sec-Fetch-Dest") in {"iframe", "frame"}
