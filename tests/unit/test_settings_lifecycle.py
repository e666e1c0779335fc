"""`lifecycle.toml`: what is accepted, and what is said about everything else."""

import tomllib
from pathlib import Path

import pytest

from syncd.errors import UserError
from syncd.settings.lifecycle import SEGMENTS_MAX, read_playbook


def problems(directory: Path, rules: str, prefix: str = "syncd:") -> tuple[str, ...]:
    file = directory / "lifecycle.toml"
    file.write_text(rules)
    with pytest.raises(UserError) as caught:
        read_playbook(file, "EUR", prefix)
    return caught.value.problems


def segments(count: int) -> str:
    return "".join(f'[segments.s{n}]\nwhen = "orders(ever) >= {n}"\n' for n in range(count))


def test_a_faulty_rule_is_shown_at_its_line_with_a_mark_under_the_fault(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, '# mine\n[segments.a]\ndescribe = ""\nwhen = "spned(ever) > 3"\n')
    assert only.startswith("lifecycle.toml:4: segments.a.when: ")
    assert "spend" in only
    assert "^" in only


def test_faulty_rules_and_faulty_names_are_reported_together(tmp_path: Path) -> None:
    rules = '[segments.a]\nwhen = "orders(ever) >"\n[fields.spend]\nvalue = "spend(ever)"\n[fields.X]\nvalue = "nope"\n'
    found = problems(tmp_path, rules)
    assert [problem.split(": ")[1] for problem in found] == ["segments.a.when", "fields.spend", "fields.X.value"]


def test_as_many_segments_as_the_history_has_bits_are_accepted(tmp_path: Path) -> None:
    assert len(read_playbook(tomllib.loads(segments(SEGMENTS_MAX)), "EUR", "").segments) == SEGMENTS_MAX
    (only,) = problems(tmp_path, segments(SEGMENTS_MAX + 1))
    assert only.endswith("63 segments; there can be 62 at most")


def test_a_tag_is_as_long_as_the_service_takes_with_its_prefix(tmp_path: Path) -> None:
    rule = '[segments.a]\nwhen = "orders(ever) >= 1"\ntag = "{}"\n'
    assert read_playbook(tomllib.loads(rule.format("t" * 44)), "EUR", "syncd:").segments
    assert problems(tmp_path, rule.format("t" * 45)) == (
        "lifecycle.toml:3: segments.a.tag: with its prefix the tag has 51 characters; 50 is the most",
    )


def test_two_segments_cannot_share_a_tag_however_it_is_spelt(tmp_path: Path) -> None:
    found = problems(tmp_path, segments(2) + '[segments.b]\nwhen = "orders(ever) >= 1"\ntag = "S1"\n')
    assert found == ("lifecycle.toml:7: segments.b.tag: 'S1' is the tag of segments.s1 already",)


@pytest.mark.parametrize("tag", ["a\\tb", "a\\u200bb"])
def test_a_tag_that_nobody_can_see_is_refused(tmp_path: Path, tag: str) -> None:
    (only,) = problems(tmp_path, f'[segments.a]\nwhen = "orders(ever) >= 1"\ntag = "{tag}"\n')
    assert only.endswith("a tag has only characters that can be seen")


@pytest.mark.parametrize("name", ["spend", "SPEND_6_MONTHS", "A-B", '"Ä"'])
def test_a_field_has_the_name_that_the_service_allows(tmp_path: Path, name: str) -> None:
    (only,) = problems(tmp_path, f'[fields.{name}]\nvalue = "spend(ever)"\n')
    assert only.endswith("a field's name has up to 10 characters: A-Z, 0-9 and _")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[segments.a]\nwhen = 3\n", "lifecycle.toml:2: segments.a.when: expected text, got a whole number"),
        ("[segments.a]\n", "lifecycle.toml:1: segments.a.when: this key is missing"),
        ('[segment.a]\nwhen = "x"\n', "lifecycle.toml:1: segment: there is no such key here; did you mean 'segments'?"),
        (
            '[segments.a]\nwhen = "x"\ncontrol = "x"\n',
            "lifecycle.toml:3: segments.a.control: expected a number, got text",
        ),
        ('[moments.a]\non = "order"\n', "lifecycle.toml:1: moments.a.event: this key is missing"),
    ],
)
def test_a_file_of_the_wrong_shape_says_what_is_expected(tmp_path: Path, rules: str, said: str) -> None:
    assert problems(tmp_path, rules) == (said,)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ('event = "o"', "moments.a.event: an event's name has 2 to 30 characters that can be seen"),
        (f'event = "{"o" * 31}"', "moments.a.event: an event's name has 2 to 30 characters that can be seen"),
        ('event = "a\\tb"', "moments.a.event: an event's name has 2 to 30 characters that can be seen"),
        ('event = "ok"\nsettle = "soon"', "moments.a.settle: expected a time such as"),
        ('event = "ok"\nsetle = "1 hour"', "moments.a.setle: there is no such key here; did you mean 'settle'?"),
    ],
)
def test_a_moment_is_what_the_service_can_be_told(tmp_path: Path, moment: str, said: str) -> None:
    (only,) = problems(tmp_path, f'[moments.a]\non = "order"\n{moment}\n')
    assert said in only


def test_a_moment_waits_as_long_as_it_says_or_as_is_usual_for_what_it_waits_for(tmp_path: Path) -> None:
    file = tmp_path / "lifecycle.toml"
    occasions = {"a": "order", "b": "join s0", "c": "leave s0", "d": "cart"}
    file.write_text(
        segments(1)
        + "".join(f'[moments.{name}]\non = "{on}"\nevent = "{name * 2}"\n' for name, on in occasions.items())
        + "".join(f'[moments.{n}0]\non = "order"\nevent = "e0"\nsettle = "{n} minutes"\n' for n in (0, 90))
    )
    found = {moment.name: moment.settle for moment in read_playbook(file, "EUR", "").moments}
    assert found == {"a": 3_600, "b": 0, "c": 0, "d": 3 * 3_600, "00": 0, "900": 90 * 60}


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_playbook(tmp_path / "gone.toml", "EUR", "")
