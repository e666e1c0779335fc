"""The way of an order, all steps in order:
pull → read members → depart → judge → ripen → plan → brake → push → forget.

This is the only file that names every step. Each step commits its own work, so a cycle may be cut off
anywhere, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from msgspec import Struct, field

from syncd import logs
from syncd._hosts import Rest
from syncd.destinations import Destination
from syncd.errors import ConnectionBlocked, SyncdError, TransientError, UnsafePlan, UserError
from syncd.history import ledger, outbox, overrides, packs, unpacked
from syncd.history.members import mark_gone
from syncd.history.people import emails_of, mark_news
from syncd.history.quarantine import drop_raw
from syncd.history.shops import set_shop_state, shop_row
from syncd.history.stays import stand_as_on_record
from syncd.history.undoing import Run, Undo, run_of, undo_of
from syncd.plan import Plan, Tags
from syncd.steps.context import Context
from syncd.steps.count import count_daily
from syncd.steps.depart import depart
from syncd.steps.erase import forget_redacted
from syncd.steps.judge import Judged, judge
from syncd.steps.members import read_members
from syncd.steps.moments import ripen, settle_moments
from syncd.steps.place import only_here
from syncd.steps.planning import (
    customers_shown,
    foreign_tags,
    hold_reasons,
    plan_as_of,
    plan_of_mending,
    plan_of_undo,
    plan_stored,
    with_bill,
)
from syncd.steps.pull import Pulled, pull
from syncd.steps.push import Pushed, push, settle
from syncd.steps.verify import Report
from syncd.steps.verify import verify as hold_against_the_truth

# The first push needs two rounds where members are created; more would mean that a value does not
# come back as it was written, which is no reason to go on for ever.
MAX_ROUNDS = 4

# A shop's API is slower than one core, and its pages wait on the network most of the time.
SHOPS_AT_ONCE = 4

# How long the service leaves a blocked connection alone; a reload (SIGHUP) tries it at once.
REST_SECONDS = 3_600


class Cycle(Struct):
    """What one cycle did. `errors` are those that stopped a shop or an audience; the others went on, but for the
    `resting` connections, which were not tried.
    """

    pulled: dict[str, Pulled] = field(default_factory=dict)
    judged: dict[str, Judged] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    pushed: dict[str, Pushed] = field(default_factory=dict)
    errors: list[SyncdError] = field(default_factory=list)
    resting: list[str] = field(default_factory=list)

    def rests(self, context: Context, connection: str) -> bool:
        """Whether the connection is not to be tried yet; then it is among those that rest."""
        rests = context.rests(connection)
        if rests:
            self.resting.append(connection)
        return rests

    def add_judged(self, name: str, judged: Judged) -> None:
        """What was judged in an audience, in one round more."""
        before = self.judged.get(name, Judged(0, 0, 0))
        self.judged[name] = Judged(
            before.people + judged.people, before.joined + judged.joined, before.left + judged.left
        )

    def add_pushed(self, name: str, pushed: Pushed) -> None:
        """What was pushed to an audience, in one round more."""
        before = self.pushed.get(name, Pushed())
        self.pushed[name] = Pushed(
            before.done + pushed.done, before.refused + pushed.refused, before.unknown + pushed.unknown
        )


def sync(context: Context, only: Collection[str] | None = None) -> Cycle:
    """One cycle over every shop and audience; an error stops its own connection only.

    `only` names the shops that said they have news: the rest, and audiences without them, wait for the next poll.
    """
    cycle = Cycle()
    asked = [shop for shop in context.settings.shops if only is None or shop in only]
    shops = [shop for shop in asked if not cycle.rests(context, f"shops.{shop}")]
    for shop, pulled in _pull_each(context, shops):
        if isinstance(pulled, Pulled):
            cycle.pulled[shop] = pulled
            _answers(context, f"shops.{shop}")
            cycle.errors += count_daily(context, shop)
        else:
            cycle.errors.append(pulled)
    for name, audience in context.settings.audiences.items():
        if only is None or {*audience.shops} & {*shops}:
            _try_to_serve(context, name, cycle)
    drop_raw(context.history, context.clock.now() - context.settings.keep_raw)
    try:
        forget_redacted(context)
    except SyncdError as err:
        cycle.errors.append(err)
    return cycle


def sync_due(context: Context) -> Cycle:
    """One cycle over the audiences in which the calendar may have moved somebody by now; no shop is asked."""
    cycle, now = Cycle(), context.clock.now()
    for name in context.settings.audiences:
        if ledger.due(context.history, name, now):
            _try_to_serve(context, name, cycle)
    return cycle


def next_due(context: Context, after: int) -> int | None:
    """The first instant after `after` at which the calendar may move somebody in any audience."""
    found = (ledger.next_due(context.history, name, after) for name in context.settings.audiences)
    return min((instant for instant in found if instant is not None), default=None)


def _try_to_serve(context: Context, name: str, cycle: Cycle) -> None:
    """One audience, unless it rests; its error stops no other."""
    if cycle.rests(context, f"audiences.{name}"):
        return
    try:
        _serve(context, name, cycle)
        _answers(context, f"audiences.{name}")
    except SyncdError as err:
        _audience_stopped(context, name, err)
        cycle.errors.append(err)


def _serve(context: Context, name: str, cycle: Cycle) -> None:
    """One audience: read, judge, send what is approved, plan, brake, send."""
    if not _backfilled(context, name):
        if not outbox.ever_approved(context.history, name):
            raise UserError(
                f"audience {name} has had no first import yet",
                hint="run `syncd backfill`: it shows what it would write, and asks",
            )
        first_push(context, name, cycle)
    destination, tags = open_audience(context, name)
    _look(context, name, destination, tags, cycle)
    if outbox.approved_plan(context.history, name):
        # What was approved earlier goes out first; a plan is only made from what is known after that.
        cycle.add_pushed(name, push(context, name, destination, tags))
        _look(context, name, destination, tags, cycle)
    if outbox.approved_plan(context.history, name) is None:
        _plan_and_push(context, name, destination, tags, cycle)
    ledger.set_audience(context.history, name, state="ok", error="")


def _look(context: Context, name: str, destination: Destination, tags: Tags, cycle: Cycle) -> None:
    """Who is in the audience, where they stand and what they are to be told is known as of now: nothing is ever
    sent before that.
    """
    read_members(context, name, destination, tags)
    settle_moments(context, name, destination)
    depart(context, name)
    cycle.add_judged(name, judge(context, name, tags))
    ripen(context, name, tags)


def _plan_and_push(context: Context, name: str, destination: Destination, tags: Tags, cycle: Cycle) -> None:
    plan = cycle.plans[name] = plan_stored(context, name, tags)
    if not plan.steps:
        outbox.drop_held(context.history, name, context.clock.now())
        return
    profile = destination.profile()
    plan = cycle.plans[name] = with_bill(context, plan, profile)
    reasons = hold_reasons(context, plan, tags, profile, customers_shown(context, name))
    if reasons:
        # A plan that is held already stays as it was shown.
        raise unsafe(outbox.held_plan(context.history, name) or _hold(context, plan, reasons))
    outbox.keep(context.history, plan, state="approved", now=context.clock.now())
    cycle.add_pushed(name, push(context, name, destination, tags))


def _hold(context: Context, plan: Plan, reasons: Sequence[str]) -> dict[str, Any]:
    held = replace(plan, reasons=tuple(reasons))
    outbox.keep(context.history, held, state="held", now=context.clock.now())
    logs.info("plan held", audience=plan.audience, plan=plan.id, reasons=list(reasons))
    return held.summary()


def unsafe(held: Mapping[str, Any]) -> UnsafePlan:
    """The error that says which plan is held, why, and how it is released."""
    return UnsafePlan(
        f"{held['audience']}: plan {held['id']} is held: {'; '.join(held['reasons'])}",
        plan_id=held["id"],
        reasons=held["reasons"],
        hint=f"see it with `syncd plan`; if it is right: syncd approve {held['id']}",
    )


def pull_all(context: Context, shops: Sequence[str], since: int | None = None) -> Cycle:
    """Everything that these shops show is in the history. It may be cut off anywhere and called again.

    Raises: TransientError, ConnectionBlocked of the first shop that fails: a first plan made from half
    of the orders would be wrong.
    """
    cycle = Cycle()
    for shop, pulled in _pull_each(context, shops, since):
        if not isinstance(pulled, Pulled):
            raise pulled
        cycle.pulled[shop] = pulled
    return cycle


def _pull_each(
    context: Context, shops: Sequence[str], since: int | None = None
) -> Iterator[tuple[str, Pulled | SyncdError]]:
    """What came of pulling each shop. They are pulled side by side: a slow one keeps nobody waiting."""
    with ThreadPoolExecutor(SHOPS_AT_ONCE, thread_name_prefix="pull") as pool:
        pulls = {shop: pool.submit(pull, context, shop, since) for shop in shops}
        try:
            for shop, future in pulls.items():
                try:
                    yield shop, future.result()
                except (TransientError, ConnectionBlocked) as err:
                    _shop_stopped(context, shop, err)
                    yield shop, err
        except BaseException:
            # The other shops stop after the page that they are at.
            context.stop.set()
            raise


def complete_audiences(context: Context) -> list[str]:
    """The audiences whose shops have all been imported."""
    return [
        name
        for name, audience in context.settings.audiences.items()
        if all(shop_row(context.history, shop)["backfilled_at"] for shop in audience.shops)
    ]


def first_plan(context: Context, name: str, cycle: Cycle) -> dict[str, Any] | None:
    """The first plan for an audience, held until it is approved; None where nobody needs to be asked.

    Raises: TransientError, ConnectionBlocked.
    """
    if _backfilled(context, name) or outbox.ever_approved(context.history, name):
        return None
    destination, tags = open_audience(context, name)
    profile = destination.profile()
    ledger.set_audience(context.history, name, fingerprint=profile.fingerprint)
    _look(context, name, destination, tags, cycle)
    plan = plan_stored(context, name, tags)
    if not plan.steps:
        return None
    plan = with_bill(context, plan, profile)
    return _hold(context, plan, hold_reasons(context, plan, tags, profile, customers_shown(context, name)))


def first_push(context: Context, name: str, cycle: Cycle) -> None:
    """Rounds of read, judge, plan and muted push, until the rules want nothing more.

    There is more than one round because those who are created by the first become subscribers, which
    some rules ask for. Only the first plan is shown: all that will be created is in it.
    An audience that has had its first push gets none of this: from then on `sync` keeps it.
    Raises: TransientError, ConnectionBlocked; the next call goes on.
    """
    if _backfilled(context, name):
        return
    destination, tags = open_audience(context, name)
    for _ in range(MAX_ROUNDS):
        _look(context, name, destination, tags, cycle)
        if outbox.approved_plan(context.history, name) is None:
            plan = plan_stored(context, name, tags)
            if not plan.steps:
                break
            outbox.keep(context.history, plan, state="approved", now=context.clock.now())
        cycle.add_pushed(name, push(context, name, destination, tags))
        if waiting := outbox.outbox_size(context.history, name):
            raise TransientError(
                f"{name}: {waiting:,} changes are not confirmed yet", hint="run it again: it goes on from here"
            )
    ledger.set_audience(context.history, name, backfilled_at=context.clock.now(), state="ok", error="")


def approve(context: Context, plan_id: str) -> dict[str, Any]:
    """The held plan is released; returns its summary.

    Raises: UserError where no such plan is held, and in a copy of the database; TransientError, ConnectionBlocked
    where it cannot be asked which account it is. Then the plan stays held.
    """
    held = {
        plan["id"]: name for name in context.settings.audiences if (plan := outbox.held_plan(context.history, name))
    }
    name = held.get(plan_id)
    fingerprint = open_audience(context, name)[0].profile().fingerprint if name else ""
    released = outbox.approve(context.history, plan_id)
    if name:
        known = ledger.audience_row(context.history, name)["fingerprint"]
        if known not in ("", fingerprint):
            # Whoever approves says that this account is right. What we knew was the other one's: read anew.
            outbox.drop_approved(context.history, name, context.clock.now())
            ledger.set_audience(context.history, name, member_cursor=None)
        ledger.set_audience(context.history, name, fingerprint=fingerprint)
    return released


def send_approved(context: Context, name: str) -> Cycle:
    """What was approved for the audience is sent; a first push runs to its end."""
    cycle = Cycle()
    if not _backfilled(context, name):
        first_push(context, name, cycle)
        return cycle
    destination, tags = open_audience(context, name)
    _look(context, name, destination, tags, cycle)
    cycle.add_pushed(name, push(context, name, destination, tags))
    return cycle


def undo_plan(context: Context, run_id: str) -> tuple[Plan, Undo, Run]:
    """What taking back a run would write, from what the service has at this moment; nothing is written.

    Raises: UserError where there is no such run, or its audience is another one now; TransientError,
    ConnectionBlocked.
    """
    run = run_of(context.history, run_id)
    name = run.audience
    if name not in context.settings.audiences or not _backfilled(context, name):
        raise UserError(
            f"run {run_id}: the audience {name} is not in use",
            hint="put it back into syncd.toml, and let `syncd backfill` come to its end",
        )
    destination, tags = open_audience(context, name)
    if ledger.audience_row(context.history, name)["fingerprint"] != destination.profile().fingerprint:
        raise UserError(f"run {run_id}: {name} is another account or audience than the one written to then")
    settle(context, name, destination, tags)
    read_members(context, name, destination, tags)
    undo = undo_of(context.history, run)
    return plan_of_undo(context, name, tags, undo), undo, run


def send_undo(context: Context, plan: Plan, undo: Undo) -> Cycle:
    """What a run wrote is taken back, muted. What was approved and not yet sent, is not: the next cycle plans anew."""
    cycle, now = Cycle(), context.clock.now()
    destination, tags = open_audience(context, plan.audience)
    outbox.drop_approved(context.history, plan.audience, now)
    outbox.keep(context.history, plan, state="approved", now=now, undo=undo)
    cycle.add_pushed(plan.audience, push(context, plan.audience, destination, tags))
    return cycle


def verify(context: Context) -> Report:
    """What is believed held against the truth, in every audience that had its first import; nothing is written.

    Raises: UserError, TransientError, ConnectionBlocked.
    """
    names = [name for name in context.settings.audiences if _backfilled(context, name)]
    return hold_against_the_truth(context, {name: open_audience(context, name)[1] for name in names})


def mend(context: Context, report: Report) -> Cycle:
    """What drifted is as it should be: what is derived is derived anew, contacts are known as the service has them, and
    get what is wanted for them, muted. What somebody took off stays off; what a shop shows and we lack is not mended.
    """
    cycle = Cycle()
    with context.history.begin() as db:
        unpacked.mark_wholly(db, report.mispacked)
        mark_news(db, report.mispacked, context.settings.audiences)
    packs.refresh(context.history)
    for name, ids in report.people.items():
        destination, tags = open_audience(context, name)
        cycle.add_pushed(name, push(context, name, destination, tags))
        stand_as_on_record(context.history, name, ids)
        gone = emails_of(context.history, report.gone[name])
        mark_gone(context.history, name, [id_ for id_, email in gone.items() if destination.member(email) is None])
        with context.history.begin() as db:
            mark_news(db, ids, [name])
        ledger.set_audience(context.history, name, member_cursor=None)
        _look(context, name, destination, tags, cycle)
        overrides.forget_lost(context.history, name, ids)
        plan = plan_of_mending(context, name, tags, ids)
        if plan.steps:
            outbox.keep(context.history, plan, state="approved", now=context.clock.now())
            cycle.add_pushed(name, push(context, name, destination, tags))
    return cycle


def plan_only(context: Context, name: str, today: int, *, live: bool) -> dict[str, Any]:
    """The summary of the plan that a cycle would make from what the history holds; nothing is written.

    `live`: the brake looks at it with what shops and audience show now, as far as they can be reached.
    A plan that waits for approval is shown as it is held.
    """
    audience = context.settings.audiences[name]
    if live and (held := outbox.held_plan(context.history, name)):
        return held
    tags = ledger.tags_of(context.history, name, audience.playbook, audience.tag_prefix, write=False)
    plan = plan_as_of(context, name, tags, today)
    if not live or not plan.steps:
        return plan.summary()
    try:
        profile = context.destination(name).profile()
        plan = with_bill(context, plan, profile)
    except SyncdError:
        profile = None
    reasons = hold_reasons(context, plan, tags, profile, customers_shown(context, name))
    return replace(plan, reasons=reasons).summary()


def _backfilled(context: Context, name: str) -> bool:
    return ledger.audience_row(context.history, name)["backfilled_at"] is not None


def open_audience(context: Context, name: str) -> tuple[Destination, Tags]:
    """The connection to an audience, and the tags that syncd owns there.

    Raises: UserError for a new tag without prefix that somebody else has made already, and in a copy of the database.
    """
    audience, destination = context.settings.audiences[name], context.destination(name)
    only_here(context, name)
    fresh = ledger.fresh_tags(context.history, name, audience.playbook, audience.tag_prefix)
    if fresh and not audience.tag_prefix:
        foreign = foreign_tags(audience, fresh, destination.profile())
        if foreign:
            raise UserError(
                f"audience {name}: the tags {', '.join(foreign)} exist already, and not by syncd",
                hint="set tag_prefix, or name them in `adopt` if syncd shall own them from now on",
            )
    return destination, ledger.tags_of(context.history, name, audience.playbook, audience.tag_prefix)


def _shop_stopped(context: Context, shop: str, err: SyncdError) -> None:
    """The shop's error is stored, so that `syncd status` shows it."""
    stopped = _stopped(context, f"shops.{shop}", shop, err)
    shop_row(context.history, shop, platform=context.settings.shops[shop].platform)
    set_shop_state(context.history, shop, **stopped)
    if _is_news(context, f"shops.{shop}", err):
        logs.error("shop stopped", shop=shop, **stopped)


def _audience_stopped(context: Context, name: str, err: SyncdError) -> None:
    """The audience's error is stored, so that `syncd status` shows it."""
    stopped = _stopped(context, f"audiences.{name}", name, err)
    ledger.set_audience(context.history, name, **stopped)
    if _is_news(context, f"audiences.{name}", err):
        logs.error("audience stopped", audience=name, **stopped)


def _stopped(context: Context, connection: str, name: str, err: SyncdError) -> dict[str, str]:
    """The state in which the error leaves the connection, and what it says beside the name.

    Afterwards a blocked connection rests, and the error itself names the connection that it stopped.
    """
    said = str(err)
    fault = said.removeprefix(f"{connection}: ").removeprefix(f"{name}: ")
    if fault == said and isinstance(err, TransientError | ConnectionBlocked):
        err.args = (f"{connection}: {said}",)
    if isinstance(err, ConnectionBlocked):
        context.rests_until[connection] = context.clock.now() + REST_SECONDS
        return {"state": "blocked", "error": fault}
    if (rest := _rest_of(context, connection, err)) and str(rest) not in fault:
        fault = f"{fault}; {rest}"
    return {"state": {UnsafePlan: "held", UserError: "waiting"}.get(type(err), "failing"), "error": fault}


def _rest_of(context: Context, connection: str, err: SyncdError) -> Rest | None:
    """How long the connection leaves its host alone after this error."""
    return context.hosts.rest_of(connection) if isinstance(err, TransientError) else None


def _is_news(context: Context, connection: str, err: SyncdError) -> bool:
    """Whether the log shall tell that the connection stopped: of a host that is left alone only the first time."""
    rest = _rest_of(context, connection, err)
    if rest is None:
        return True
    told, context.silent_since[connection] = context.silent_since.get(connection), rest.since
    return told != rest.since


def _answers(context: Context, connection: str) -> None:
    """The log tells that a host answers again, where it told that it did not."""
    if context.silent_since.pop(connection, None) is not None:
        logs.info("answers again", connection=connection)
