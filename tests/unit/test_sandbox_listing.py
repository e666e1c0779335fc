"""Listings of members: whatever is asked for and whatever changed before, a page is what looking at all would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.sandbox.audience import Audience, Listing, Member
from syncd.sandbox.audience.members import STATUSES, subscriber_hash, unique_email_id
from syncd.sandbox.audience.register import Register
from syncd.sandbox.world import Clock

INSTANT = st.one_of(st.none(), st.integers(0, 9))
CHANGE = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(STATUSES),
        "vip": st.booleans(),
        "changed_at": st.integers(0, 9),
        "opted_in_at": INSTANT,
        "signed_up_at": INSTANT,
        "unsubscribed_at": INSTANT,
    },
)
BOUND = st.one_of(st.none(), st.integers(-3, 10), st.floats(-3, 10))
ASKED = st.builds(
    Listing,
    status=st.sampled_from(["", "", *STATUSES]),
    changed_since=BOUND,
    changed_before=BOUND,
    opted_since=BOUND,
    opted_before=BOUND,
    unsubscribed_since=BOUND,
    vip_only=st.booleans(),
    unique_email_id=st.sampled_from(["", "", "", unique_email_id(subscriber_hash("1@shop.test"))]),
    sort_field=st.sampled_from(["", "last_changed", "timestamp_opt", "timestamp_signup"]),
    descending=st.booleans(),
    offset=st.integers(0, 4),
    count=st.integers(0, 4),
)


def within(instant: int | None, since: float | None, before: float | None, *, inclusive: bool = False) -> bool:
    if since is None and before is None:
        return True
    if instant is None:
        return False
    in_time = before is None or instant < before or (inclusive and instant <= before)
    return in_time and (since is None or instant > since)


def expected(members: Iterable[Member], asked: Listing, *, archived: bool, inclusive: bool) -> list[Member]:
    """What looking at everybody gives, in order."""
    name = {"last_changed": "changed_at", "timestamp_opt": "opted_in_at", "timestamp_signup": "signed_up_at"}.get(
        asked.sort_field
    )
    if name is None:
        changed = (asked.changed_since, asked.changed_before) == (None, None)
        opted = (asked.opted_since, asked.opted_before) == (None, None)
        unsubscribed = asked.unsubscribed_since is None
        asked_about = {"changed_at": not changed, "opted_in_at": not opted, "unsubscribed_at": not unsubscribed}
        name = next((each for each, is_asked in asked_about.items() if is_asked), "changed_at")
    found = [
        member
        for member in members
        if (member.status == asked.status or (not asked.status and (archived or member.status != "archived")))
        and within(member.changed_at, asked.changed_since, asked.changed_before, inclusive=inclusive)
        and within(member.opted_in_at, asked.opted_since, asked.opted_before)
        and within(member.unsubscribed_at, asked.unsubscribed_since, None)
        and (member.vip or not asked.vip_only)
        and asked.unique_email_id in ("", unique_email_id(member.hash))
    ]
    # None comes first.
    return sorted(
        found,
        key=lambda each: (getattr(each, name) is not None, getattr(each, name), each.web_id),
        reverse=asked.descending,
    )


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 9), CHANGE, ASKED), max_size=20), st.booleans(), st.booleans())
def test_a_page_is_what_looking_at_every_member_gives_however_they_changed_meanwhile(
    steps: list[tuple[int, dict[str, Any], Listing]], archived: bool, inclusive: bool
) -> None:
    register = Register("x")
    known: dict[int, Member] = {}
    for who, change, asked in steps:
        if who in known and not change:
            register.remove(known.pop(who))
        else:
            if who not in known:
                known[who] = register.add(f"{who}@shop.test", "subscribed", 5)
            register.change(known[who], **change)
        everybody = expected(known.values(), asked, archived=archived, inclusive=inclusive)
        page, total = register.page(asked, archived=archived, inclusive=inclusive)
        assert page == everybody[asked.offset : asked.offset + asked.count]
        assert total == len(everybody)
        assert {status: count for status, count in register.counts().items() if count} == Counter(
            member.status for member in known.values()
        )


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["join", "leave", *STATUSES])), max_size=30),
    st.lists(st.sampled_from(STATUSES), unique=True),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_a_page_of_a_segment_is_its_members_status_by_status(
    steps: list[tuple[int, str]], statuses: list[str], offset: int, count: int
) -> None:
    audience = Audience("x", "x", Clock(5))
    members = [audience.add_member(f"{n}@shop.test", "subscribed", ["other"]) for n in range(6)]
    segment = audience.segments.create("tag", "static", 5)
    joined: list[Member] = []
    for who, action in steps:
        member = members[who]
        if action == "join":
            audience.tags.add(member, ["tag"], fires=False)
        elif action == "leave":
            audience.tags.remove(member, ["tag"])
        else:
            audience.act(member.email, {"status": action})
        joined = [each for each in members if segment.id in each.tags]
        segment.page(statuses, 0, 1)
    shown = [each.web_id for status in statuses for each in joined if each.status == status]
    assert segment.page(statuses, offset, count) == (shown[offset : offset + count], len(shown))
    assert (len(segment), set(segment)) == (len(joined), {each.web_id for each in joined})
    assert segment.subscribed == sum(each.status == "subscribed" for each in joined)
