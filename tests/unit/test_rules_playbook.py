"""The playbook: order, digest, and every problem at once."""

from __future__ import annotations

import pytest

from syncd.errors import UserError
from syncd.rules import FieldSpec, MomentSpec, Playbook, SegmentSpec
from syncd.rules.names import NAMES

YES = SegmentSpec("subscribed")


def load(**segments: SegmentSpec) -> Playbook:
    """Names are written with _ for the hyphen."""
    return Playbook.load({name.replace("_", "-"): spec for name, spec in segments.items()}, currency="EUR")


def problems(
    segments: dict[str, SegmentSpec],
    fields: dict[str, FieldSpec] | None = None,
    moments: dict[str, MomentSpec] | None = None,
) -> list[str]:
    with pytest.raises(UserError) as caught:
        Playbook.load(segments, fields or {}, moments or {}, currency="EUR")
    return list(caught.value.problems)


def test_segments_stand_behind_those_that_they_ask_for() -> None:
    playbook = load(
        vip=SegmentSpec("in(loyal) and not in(come-back)"),
        loyal=SegmentSpec("in(buyer)"),
        buyer=SegmentSpec("orders(ever) > 0", stay_while="in(come-back)"),
        come_back=YES,
    )
    assert [segment.name for segment in playbook.segments] == ["come-back", "buyer", "loyal", "vip"]


def test_segments_that_ask_for_none_keep_their_order() -> None:
    assert [segment.name for segment in load(c=YES, a=YES, b=YES).segments] == ["c", "a", "b"]


def test_a_part_of_it_has_the_segments_that_they_ask_for_and_their_figures_and_no_more() -> None:
    playbook = Playbook.load(
        {
            "buyer": SegmentSpec("orders(ever) > 0", stay_while="in(rich)"),
            "rich": SegmentSpec("spend(ever) > mean(spend(ever))"),
            "late": SegmentSpec("lateness > usual(80)"),
            "vip": SegmentSpec("in(buyer)"),
        },
        {"F": FieldSpec("spend(ever) / percentile(spend(ever), 90)")},
        {"m": MomentSpec("order", "e")},
        currency="EUR",
    )
    part = playbook.only(["vip", "gone"])
    assert [segment.name for segment in part.segments] == ["rich", "buyer", "vip"]
    assert (part.fields, part.moments, part.usual) == ((), (), None)
    assert [figure.text for figure in part.figures] == ["mean(spend(ever))"]
    assert [figure.text for figure in playbook.only(["late"]).usual or ()] == ["usual(80)"]


def test_it_tells_which_of_its_names_are_only_known_as_of_now() -> None:
    playbook = load(
        tagged=SegmentSpec('shop_tag("vip") and orders(ever) > 0', stay_while='country == "ES" and wishes > 1'),
        born=SegmentSpec("birthday within this month and units(ever) > 3"),
    )
    assert playbook.of_now == ("country", "shop_tag", "wishes")
    assert playbook.only(["born"]).of_now == ()


def test_a_name_that_reads_what_is_no_order_and_no_birthday_is_known_as_of_now() -> None:
    assert [name for name, each in NAMES.items() if each.needs - {"items", "birthday"} and not each.of_now] == []


def test_a_segment_has_its_rules_as_trees_and_as_written() -> None:
    (segment,) = load(a=SegmentSpec("spend( ever )>=5.50", "Good.", "spend(ever)>5", "good buyer", 10)).segments
    assert (segment.tag, segment.describe, segment.control) == ("good buyer", "Good.", 10)
    assert (str(segment.when), segment.when_text) == ("spend(ever) >= 5.5", "spend( ever )>=5.50")
    assert (str(segment.stay_while), segment.stay_while_text) == ("spend(ever) > 5", "spend(ever)>5")


def test_the_tag_is_the_name_unless_another_is_given() -> None:
    assert [segment.tag for segment in load(come_back=YES, b=SegmentSpec("subscribed", tag="B!")).segments] == [
        "come-back",
        "B!",
    ]


def test_fields_have_the_type_of_their_expression() -> None:
    values = {"A": "spend(ever)", "B": "orders(ever)", "C": "since_last_order", "D": "last_order", "E": "country"}
    playbook = Playbook.load({}, {name: FieldSpec(value) for name, value in values.items()}, currency="EUR")
    assert {field.name: field.type for field in playbook.fields} == {
        "A": "number",
        "B": "number",
        "C": "number",
        "D": "date",
        "E": "text",
    }


def test_moments_name_what_happens_and_to_which_segment() -> None:
    moments = {"a": MomentSpec("join vip", "e1"), "b": MomentSpec("leave  vip", "e2"), "c": MomentSpec("order", "e3")}
    moments["d"] = MomentSpec("cart", "e4", settle=60)
    playbook = Playbook.load({"vip": YES}, {}, moments, currency="EUR")
    assert [(moment.name, moment.occasion, moment.segment, moment.event) for moment in playbook.moments] == [
        ("a", "join vip", "vip", "e1"),
        ("b", "leave vip", "vip", "e2"),
        ("c", "order", None, "e3"),
        ("d", "cart", None, "e4"),
    ]


def test_the_figures_of_all_rules_are_gathered_once_each() -> None:
    playbook = Playbook.load(
        {
            "a": SegmentSpec("spend(ever) > mean(spend(ever))", stay_while="spend(ever) > percentile(spend(ever), 60)"),
            "b": SegmentSpec("spend(ever) > 2 * mean( spend(ever) )"),
        },
        {"F": FieldSpec("orders(ever) / mean(orders(ever))")},
        currency="EUR",
    )
    assert [figure.text for figure in playbook.figures] == [
        "mean(orders(ever))",
        "mean(spend(ever))",
        "percentile(spend(ever), 60)",
    ]


def test_the_figures_of_order_gaps_are_gathered_apart_from_the_others() -> None:
    playbook = Playbook.load(
        {"a": SegmentSpec("lateness > usual( 90 )", stay_while="lateness > usual(80.0)", fallback="subscribed")},
        {"F": FieldSpec("lateness / usual(90)")},
        currency="EUR",
    )
    assert [figure.text for figure in playbook.usual or ()] == ["usual(80)", "usual(90)"]
    assert playbook.figures == ()


def test_a_playbook_knows_whether_anything_asks_for_order_gaps() -> None:
    assert load(a=YES).usual is None
    assert load(a=SegmentSpec("subscribed and lateness > 2")).usual == ()
    assert Playbook.load({}, {"F": FieldSpec("next_order")}, currency="EUR").usual == ()
    assert load(a=SegmentSpec("mean(order_gap) > 20 days")).usual == ()


def test_a_fallback_stands_only_beside_usual_and_does_not_ask_for_it() -> None:
    late = SegmentSpec("lateness > usual(90)", fallback="since_last_order >= 180 days or lateness > usual(50)")
    assert problems({"a": SegmentSpec("lateness > 2", fallback="subscribed"), "b": late}) == [
        "segments.a.fallback: it stands in while `usual(…)` is not known, and no rule of this segment asks for that",
        "segments.b.fallback: it stands in while `usual(…)` is not known, so it cannot ask for that itself",
    ]


def test_a_segment_stands_behind_those_that_its_fallback_asks_for() -> None:
    playbook = load(a=SegmentSpec("lateness > usual(90)", fallback="in(b)"), b=YES)
    assert [segment.name for segment in playbook.segments] == ["b", "a"]


def test_a_fallback_makes_other_judgements_follow() -> None:
    rule = "lateness > usual(90)"
    specs = [SegmentSpec(rule), SegmentSpec(rule, fallback="subscribed"), SegmentSpec(rule, stay_while="subscribed")]
    assert len({load(a=spec).digest for spec in specs}) == 3


def test_every_problem_is_told_at_once_with_its_place() -> None:
    found = problems(
        {
            "Loyal": SegmentSpec("spnd(ever) > 5", control=100),
            "b" * 51: SegmentSpec("subscribed", tag=""),
            "vip": SegmentSpec("in(vipp)", stay_while=""),
            "a": SegmentSpec("subscribed", tag="VIP "),
        },
        {"F": FieldSpec("subscribed")},
        {
            "m": MomentSpec("join vipp", " "),
            "n": MomentSpec("orders", "e"),
            "o": MomentSpec("joins vip", "e"),
            "p": MomentSpec("join", "e"),
            "q q": MomentSpec("", "e"),
        },
    )
    name = "a segment's name is up to 50 lower-case letters, digits and hyphens"
    moment = "a moment is `join SEGMENT`, `leave SEGMENT`, `order` or `cart`"
    assert found == [
        f"segments.Loyal: {name}",
        "segments.Loyal.control: a share is from 0 to below 100 %, not 100",
        "segments.Loyal.when: unknown name 'spnd'; did you mean 'spend'?\n  spnd(ever) > 5\n  ^^^^",
        f"segments.{'b' * 51}: {name}",
        f"segments.{'b' * 51}.tag: a tag is not empty, and no space surrounds it",
        "segments.vip.when: no segment is called 'vipp'; did you mean 'vip'?\n  in(vipp)\n     ^^^^",
        "segments.vip.stay_while: the rule is empty\n  \n  ^",
        "segments.a.tag: a tag is not empty, and no space surrounds it",
        "fields.F.value: a field holds a number, a date or a text, not true or false\n  subscribed\n  ^^^^^^^^^^",
        "moments.m.event: an event needs a name",
        "moments.m.on: no segment is called 'vipp'; did you mean 'vip'?",
        f"moments.n.on: {moment}, not `orders`; did you mean 'order'?",
        f"moments.o.on: {moment}, not `joins vip`; did you mean 'join'?",
        f"moments.p.on: {moment}, not `join`",
        "moments.q q: a moment's name is up to 50 lower-case letters, digits and hyphens",
        f"moments.q q.on: {moment}, not ``",
    ]


def test_every_circle_among_segments_is_told() -> None:
    assert problems(
        {
            "a": SegmentSpec("in(b)"),
            "b": SegmentSpec("subscribed", stay_while="in(c)"),
            "c": SegmentSpec("in(a)"),
            "d": SegmentSpec("not in(d)"),
            "e": SegmentSpec("in(a) or in(d)"),
        }
    ) == [
        "segments.a: in() leads back to the segment itself: a → b → c → a",
        "segments.d: in() leads back to the segment itself: d → d",
    ]


def test_two_segments_cannot_have_the_same_tag_in_whatever_case() -> None:
    assert problems({"vip": YES, "best": SegmentSpec("subscribed", tag="VIP")}) == [
        "segments.best.tag: 'VIP' is the tag of segments.vip already"
    ]


def test_more_segments_than_bits_are_refused() -> None:
    assert len(load(**{f"s{n}": YES for n in range(63)}).segments) == 63
    assert problems({f"s{n}": YES for n in range(64)}) == ["segments: there are 64, and at most 63 are possible"]


def test_however_many_segments_ask_for_the_next_they_are_refused_and_no_bug() -> None:
    chain = {f"s{n}": SegmentSpec(f"in(s{n + 1})") for n in range(1_500)}
    assert problems(chain | {"s1500": YES}) == ["segments: there are 1501, and at most 63 are possible"]


def test_a_figure_too_long_for_the_history_is_refused() -> None:
    figure = f"mean({' + '.join(['spend(6 months)'] * 11)})"
    assert problems({"a": SegmentSpec(f"{figure} > 5")}) == [
        f"{figure}: a figure of the audience has at most 200 characters"
    ]


def test_the_digest_stays_through_spaces_and_descriptions() -> None:
    first = load(a=SegmentSpec("spend(ever)>=5.0"), b=YES)
    assert first.digest == load(b=YES, a=SegmentSpec("( spend(ever) >= 5 )", describe="New words.")).digest
    assert len(first.digest) == 64


@pytest.mark.parametrize(
    "changed",
    [
        SegmentSpec("spend(ever) >= 6"),
        SegmentSpec("spend(ever) >= 5", stay_while="subscribed"),
        SegmentSpec("spend(ever) >= 5", tag="b"),
        SegmentSpec("spend(ever) >= 5", control=5),
    ],
)
def test_the_digest_changes_with_whatever_changes_a_judgement(changed: SegmentSpec) -> None:
    assert load(a=changed).digest != load(a=SegmentSpec("spend(ever) >= 5")).digest


def test_the_digest_changes_with_fields_moments_and_currency() -> None:
    segments, fields, moments = {"a": YES}, {"F": FieldSpec("spend(ever)")}, {"m": MomentSpec("order", "e")}
    digests = {
        Playbook.load(segments, currency="EUR").digest,
        Playbook.load(segments, currency="USD").digest,
        Playbook.load(segments, fields, currency="EUR").digest,
        Playbook.load(segments, fields, moments, currency="EUR").digest,
        Playbook.load(segments, {"F": FieldSpec("spend(1 year)")}, moments, currency="EUR").digest,
        Playbook.load(segments, fields, {"m": MomentSpec("join a", "e")}, currency="EUR").digest,
    }
    assert len(digests) == 6
    renamed = {"m": MomentSpec("order", "other", settle=5)}
    assert Playbook.load(segments, fields, renamed, currency="EUR").digest in digests
