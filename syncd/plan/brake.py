"""The brake: the reasons for which a plan looks like an accident. Pure; it decides nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from syncd.plan.diff import Bill, Plan


@dataclass(frozen=True, slots=True)
class Limits:
    """How much change is still ordinary. Shares are of the members whom syncd manages."""

    removals_min: int = 50
    removals_share: float = 0.05
    additions_min: int = 200
    additions_share: float = 0.20
    known_customers: int = 20
    history_shrink: float = 0.30

    def removals(self, managed: int) -> int:
        """How many tags may be removed in one plan where so many members are managed."""
        return max(self.removals_min, round(managed * self.removals_share))

    def additions(self, managed: int) -> int:
        """How many people may get one tag or event in one plan where so many members are managed."""
        return max(self.additions_min, round(managed * self.additions_share))

    def enough(self, plan: Plan) -> int:
        """With so many managed members, more would not let the plan do more: nobody needs to count on."""
        counts = plan.counts
        removed = max(counts["tag_remove"], counts["member_rename"] + counts["member_archive"])
        added = max(counts["member_create"], *(n for _, n, _ in plan.segments), *(n for _, n, _ in plan.moments), 0)
        return max(
            _managed_for(removed, self.removals_min, self.removals_share),
            _managed_for(added, self.additions_min, self.additions_share),
        )


def _managed_for(changes: int, ordinary: int, share: float) -> int:
    """How many managed members make so many changes ordinary, whatever was `ordinary` with any number of them."""
    return ceil((changes + 1) / share) if share and changes > ordinary else 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the plan is measured against.

    `managed`: members who may bear our tags; where there are more, `Limits.enough` of them will do.
    `shops`: for each shop how many customers we know and how many it shows now (None: it does not say).
    `fingerprints`: a sentence for each account that is no longer what it was. `run_out`: how many of the removals
    are only because of the date, and no accident.
    """

    managed: int
    shops: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    fingerprints: tuple[str, ...] = ()
    first_push: bool = False
    run_out: int = 0


def reasons_to_hold(plan: Plan, around: Surroundings, limits: Limits) -> tuple[str, ...]:
    """One sentence for each reason to hold the plan; nothing for an ordinary one, or one that writes nothing.

    Source: DESIGN §7.
    """
    if not plan.steps:
        return ()
    return (
        *around.fingerprints,
        *(["this is the first push to this audience"] if around.first_push else []),
        *_shop_reasons(around, limits),
        *_removal_reasons(plan, around, limits),
        *_addition_reasons(plan, around, limits),
        *_bill_reasons(plan, plan.bill),
    )


class Excess(NamedTuple):
    """More than a plan may do unasked: so many people would get the tag of `segment`."""

    segment: str
    number: int
    limit: int

    def __str__(self) -> str:
        return f"{self.number:,} people would get the tag of {self.segment}, the limit is {self.limit:,}"


def too_many_removed(plan: Plan, managed: int, limits: Limits) -> bool:
    """Whether the plan removes more tags than is ordinary, for whatever reason."""
    return plan.counts["tag_remove"] > limits.removals(managed)


def too_many_added(segment: str, added: int, limit: int) -> list[Excess]:
    """The reason to hold a plan by which so many people get a segment's tag; none within the limit."""
    return [Excess(segment, added, limit)] if added > limit else []


def _shop_reasons(around: Surroundings, limits: Limits) -> list[str]:
    reasons = []
    for shop, (known, shown) in around.shops.items():
        if shown is None or known < limits.known_customers:
            continue
        if shown == 0:
            reasons.append(f"shop {shop} shows no customer, where {known:,} are known")
        elif shown < known * (1 - limits.history_shrink):
            reasons.append(f"shop {shop} shows {shown:,} customers, where {known:,} are known")
    return reasons


def _removal_reasons(plan: Plan, around: Surroundings, limits: Limits) -> list[str]:
    limit = limits.removals(around.managed)
    moves = plan.counts["member_rename"] + plan.counts["member_archive"]
    removed = plan.counts["tag_remove"] - around.run_out
    reasons = []
    if removed > limit:
        besides = f" besides the {around.run_out:,} whose time is over" if around.run_out else ""
        reasons.append(f"{removed:,} tags would be removed{besides}, the limit is {limit:,}")
    if moves > limit:
        reasons.append(f"{moves:,} contacts would be renamed or archived, the limit is {limit:,}")
    return reasons


def _addition_reasons(plan: Plan, around: Surroundings, limits: Limits) -> list[str]:
    limit = limits.additions(around.managed)
    reasons = [str(excess) for name, added, _ in plan.segments for excess in too_many_added(name, added, limit)]
    for name, announced, _ in plan.moments:
        if announced > limit:
            reasons.append(f"{announced:,} people would get the event of {name}, the limit is {limit:,}")
    created = plan.counts["member_create"]
    if created > limit:
        reasons.append(f"{created:,} members would be created, the limit is {limit:,}")
    return reasons


def _bill_reasons(plan: Plan, bill: Bill | None) -> list[str]:
    if bill is None or bill.limit is None or not plan.counts["member_create"] or bill.after <= bill.limit:
        return []
    return [f"the audience would have {bill.after:,} contacts, its limit is {bill.limit:,}"]
