"""Records of the audit trail as files: CSV, JSON and Markdown, written record by record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tbot_bot.api.audit import AuditItem, AuditWhole
from tbot_web.support.utils_web import csv_cell

#: The columns of a table, in the words of the interface.
COLUMNS = (*AuditItem.model_fields, *(name for name in AuditWhole.model_fields if name != "item"))
#: What would be read as mark-up or as the end of a cell.
_MARKDOWN = str.maketrans({one: "\\" + one for one in "\\`*_{}[]<>()#+-!|~"} | {"\n": " ", "\r": " "})


def row(record: AuditWhole) -> list[str | None]:
    """The columns of COLUMNS; what has parts as JSON, unknown as None."""
    values = record.item.model_dump() | record.model_dump(exclude={"item"})
    return [_text(values[name]) for name in COLUMNS]


def csv_lines(records: Iterable[AuditWhole]) -> Iterator[str]:
    """A table that a spreadsheet opens; no cell of it is a formula."""
    yield _csv_line(COLUMNS)
    for record in records:
        yield _csv_line([csv_cell(value) for value in row(record)])


def json_lines(records: Iterable[AuditWhole]) -> Iterator[str]:
    """One object with the list `items`, a record on each line."""
    yield '{"items":[\n'
    for number, record in enumerate(records):
        yield (",\n" if number else "") + record.model_dump_json()
    yield "\n]}\n"


def markdown_lines(records: Iterable[AuditWhole]) -> Iterator[str]:
    """A table for a document."""
    yield f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}\n"
    for record in records:
        yield f"| {' | '.join((value or '').translate(_MARKDOWN) for value in row(record))} |\n"


@dataclass(frozen=True, slots=True)
class Writer:
    """One form of a file."""

    mimetype: str
    lines: Callable[[Iterable[AuditWhole]], Iterator[str]]


WRITERS = {
    "csv": Writer("text/csv", csv_lines),
    "json": Writer("application/json", json_lines),
    "md": Writer("text/markdown", markdown_lines),
}


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
