"""The portal's log: one JSON object a line on standard error, which whoever started it keeps."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import TextIO

from tbot_bot.domain.time import Clock, to_rfc3339

_FORMATTER = logging.Formatter()


class JsonLines(logging.Handler):
    """Writes a record with its time, level and source, and the mapping `fields` that it may carry."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        super().__init__()
        self._stream = stream
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        line = {
            "at": to_rfc3339(self._clock.now()),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "source": "web",
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = _FORMATTER.formatException(record.exc_info)
        with contextlib.suppress(BrokenPipeError):  # whoever kept the log is gone; the lifeline ends us for that
            self._stream.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")
            self._stream.flush()
