"""`/logs/`: what the processes wrote, filtered before it is cut to a page."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, render_template, request

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.logs import AskLog, ErrorEntries, LogLine, LogName, LogNames, LogPage
from tbot_bot.api.permissions import Permission
from tbot_web.support.openapi import documented
from tbot_web.support.page import WATCH, Page
from tbot_web.support.requests import one_of, refused_filter, whole_number
from tbot_web.support.runner_client import runner
from tbot_web.support.utils_web import Answer, attempt, download, failed_panel, json_answer

PAGE = Page(
    slug="logs",
    title="Logs",
    purpose="What happened, in the words of the processes that did it.",
    prefix="/logs",
    permission=Permission.LOGS_VIEW,
    phases=frozenset({Phase.MAIN, Phase.CLOSING}),
    group=WATCH,
    shortcut="o",
    panel=True,
    place=30,
)
blueprint = Blueprint("logs", __name__)

LEVELS = ("debug", "info", "warning", "error", "critical")
#: What a mark says beside the level's word.
KINDS = {"warning": "warn", "error": "bad", "critical": "bad"}
_TRACEBACKS = "error_tracebacks"
_LINES, _LINES_MAX, _DOWNLOAD_MAX = 200, 1000, 200_000


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address says to show of a log."""

    level: str | None
    text: str | None
    before: int | None
    after: int | None
    file: str | None
    limit: int

    @classmethod
    def of_request(cls) -> Filter:
        """Read the query; a malformed one is refused with what is allowed."""
        text = request.args.get("text", "").strip()
        if len(text) > 200:  # noqa: PLR2004 - the bound of AskLog.text
            raise refused_filter("text", "text must have at most 200 characters")
        file = request.args.get("file") or None
        if file is not None and not re.fullmatch("[0-9]{1,20}", file):
            raise refused_filter("file", "file must be a number that a page of this log named")
        return cls(
            level=one_of("level", LEVELS, None),
            text=text or None,
            before=whole_number("before", None, 0),
            after=whole_number("after", None, 0),
            file=file,
            limit=whole_number("limit", _LINES, 1, _LINES_MAX),
        )

    def ask(self, name: str) -> AskLog:
        """What to ask the runner."""
        return AskLog(name=name, **asdict(self))

    def query(self, **changed: object) -> str:
        """The filter as the query of an address, changed so."""
        parts = {"level": self.level, "text": self.text} | changed
        return urlencode({name: value for name, value in parts.items() if value is not None})


@blueprint.get("/")
def show() -> Answer:
    """The panel; with `after` its table has only the lines written since, which the live tail appends."""
    names = attempt(_names)
    chosen = attempt(Filter.of_request)
    if isinstance(names, Problem):
        return failed_panel(PAGE, names)
    if isinstance(chosen, Problem):
        return failed_panel(PAGE, chosen)
    name = request.args.get("name") or (names[0].name if names else "")
    return render_template(
        "logs.html",
        page=PAGE,
        names=names,
        name=name,
        chosen=chosen,
        levels=LEVELS,
        kinds=KINDS,
        holds=next((log.holds for log in names if log.name == name), ""),
        errors=attempt(_errors) if name == _TRACEBACKS else None,
        found=attempt(lambda: _read(name, chosen)) if name else None,
    )


@blueprint.get("/download/<name>")
def keep(name: str) -> Response:
    """Every line of this view as a text file, oldest first."""
    chosen = replace(Filter.of_request(), before=None, after=None, file=None, limit=_LINES_MAX)
    pages, count = [], 0
    while count < _DOWNLOAD_MAX:
        page = _read(name, chosen)
        pages.append(page.items)
        count += len(page.items)
        if page.before is None:
            break
        chosen = replace(chosen, before=page.before, file=page.file)
    lines = [_as_text(line) for items in reversed(pages) for line in items]
    return download(f"{quote(name, safe='')}.txt", "".join(lines), "text/plain")


@blueprint.get("/api")
@documented("The logs that can be read.", answer=LogNames)
def index() -> Response:
    """The logs that can be read."""
    return json_answer(LogNames(items=_names()))


@blueprint.get("/api/errors")
@documented("Errors since the start, counted, the one that came last first.", answer=ErrorEntries)
def errors() -> Response:
    """Errors since the start, counted."""
    return json_answer(_errors())


@blueprint.get("/api/<name>")
@documented("Lines of one log, oldest first.", answer=LogPage, address=AskLog)
def lines(name: str) -> Response:
    """Lines of one log, oldest first."""
    return json_answer(_read(name, Filter.of_request()))


def _names() -> list[LogName]:
    found: LogNames = runner().call("logs.names")
    return found.items


def _errors() -> ErrorEntries:
    found: ErrorEntries = runner().call("logs.errors")
    return found


def _read(name: str, chosen: Filter) -> LogPage:
    if len(name) > 64:  # noqa: PLR2004 - the bound of AskLog.name
        raise ApiError.of(404, "no_such_log", "There is no such log", next_step="Choose one from the list.")
    found: LogPage = runner().call("logs.read", chosen.ask(name))
    return found


def _as_text(line: LogLine) -> str:
    fields = "".join(f" {key}={value}" for key, value in line.fields.items())
    return f"{line.at or '-'} {line.level.upper()} {line.source} {line.message}{fields}\n"
