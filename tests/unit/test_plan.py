"""The plan: what differs becomes a step, nothing else; the brake and the day's budget hold what is too much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model import MemberStatus
from syncd.plan import (
    Limits,
    Occasion,
    Plan,
    Standing,
    Surroundings,
    Tags,
    fields_to_set,
    make_plan,
    people_by_bit,
    reasons_to_hold,
)
from syncd.plan.want import STATUS, STRANGER, Reach, control_bits, reach, wanted_tags

LOYAL, LAPSED, GONE = 0, 1, 2
TAGS = Tags(
    bits={"loyal": LOYAL, "lapsed": LAPSED},
    names={LOYAL: "syncd:loyal", LAPSED: "syncd:lapsed", GONE: "syncd:gone"},
    segments={LOYAL: "loyal", LAPSED: "lapsed", GONE: "gone"},
)

bit_sets = st.integers(0, 2**62 - 1)
texts = st.sampled_from(["", '{"ORDERS":1}', '{"ORDERS":2}'])


def standing(id_: int, wanted: int = 0, known: int = 0, *, member: bool = True, fields: str = "") -> Standing:
    return Standing(id_, f"p{id_}@example.com", member, wanted, known, fields, "")


def plan_of(*standings: Standing, muted: bool = False, **more: object) -> Plan:
    return make_plan("main", standings, TAGS, day=20_000, muted=muted, **more)  # type: ignore[arg-type]


def test_nothing_that_differs_is_an_empty_plan() -> None:
    plan = plan_of(standing(1, 3, 3), standing(2))
    assert plan.steps == ()
    assert not any(plan.counts.values())


def test_a_step_adds_what_is_wanted_and_removes_what_is_not() -> None:
    (step,) = plan_of(standing(1, wanted=1 << LOYAL, known=1 << LAPSED)).steps
    assert (step.add, step.remove, step.set_fields, step.create) == (1 << LOYAL, 1 << LAPSED, False, False)


def test_somebody_who_is_no_member_is_created() -> None:
    plan = plan_of(standing(1, wanted=1, member=False))
    assert plan.steps[0].create
    assert plan.counts["member_create"] == 1


@given(st.lists(st.tuples(bit_sets, bit_sets, texts, texts), max_size=20))
def test_applying_a_plan_turns_known_into_wanted(rows: list[tuple[int, int, str, str]]) -> None:
    people = [Standing(i, f"{i}@example.com", True, *row[:2], *row[2:]) for i, row in enumerate(rows)]
    steps = {step.customer_id: step for step in make_plan("main", people, TAGS, day=1, muted=True).steps}
    for person in people:
        step = steps.get(person.customer_id)
        add, remove = (step.add, step.remove) if step else (0, 0)
        assert (person.known_tags | add) & ~remove == person.wanted_tags
        assert add & person.known_tags == 0
        assert (step is not None and step.set_fields) == (person.wanted_fields != person.known_fields)


@given(st.permutations([standing(i, wanted=i % 4, known=(i * 7) % 4) for i in range(8)]))
def test_the_same_people_in_any_order_are_the_same_plan(people: list[Standing]) -> None:
    assert plan_of(*people) == plan_of(*sorted(people, key=lambda p: p.customer_id))


def test_a_plan_of_another_day_or_loudness_has_another_id() -> None:
    people = [standing(1, wanted=1)]
    ids = {make_plan("main", people, TAGS, day=day, muted=muted).id for day in (1, 2) for muted in (True, False)}
    assert len(ids) == 4


def test_the_segments_of_a_plan_say_who_moves_also_for_one_that_left_the_file() -> None:
    plan = plan_of(standing(1, wanted=1 << LOYAL), standing(2, known=1 << GONE))
    assert plan.segments == (("loyal", 1, 0), ("gone", 0, 1))


def test_those_who_joined_first_enter_first_and_the_others_wait() -> None:
    joined = {1: 300, 2: 100, 3: 200}
    plan = plan_of(
        *(standing(i, wanted=1 << LOYAL) for i in joined),
        room={LOYAL: 2},
        joined=lambda customers, bits: {(id_, LOYAL): joined[id_] for id_ in customers},
    )
    assert [step.customer_id for step in plan.steps] == [2, 3]
    assert plan.waiting == {"loyal": 1}


def test_who_would_only_join_now_enters_behind_those_who_joined() -> None:
    joined = {(1, LOYAL): 300, (2, LAPSED): 100}
    people = [standing(i, wanted=0b11) for i in (1, 2)]
    plan = plan_of(*people, room={LOYAL: 1, LAPSED: 1}, joined=lambda customers, bits: joined)
    assert [(step.customer_id, step.add) for step in plan.steps] == [(1, 1 << LOYAL), (2, 1 << LAPSED)]


@given(st.lists(bit_sets))
def test_people_are_counted_bit_by_bit(sets: list[int]) -> None:
    counted = {bit: sum(one >> bit & 1 for one in sets) for bit in range(62)}
    assert dict(people_by_bit(sets)) == {bit: people for bit, people in counted.items() if people}


def test_a_full_tag_does_not_stop_the_rest_of_a_step() -> None:
    (step,) = plan_of(standing(1, wanted=1 << LOYAL, known=1 << LAPSED), room={LOYAL: 0}).steps
    assert (step.add, step.remove) == (0, 1 << LAPSED)


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 10), st.integers(0, 10))
def test_no_tag_gains_more_than_its_room(wants: list[int], loyal: int, lapsed: int) -> None:
    people = [standing(i, wanted=want) for i, want in enumerate(wants)]
    plan = plan_of(*people, room={LOYAL: loyal, LAPSED: lapsed})
    for bit, places in ((LOYAL, loyal), (LAPSED, lapsed)):
        entering = sum(want >> bit & 1 for want in wants)
        assert sum(step.add >> bit & 1 for step in plan.steps) == min(entering, places)
        assert plan.waiting.get(TAGS.segments[bit], 0) == max(0, entering - places)


def telling(id_: int, *occasions: Occasion, member: bool = True) -> Standing:
    return Standing(id_, f"p{id_}@example.com", member, 0, 0, "", "", occasions=occasions)


def test_what_is_told_is_part_of_the_plan_and_of_its_name() -> None:
    thanks, gone = Occasion(50, "thanks", "e1"), Occasion(60, "gone", "e2")
    plan = plan_of(telling(1, thanks, gone), telling(2))
    assert [step.occasions for step in plan.steps] == [(thanks, gone)]
    assert plan.counts["event"] == 2
    assert plan.summary()["moments"] == [
        {"name": "gone", "announce": 1, "waiting": 0},
        {"name": "thanks", "announce": 1, "waiting": 0},
    ]
    assert plan.id != plan_of(telling(1, thanks)).id != plan_of(telling(1, gone)).id


def test_what_is_due_longest_is_told_first_and_the_rest_waits_without_holding_up_anything_else() -> None:
    due = [Occasion(at, "thanks", f"e{at}") for at in (30, 10, 20)]
    people = [telling(at, one) for at, one in enumerate(due)] + [standing(9, wanted=1)]
    plan = plan_of(*people, moment_room={"thanks": 2})
    assert {one.due_at for step in plan.steps for one in step.occasions} == {10, 20}
    assert [step.customer_id for step in plan.steps] == [1, 2, 9]
    assert plan.moments == (("thanks", 2, 1),)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 4))), st.integers(0, 9))
def test_no_moment_is_told_more_often_than_it_has_room(rows: list[tuple[str, int, int]], room: int) -> None:
    of: dict[int, list[Occasion]] = {}
    for n, (name, due_at, id_) in enumerate(rows):
        of.setdefault(id_, []).append(Occasion(due_at, name, f"e{n}"))
    plan = plan_of(*(telling(id_, *its) for id_, its in of.items()), moment_room={"a": room, "b": 3})
    for name, places in (("a", room), ("b", 3)):
        due = sorted(one for its in of.values() for one in its if one.moment == name)
        kept = sorted(one for step in plan.steps for one in step.occasions if one.moment == name)
        assert kept == due[:places]
        assert sum(waiting for moment, _, waiting in plan.moments if moment == name) == len(due) - len(kept)


@pytest.mark.parametrize(
    ("wanted", "known", "to_set"),
    [
        ("", "", {}),
        ('{"ORDERS":2}', "", {"ORDERS": 2}),
        ('{"ORDERS":2}', '{"ORDERS":2}', {}),
        ("", '{"ORDERS":2}', {"ORDERS": ""}),
        ('{"A":1,"B":2}', '{"A":1,"B":3}', {"B": 2}),
    ],
)
def test_only_fields_whose_value_differs_are_set(wanted: str, known: str, to_set: dict[str, object]) -> None:
    assert fields_to_set(wanted, known) == to_set


@pytest.mark.parametrize(
    ("status", "consent", "refused", "expected"),
    [
        (MemberStatus.SUBSCRIBED, False, False, Reach.FULL),
        (MemberStatus.SUBSCRIBED, True, True, Reach.LEAVE),
        (MemberStatus.UNSUBSCRIBED, True, False, Reach.WITHDRAW),
        (MemberStatus.UNSUBSCRIBED, True, True, Reach.LEAVE),
        (MemberStatus.CLEANED, True, False, Reach.LEAVE),
        (MemberStatus.PENDING, True, False, Reach.LEAVE),
        (MemberStatus.TRANSACTIONAL, True, False, Reach.LEAVE),
        (MemberStatus.ARCHIVED, True, False, Reach.LEAVE),
        (None, True, False, Reach.FULL),
        (None, True, True, Reach.LEAVE),
        (None, False, False, Reach.LEAVE),
    ],
)
def test_only_subscribers_and_consenting_strangers_get_tags(
    status: MemberStatus | None, consent: bool, refused: bool, expected: Reach
) -> None:
    number = STRANGER if status is None else STATUS[status]
    assert reach(np.array([number]), np.array([consent]), np.array([refused])).tolist() == [expected]


def test_an_unsubscribe_takes_our_tags_away_and_other_states_are_left_alone() -> None:
    everybody = (np.full(3, 0b11), np.full(3, 0b01), np.array([Reach.WITHDRAW, Reach.LEAVE, Reach.FULL]))
    assert wanted_tags(*everybody, np.zeros(3, np.int64)).tolist() == [0, 0b01, 0b11]
    assert wanted_tags(*everybody, np.full(3, 0b10)).tolist() == [0, 0b01, 0b01]


def test_a_control_group_is_withheld_the_tag_in_its_share_and_for_ever() -> None:
    people = [f"p{i}@example.com" for i in range(4_000)]
    held = [p for p in people if control_bits(p, {0: ("loyal", 10.0)})]
    assert 320 < len(held) < 480
    assert held == [p for p in people if control_bits(p, {0: ("loyal", 10.0), 1: ("vip", 50.0)}) & 1]
    assert not any(control_bits(p, {0: ("loyal", 0.0)}) for p in people)


def adding(people: int) -> Plan:
    return plan_of(*(standing(i, wanted=1 << LOYAL) for i in range(people)))


def removing(people: int) -> Plan:
    return plan_of(*(standing(i, known=1 << LOYAL) for i in range(people)))


def announcing(people: int) -> Plan:
    return plan_of(*(telling(i, Occasion(1, "thanks", f"e{i}")) for i in range(people)))


def creating(people: int) -> Plan:
    return plan_of(*(standing(i, fields='{"ORDERS":1}', member=False) for i in range(people)))


@pytest.mark.parametrize(
    ("make", "managed", "most"),
    [
        (removing, 100, 50),
        (removing, 2_000, 100),
        (adding, 100, 200),
        (adding, 2_000, 400),
        (creating, 100, 200),
        (announcing, 100, 200),
    ],
)
def test_the_brake_holds_one_change_more_than_the_limit(make: Callable[[int], Plan], managed: int, most: int) -> None:
    assert reasons_to_hold(make(most), Surroundings(managed), Limits()) == ()
    (reason,) = reasons_to_hold(make(most + 1), Surroundings(managed), Limits())
    assert f"{most + 1:,}" in reason
    assert f"{most:,}" in reason


shares = st.sampled_from([0.0, 0.01, 0.05, 0.2, 1.0])


@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.builds(Limits, st.integers(0, 40), shares, st.integers(0, 40), shares),
    st.integers(0, 7_000),
)
def test_counting_more_members_than_enough_changes_no_reason(
    added: int, removed: int, created: int, limits: Limits, managed: int
) -> None:
    plan = plan_of(
        *(standing(i, wanted=1 << LOYAL) for i in range(added)),
        *(standing(100 + i, known=1 << LAPSED) for i in range(removed)),
        *(standing(200 + i, fields="{}", member=False) for i in range(created)),
    )
    counted = min(managed, limits.enough(plan))
    assert reasons_to_hold(plan, Surroundings(counted), limits) == reasons_to_hold(plan, Surroundings(managed), limits)


@pytest.mark.parametrize(
    ("known", "shown", "held"),
    [
        (20, 0, True),
        (19, 0, False),
        (1_000, 699, True),
        (1_000, 700, False),
        (1_000, None, False),
        (1_000, 2_000, False),
    ],
)
def test_the_brake_holds_when_a_shop_shows_far_less_than_is_known(known: int, shown: int | None, held: bool) -> None:
    assert bool(reasons_to_hold(adding(1), Surroundings(5_000, {"acme": (known, shown)}), Limits())) is held


def test_the_brake_holds_a_first_push_and_another_account_and_a_bill_above_the_limit() -> None:
    around = Surroundings(5_000, fingerprints=("another account",), first_push=True)
    assert reasons_to_hold(billed(creating(2), 99, 100), around, Limits()) == (
        "another account",
        "this is the first push to this audience",
        "the audience would have 101 contacts, its limit is 100",
    )
    assert len(reasons_to_hold(billed(creating(1), 99, 100), around, Limits())) == 2
    assert len(reasons_to_hold(billed(creating(2), 99, None), around, Limits())) == 2


def billed(plan: Plan, now: int, limit: int | None) -> Plan:
    return replace(plan, bill=plan.billed(now, limit))


def test_the_bill_counts_who_is_created_and_not_who_is_archived() -> None:
    both = plan_of(Standing(1, "a@x.de", False, 1, 0, "", ""), Standing(2, "b@x.de", True, 0, 0, "", "", "archive"))
    assert both.billed(100, 500) == (100, 100, 500)
    assert billed(creating(3), 100, 500).summary()["contacts"] == {"now": 100, "after": 103, "limit": 500}
    assert creating(3).summary()["contacts"] is None


def test_a_plan_that_writes_nothing_is_never_held() -> None:
    around = Surroundings(0, {"acme": (1_000, 0)}, fingerprints=("another account",), first_push=True)
    assert reasons_to_hold(plan_of(), around, Limits()) == ()
