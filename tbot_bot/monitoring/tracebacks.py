"""Tracebacks told once: errors of the same kind from the same place are one entry with a count."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

ENTRIES_MAX = 200
#: So many of the innermost frames, with the error's kind, say where it comes from.
FRAMES = 3
_FRAME = '  File "'
_MESSAGE_LENGTH_MAX = 300

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TracebackEntry:
    """One error: its kind, the innermost place, the newest message, and how often it came from when to when."""

    kind: str
    where: str
    message: str
    source: str
    count: int
    first_at: str
    last_at: str


class Tracebacks:
    """Counts errors since the start; of too many different ones, those not seen for longest are forgotten."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, ...], TracebackEntry] = OrderedDict()

    def take(self, record: Record) -> Record:
        """Count the traceback in `record`; one that was told before is cut to its last line, with `again` as count."""
        text = str(record.get("exception") or "")
        if not text:
            return record
        frames = [line.strip() for line in text.splitlines() if line.startswith(_FRAME)][-FRAMES:]
        key = (kind_of(text), *frames)
        at = str(record.get("at", ""))
        known = self._entries.pop(key, None)
        found = TracebackEntry(
            kind=kind_of(text),
            where=frames[-1] if frames else "",
            message=str(record.get("event", ""))[:_MESSAGE_LENGTH_MAX],
            source=str(record.get("source", "")),
            count=1,
            first_at=at,
            last_at=at,
        )
        if known is not None:
            found = replace(found, count=known.count + 1, first_at=known.first_at)
        self._entries[key] = found
        if len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)
        if known is None:
            return record
        return {**record, "exception": error_line(text), "again": found.count, "first_at": found.first_at}

    def entries(self) -> list[TracebackEntry]:
        """Every error since the start, the one seen last first."""
        return list(reversed(self._entries.values()))


def is_worth_telling(record: Record) -> bool:
    """Whether a record belongs into the log of tracebacks: the first of its kind, then each tenth power."""
    again = record.get("again")
    return bool(record.get("exception")) and (again is None or str(again).strip("0") == "1")


def error_line(text: str) -> str:
    """`Kind: message` of a formatted exception: what follows the innermost frame of its last traceback."""
    lines = text.strip().splitlines()
    last_frame = max((number for number, line in enumerate(lines) if line.startswith(_FRAME.rstrip('"'))), default=-1)
    rest = [line for line in lines[last_frame + 1 :] if not line.startswith((" ", "Traceback"))]
    return rest[0] if rest else ""


def kind_of(text: str) -> str:
    """The name of the error that a formatted exception ends in, without its module; empty where there is none."""
    return error_line(text).partition(":")[0].rpartition(".")[2]
