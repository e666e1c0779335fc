"""Lengths of time as a person writes them: "90 seconds", "2 minutes", "3 hours", "1 day"."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


def seconds_or_none_at_all(value: object) -> int:
    """The whole seconds in a duration as it is written; "0 minutes" is one.

    Raises: ValueError for anything else.
    """
    found = re.fullmatch(r"(\d{1,6}) ?(second|minute|hour|day)s?", value.strip()) if isinstance(value, str) else None
    if not found:
        raise ValueError('expected a time such as "90 seconds", "2 minutes" or "1 hour"')
    return int(found[1]) * _SECONDS[found[2]]


def seconds(value: object) -> int:
    """The whole seconds in a duration, which is longer than nothing.

    Raises: ValueError for anything else.
    """
    found = seconds_or_none_at_all(value)
    if not found:
        raise ValueError('expected a time such as "90 seconds", "2 minutes" or "1 hour"')
    return found


Duration = Annotated[int, BeforeValidator(seconds)]
# How long something has to last, or is waited for: it may be nothing.
Delay = Annotated[int, BeforeValidator(seconds_or_none_at_all)]
