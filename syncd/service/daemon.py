"""`syncd run`: a cycle each poll interval, until SIGTERM; SIGHUP reads the configuration again.

In between, a hint has the shop that it is about looked at at once, and who is due by the calendar is judged on
time; the polls come as if there were none.

Start-up and shutdown are readable here in one screen. A cycle commits its own work step by step, so
stopping between two pages or two changes leaves everything in order.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from threading import Event
from types import FrameType

from syncd import logs
from syncd.clock import clock_for
from syncd.errors import TransientError, UserError
from syncd.history.database import open_history
from syncd.history.people import redact
from syncd.history.writer import only_writer
from syncd.memory import give_back
from syncd.pipeline import Cycle, next_due, sync, sync_due
from syncd.service.hints import Hints
from syncd.service.notify import notify
from syncd.service.webhooks import Receiver, receiving
from syncd.settings import Settings
from syncd.steps.context import Context, Stopped
from syncd.steps.pull import audiences_of

# The longest time between two signs of life; the unit's WatchdogSec is a multiple of it.
HEARTBEAT_SECONDS = 20
# After a hint or the calendar was followed the next ones wait so long, and are followed together.
REST_SECONDS = 5.0


class Signals:
    """What the operator asks for: `stop` ends the service, `wake` has a pause look whether there is something."""

    def __init__(self) -> None:
        self.stop, self.wake, self.reload = Event(), Event(), False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)

    @property
    def asked(self) -> bool:
        """Whether the operator waits for something."""
        return self.reload or self.stop.is_set()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stop.set()
        self.wake.set()

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self.reload = True
        self.wake.set()


def run(load: Callable[[], Settings]) -> None:
    """The service runs until it is asked to stop; `load` reads the configuration.

    Raises: UserError for a configuration or a database that cannot be used at the start.
    """
    signals = Signals()
    hints = Hints(signals.wake)
    settings = load()
    history = open_history(settings.database)
    context = Context(settings, history, clock_for(settings.sandbox), signals.stop, _Heartbeat())

    def on_redact(shop: str, shop_customer_id: str) -> None:
        audiences = audiences_of(context, shop)
        redact(history, shop, shop_customer_id, audiences=audiences, now=context.clock.now())

    with only_writer(history), receiving(settings, hints, on_redact) as receiver:
        notify("READY=1", f"STATUS=serving {len(settings.shops)} shops")
        logs.info("started", shops=sorted(settings.shops), audiences=sorted(settings.audiences))
        while not signals.stop.is_set():
            if signals.reload:
                context = _reloaded(context, load, signals, receiver)
            began_at = context.clock.now()
            hints.take()  # every shop is looked at now
            _cycle(context, sync)
            _pause(context, signals, hints, began_at)
    notify("STOPPING=1")
    logs.info("stopped")


def _cycle(context: Context, run: Callable[[Context], Cycle]) -> None:
    try:
        began_at = context.clock.now()
        cycle = run(context)
    except Stopped:
        return
    except TransientError as err:
        # The clock or the database was away for a moment; the next cycle finds out.
        logs.error("cycle failed", error=str(err))
        return
    problems = len(cycle.errors) + len(cycle.resting)
    state = f"{problems} problems, see `syncd status`" if problems else "ok"
    began = datetime.fromtimestamp(began_at, UTC).isoformat()
    notify("WATCHDOG=1", f"STATUS=cycle of {began}: {state}")
    give_back()


def _pause(context: Context, signals: Signals, hints: Hints, began_at: int) -> None:
    """Waits for the next poll, with a sign of life now and then; hints and the calendar are followed meanwhile."""
    looked_at, poll_at = began_at, began_at + context.settings.poll_every
    while not signals.asked and (now := context.clock.now()) < poll_at:
        notify("WATCHDOG=1")
        # Only what comes due from now on: who waits for a shop's news is due all the time.
        due_at = _next_due(context, looked_at) or poll_at
        context.clock.wait_until(min(poll_at, due_at, now + HEARTBEAT_SECONDS), signals.wake)
        signals.wake.clear()
        if signals.asked:
            return
        if shops := hints.take():
            logs.info("hint", shops=sorted(shops))
            _cycle(context, partial(sync, only=shops))
        elif due_at <= context.clock.now() < poll_at:
            looked_at = due_at
            _cycle(context, sync_due)
        else:
            continue
        # What comes in now belongs together: a flood is no more than a look now and then.
        signals.stop.wait(REST_SECONDS)


def _next_due(context: Context, after: int) -> int | None:
    try:
        return next_due(context, after)
    except TransientError:
        # The database was away for a moment; the next poll says so if it still is.
        return None


def _reloaded(context: Context, load: Callable[[], Settings], signals: Signals, receiver: Receiver | None) -> Context:
    """The context with the configuration as it is now; with the old one where the new one is wrong."""
    signals.reload = False
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        settings = load()
        if settings.database != context.settings.database:
            raise UserError("another database needs a restart")
        if settings.listen != context.settings.listen:
            raise UserError("another address to listen on needs a restart")
        context = Context(settings, context.history, context.clock, context.stop, context.progress)
        if receiver:
            receiver.configure(settings)
        logs.info("configuration read again")
    except UserError as err:
        logs.error("the configuration stays as it was", error=str(err), problems=list(err.problems))
    notify("READY=1")
    return context


class _Heartbeat:
    """Progress of a step as a sign of life, at most one a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, task: str, advance: int, expected: int | None) -> None:
        if time.monotonic() - self._last > 1:
            self._last = time.monotonic()
            notify("WATCHDOG=1")
