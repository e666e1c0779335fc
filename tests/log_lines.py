"""What is logged, caught."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from syncd.logs import LOGGER


@contextmanager
def caught_lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged in the meantime: the values of each line with its event and level. None of it is shown."""
    lines: list[dict[str, Any]] = []

    class Catcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append({**vars(record)["named"], "event": record.msg, "level": record.levelname.lower()})

    handlers, level, LOGGER.handlers = LOGGER.handlers, LOGGER.level, [Catcher()]
    LOGGER.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        LOGGER.handlers = handlers
        LOGGER.setLevel(level)
