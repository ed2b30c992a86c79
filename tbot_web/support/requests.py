"""What kind of request this is: a person's navigation or a program's, on its own or in a frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from flask import Request, request

from tbot_bot.api.errors import ApiError

Default = TypeVar("Default")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
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


def whole_number(name: str, default: Default, least: int, most: int | None = None) -> int | Default:
    """A whole number of the query, `default` without it; anything else is refused with what is allowed."""
    text = request.args.get(name, "").strip()
    if not text:
        return default
    number = int(text) if _NUMBER.fullmatch(text) else None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"from {least} to {most}" if most is not None else f"from {least}"
        raise refused_filter(name, f"{name} must be a whole number {bounds}")
    return number


def one_of(name: str, allowed: Sequence[str], default: Default) -> str | Default:
    """A word of the query that is one of `allowed`, `default` without it; any other is refused."""
    text = request.args.get(name, "").strip()
    if text and text not in allowed:
        raise refused_filter(name, f"{name} must be one of {', '.join(allowed)}")
    return text or default


def expected_version(what: str) -> int:
    """The version in `If-Match` that a change of `what` is about; raises ApiError without exactly one."""
    tags = request.if_match.as_set()
    version = next(iter(tags), "")
    if len(tags) != 1 or not version.isdecimal():
        raise ApiError.of(
            428,
            "no_if_match",
            "Say which version you change",
            f"A change needs the header If-Match with the ETag of the {what}. Nothing was changed.",
            f"Read the {what}, look at what stands there, and send its ETag along.",
        )
    return int(version)


def refused_filter(name: str, sentence: str) -> ApiError:
    """A parameter of the query that cannot be applied."""
    return ApiError.of(400, "bad_filter", "This filter cannot be applied", fields={name: f"{sentence}."})
