"""Waiting: it ends as soon as the work shall end, and shows signs of life until then."""

from __future__ import annotations

import time
from threading import Event, Timer
from typing import cast

import pytest

from syncd.clock import SystemClock
from syncd.history.database import History
from syncd.settings import Settings
from syncd.steps import context as module
from syncd.steps.context import Context, Stopped


def context_with(stop: Event) -> Context:
    return Context(cast(Settings, None), cast(History, None), SystemClock(), stop)


def test_waiting_ends_when_the_service_is_asked_to_stop() -> None:
    stop = Event()
    Timer(0.05, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        context_with(stop)._sleep(60)
    assert time.monotonic() - began < 5


def test_a_long_wait_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGN_OF_LIFE_SECONDS", 0.01)
    waiting, signs = context_with(Event()), []
    waiting.progress = lambda task, advance, expected: signs.append(task)
    waiting._sleep(0.05)
    assert len(signs) >= 5
