"""What every page's template, view and table export share."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from flask import Flask, Response, current_app, render_template, stream_with_context
from pydantic import BaseModel, ValidationError

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.model import Message
from tbot_bot.api.wording import counted, kill_words
from tbot_bot.domain.time import Clock
from tbot_web.support import figures, status_source
from tbot_web.support.page import Page

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
#: What a view of a page returns.
Answer = str | Response | tuple[str | Response, int]

_SIGNED_OUT = 401
#: A cell that starts so can be run as a formula by a spreadsheet.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def install(app: Flask) -> None:
    """Give the templates the names that base.html and _macros.html use."""
    modules = Path(app.static_folder or "") / "js" / "pages"
    present = frozenset(path.stem for path in modules.glob("*.js"))
    app.jinja_env.globals.update(
        figures=figures,
        page_module=present.__contains__,
        counted=counted,
        kill_words=kill_words,
        market_is_simulated=status_source.market_is_simulated,
    )
    app.jinja_env.tests["failure"] = lambda value: isinstance(value, Problem)


def now() -> datetime:
    """The present, by the portal's clock."""
    clock: Clock = current_app.extensions["clock"]
    return clock.now()


def attempt(ask: Callable[[], T]) -> T | Problem:
    """Return the answer, or the problem for its part of the page; only a missing session concerns the whole page."""
    try:
        return ask()
    except ApiError as error:
        if error.problem.status == _SIGNED_OUT:
            raise
        return error.problem


def silence(*parts: object) -> Problem | None:
    """The problem that the runner did not answer for a part: then it is told once, for the whole page."""
    problems = (part for part in parts if isinstance(part, Problem))
    return next((problem for problem in problems if problem.code == "runner_unreachable"), None)


def failed_panel(page: Page, problem: Problem) -> Answer:
    """The panel that says what failed, what still works, and tries again by itself."""
    return render_template("panel_failed.html", page=page, failure=problem), problem.status


def message_of(model: type[M], sent: object) -> M:
    """Read a message from what was sent; raises ApiError that names each field that is wrong, never what it held."""
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        fields = {".".join(map(str, one["loc"])): one["msg"] for one in error.errors(include_input=False)}
        raise ApiError.of(
            400, "bad_request", "The request is malformed", "Nothing was changed.", fields=fields
        ) from error


def json_answer(message: Message) -> Response:
    """A message of the system API as it stands."""
    return Response(message.model_dump_json(), mimetype="application/json")


def csv_response(name: str, head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Response:
    """A table as a CSV download; unknown is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return download(f"{name}.csv", text.getvalue(), "text/csv")


def download(name: str, text: str, mimetype: str) -> Response:
    """Text as a file to keep; `name` is plain ASCII."""
    answer = Response(text, mimetype=mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def streamed(name: str, parts: Iterable[str], mimetype: str) -> Response:
    """A file to keep that is sent while it is made; a failure breaks the transfer off, so that no half looks whole."""
    answer = Response(stream_with_context(iter(parts)), mimetype=mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def csv_cell(value: str | None) -> str:
    """Text that a spreadsheet takes as text: what could be a formula and is no number gets an apostrophe in front."""
    if value is None:
        return ""
    if value.startswith(_FORMULA_STARTS) and not _is_number(value):
        return "'" + value
    return value


def _is_number(text: str) -> bool:
    whole, point, part = text.removeprefix("-").partition(".")
    return text.isascii() and whole.isdecimal() and (part.isdecimal() if point else True)
