"""Reads a log by pages from its end, filtering before the page is cut; memory stays at one block."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tbot_bot.api.logs import AskLog, LogLine, LogPage
from tbot_bot.monitoring.log_book import FILES_KEPT

BLOCK_BYTES = 64 * 1024
LEVELS = ("debug", "info", "warning", "error", "critical")
_SHOWN = ("at", "level", "event", "source", "exception")


@dataclass(frozen=True, slots=True)
class _Filter:
    """The lowest level to show and the text to find, ignoring case."""

    level: str | None
    text: str | None

    def keeps(self, raw: bytes, line: LogLine) -> bool:
        if self.level in LEVELS and line.level in LEVELS and LEVELS.index(line.level) < LEVELS.index(self.level):
            return False
        return self.text is None or self.text.casefold() in raw.decode("utf-8", "replace").casefold()


def read_log(path: Path, ask: AskLog) -> LogPage:
    """Return a page of the log at `path`; a log not written yet is empty."""
    wanted = _Filter(ask.level.lower() if ask.level else None, ask.text or None)
    with ExitStack() as opened:
        files = _files_since(path, ask.file, opened)
        if not files:
            return LogPage(items=[], before=None, after=0)
        name, stream = files[0]
        is_known = ask.file in (None, name)
        if ask.after is not None:
            return _follow(files, ask.after if is_known else 0, wanted, ask.limit)
        whole = _end_of_last_line(stream, stream.seek(0, 2))
        before = whole if ask.before is None or not is_known else min(ask.before, whole)
        return _backward(stream, before, whole, wanted, ask.limit).model_copy(update={"file": name})


def _files_since(path: Path, wanted: str | None, opened: ExitStack) -> list[tuple[str, IO[bytes]]]:
    """The files of this log from the one called `wanted` on, oldest first, or only the newest.

    A file keeps its number when it is renamed. They are opened newest first: one that is renamed meanwhile only moves
    on to where we come later.
    """
    found: list[tuple[str, IO[bytes]]] = []
    for place in (path, *(path.with_name(f"{path.name}.{age}") for age in range(1, FILES_KEPT + 1))):
        with suppress(FileNotFoundError):
            stream = opened.enter_context(place.open("rb"))
            name = str(os.fstat(stream.fileno()).st_ino)
            if not found or name != found[0][0]:
                found.insert(0, (name, stream))
            if wanted in (None, name):
                return found
    return found[-1:]


def _end_of_last_line(stream: IO[bytes], size: int) -> int:
    """The position after the last line break: what follows is still being written."""
    end = size
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _follow(files: list[tuple[str, IO[bytes]]], start: int, wanted: _Filter, limit: int) -> LogPage:
    """Read on through the files; only the last of them is still being written."""
    items: list[LogLine] = []
    while True:
        name, stream = files.pop(0)
        size = stream.seek(0, 2)
        # a smaller file than we left was begun anew
        page = _forward(stream, start if start <= size else 0, size, wanted, limit - len(items))
        items += page.items
        if not files or len(items) == limit:
            return LogPage(items=items, before=None, after=page.after, file=name)
        start = 0


def _forward(stream: IO[bytes], start: int, size: int, wanted: _Filter, limit: int) -> LogPage:
    stream.seek(start)
    items: list[LogLine] = []
    position = start
    while position < size and len(items) < limit:
        raw = stream.readline()
        if not raw.endswith(b"\n"):
            break  # still being written
        line = parse_line(position, raw)
        position += len(raw)
        if wanted.keeps(raw, line):
            items.append(line)
    return LogPage(items=items, before=None, after=position)


def _backward(stream: IO[bytes], end: int, size: int, wanted: _Filter, limit: int) -> LogPage:
    items: list[LogLine] = []
    before: int | None = None
    for position, raw in _lines_backward(stream, end):
        line = parse_line(position, raw)
        if wanted.keeps(raw, line):
            items.append(line)
            if len(items) == limit:
                before = position or None
                break
    return LogPage(items=items[::-1], before=before, after=size)


def _lines_backward(stream: IO[bytes], end: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line) from the line that ends at `end` back to the first."""
    tail = b""
    start = end
    while start > 0:
        length = min(BLOCK_BYTES, start)
        start -= length
        stream.seek(start)
        block = stream.read(length) + tail
        head, newline, rest = block.partition(b"\n")
        if not newline and start > 0:
            tail = block
            continue
        complete = block if start == 0 else rest
        offset = start if start == 0 else start + len(head) + 1
        tail = b"" if start == 0 else head + newline
        yield from reversed(list(_with_offsets(complete, offset)))


def _with_offsets(block: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    for raw in block.splitlines(keepends=True):
        yield offset, raw
        offset += len(raw)


def parse_line(position: int, raw: bytes) -> LogLine:
    """Turn one line into its parts; a line that is no JSON record is shown as it is."""
    text = raw.decode("utf-8", "replace").rstrip("\n")
    try:
        record = json.loads(text)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return LogLine(position=position, at=None, level="info", source="", message=text, fields={})
    message = str(record.get("event", ""))
    if record.get("exception"):
        message = f"{message}\n{record['exception']}"
    return LogLine(
        position=position,
        at=record.get("at"),
        level=str(record.get("level", "info")),
        source=str(record.get("source", "")),
        message=message,
        fields={name: str(value) for name, value in record.items() if name not in _SHOWN},
    )
