"""How log lines look: for eyes on a terminal, one JSON object a line elsewhere. Only named values, no people's data."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from io import TextIOBase
from typing import TextIO, cast


def set_up(level: str = "info") -> None:
    """Log lines go to standard error from here on."""
    import structlog

    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=False,
    )


class _StandardError(TextIOBase):
    """Whatever standard error is when a line is written. A log that takes no more, on a full disk, stops no work."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()
