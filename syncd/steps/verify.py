"""What we believe, held against the truth: each audience as the service has it now, what is derived against what it is
derived from, and the shops' own counts. It writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from syncd.history import ledger, members, outbox, overrides, packs
from syncd.history.shops import shop_row
from syncd.history.stays import at_odds
from syncd.plan import Tags, bits_in
from syncd.steps.context import Context
from syncd.steps.count import lacks
from syncd.steps.figures import figures_on
from syncd.steps.judge import digest_of, judgements
from syncd.steps.members import what_is_ours

EXAMPLES = 5
# How far our clock may be ahead of the service's.
CLOCK_SKEW_SECONDS = 3_600


@dataclass(slots=True)
class Finding:
    """One kind of drift: of which shop or audience, what, how much of it, and whom it concerns, for example."""

    of: str
    kind: str
    subject: str = ""
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class Report:
    """All that was found. `notes` are no drift. What can be mended: customers by audience, of them those whose contact
    is not there any more, and those whose packed orders are wrong.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    people: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    gone: dict[str, set[int]] = field(default_factory=dict)
    mispacked: list[int] = field(default_factory=list)


def verify(context: Context, tags: dict[str, Tags]) -> Report:
    """Everything held against the truth. `tags`: of each audience that is looked at.

    Raises: TransientError, ConnectionBlocked.
    """
    report = Report(mispacked=packs.differing(context.history))
    if report.mispacked:
        report.findings.append(_of_customers("history", "orders packed wrongly", report.mispacked))
    for shop in context.settings.shops:
        if shop_row(context.history, shop)["backfilled_at"]:
            report.findings += [Finding(shop, "rows lacking", what, 1) for what in lacks(context, shop)]
    for name in tags:
        _verify_members(context, name, tags[name], report)
        _verify_standings(context, name, tags[name], report)
    return report


def _of_customers(of: str, kind: str, ids: Iterable[int]) -> Finding:
    finding = Finding(of, kind)
    for id_ in ids:
        finding.add(f"customer {id_}")
    return finding


class _Findings:
    """The findings about one audience's contacts, by kind and subject."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, kind: str, subject: str, example: str) -> None:
        """One more of a kind."""
        self._found.setdefault((kind, subject), Finding(self._name, kind, subject)).add(example)

    def all(self) -> list[Finding]:
        """What was found, by kind and subject."""
        return [self._found[key] for key in sorted(self._found)]


def _verify_members(context: Context, name: str, tags: Tags, report: Report) -> None:
    """Each contact as it is now, beside what is known of it. What changed since the last reading is no drift: the next
    cycle reads it.
    """
    found, changed_since, unreadable = _Findings(name), 0, 0
    unsettled = set(outbox.unsettled(context.history, name))
    missing = members.member_ids(context.history, name)
    off = overrides.in_force(context.history, name)
    ours = what_is_ours(context, name, tags)
    read_at = (ledger.audience_row(context.history, name)["members_read_at"] or 0) - CLOCK_SKEW_SECONDS
    for page in context.destination(name).members(None):
        for drift in members.compared(context.history, name, page.members, read_at, **ours):
            missing.discard(drift.customer_id or 0)
            if drift and (drift.changed_since or drift.email in unsettled):
                changed_since += 1
            elif drift:
                report.people[name].update(filter(None, [drift.customer_id]))
                _add(found, drift, tags)
        unreadable += len(page.rejected)
        context.report(f"{name}: verifying", len(page.members), page.expected)
    if unreadable:
        # Any of them may be one of those who seem to be gone.
        missing.clear()
    report.gone[name] = missing
    for id_ in sorted(missing):
        report.people[name].add(id_)
        found.add("contact is not there", "", f"customer {id_}")
    for id_, theirs in off.items():
        for bit in bits_in(theirs.tags & ~theirs.by_hand):
            report.people[name].add(id_)
            found.add("tag lost by the service", tags.names[bit], f"customer {id_}")
    report.findings += found.all()
    if unreadable:
        report.notes.append(f"{name}: {unreadable:,} contacts cannot be read; see `syncd quarantine list`")
    if changed_since:
        report.notes.append(f"{name}: {changed_since:,} contacts changed since they were read; the next cycle does")
    if by_hand := sum(theirs.by_hand.bit_count() for theirs in off.values()):
        report.notes.append(f"{name}: {by_hand:,} tags that somebody took off stay off until the person joins anew")


def _add(found: _Findings, drift: members.Drift, tags: Tags) -> None:
    if drift.customer_id is None:
        name, _, domain = drift.email.partition("@")
        found.add("contact is not known", "", f"{name[:1]}…@{domain}")
        return
    example = f"customer {drift.customer_id}"
    if drift.status:
        found.add("status differs", drift.status, example)
    for kind, bits in (("tag is missing", drift.lost), ("tag should not be there", drift.gained)):
        for bit in bits_in(bits):
            found.add(kind, tags.names[bit], example)
    for name in drift.fields:
        found.add("field differs", name, example)


def _verify_standings(context: Context, name: str, tags: Tags, report: Report) -> None:
    """Everybody's stays on record, and everybody judged anew, beside where they stand; but for those whom the next
    cycle judges anyway.
    """
    if odd := at_odds(context.history, name):
        report.people[name].update(odd)
        report.findings.append(_of_customers(name, "stays on record differ", odd))
    audience, row = context.settings.audiences[name], ledger.audience_row(context.history, name)
    today = context.today(audience)
    if row["judged_day"] != today or row["rules_digest"] != digest_of(audience, tags):
        report.notes.append(f"{name}: standings were not looked at, as the next cycle judges everybody")
        return
    wrong: list[int] = []
    for ids in _misjudged(context, name, tags, today):
        wrong += ids
    if wrong:
        report.people[name].update(wrong)
        report.findings.append(_of_customers(name, "stands in other segments", wrong))


def _misjudged(context: Context, name: str, tags: Tags, today: int) -> Iterator[list[int]]:
    for batch, before, judgement in judgements(context, name, tags, today, figures_on(context, name, today), None):
        settled = ~before.has_news & (before.due_at > context.clock.now())
        differ = np.flatnonzero(settled & (before.segments != judgement.segments))
        yield batch.customer[differ].tolist()
        context.report(f"{name}: judging", len(batch))
