"""What syncd says of its work: events with named values, no people's data. `logs.info("pulled", shop=name)`.

For eyes on a terminal, one JSON object a line elsewhere.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime

LOGGER = logging.getLogger("syncd")


def info(event: str, **named: object) -> None:
    """The event is told, as one that is expected."""
    LOGGER.info(event, extra={"named": named})


def warning(event: str, **named: object) -> None:
    """The event is told, as one that somebody may have to look at."""
    LOGGER.warning(event, extra={"named": named})


def error(event: str, **named: object) -> None:
    """The event is told, as one by which something was not done."""
    LOGGER.error(event, extra={"named": named})


def set_up(level: str = "info") -> None:
    """Log lines go to standard error from here on."""
    handler = _StandardError()
    handler.setFormatter(_ForEyes() if sys.stderr.isatty() else _AsJson())
    LOGGER.handlers = [handler]
    LOGGER.setLevel(level.upper())


class _StandardError(logging.Handler):
    """Whatever standard error is when a line is written. A log that takes no more, on a full disk, stops no work."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        line = {**vars(record)["named"], "event": record.msg, "level": record.levelname.lower(), "timestamp": at}
        return json.dumps(line, ensure_ascii=False, default=repr)


class _ForEyes(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = [f"{name}={value!r}" for name, value in sorted(vars(record)["named"].items())]
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        return " ".join([f"{at} {record.levelname.lower():<8} {record.msg:<30}", *values]).rstrip()
