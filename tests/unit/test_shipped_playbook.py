"""The shipped playbook as a whole: what it promises to the first hour, and what it must leave room for."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from syncd.settings import load
from syncd.settings.lifecycle import SEGMENTS_MAX, read_playbook

CONFIG = Path(__file__).parents[2] / "config"
FILES = {"en": CONFIG / "lifecycle.toml", "es": CONFIG / "es" / "lifecycle.toml"}
# Marketers have built journeys on these tags.
OLD_NAMES = [
    *("non-buyer", "first-time", "repeat", "loyal", "vip", "free-shipping", "lapsed", "come-back"),
    *("bought-14d", "bought-1m", "bought-3m", "bought-6m"),
]
# Mailchimp has room for 30 merge fields in its smaller plans, and shops bring some of their own.
MOST_FIELDS = 18
LONGEST_TAG = 15
LONGEST_SENTENCE = 90

in_every_language = pytest.mark.parametrize("language", FILES)


def shipped(language: str) -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(FILES[language].read_text("utf-8"))


def test_names_that_journeys_are_built_on_stay() -> None:
    assert {*OLD_NAMES} <= shipped("en")["segments"].keys()


@in_every_language
def test_there_is_room_for_segments_and_fields_of_ones_own(language: str) -> None:
    playbook = read_playbook(FILES[language], "EUR", "syncd:")
    assert len(playbook.segments) <= SEGMENTS_MAX * 2 / 3
    assert len(playbook.fields) <= MOST_FIELDS


@in_every_language
def test_every_segment_and_field_says_in_one_short_sentence_what_it_is_for(language: str) -> None:
    rules = shipped(language)
    said = [each["describe"] for each in [*rules["segments"].values(), *rules["fields"].values()]]
    assert [text for text in said if len(text) > LONGEST_SENTENCE or not re.fullmatch(r"[A-ZÚ][^.]+\.", text)] == []
    assert len({*said}) == len(said)


@in_every_language
def test_tags_are_short_and_are_what_the_segments_are_called(language: str) -> None:
    segments = shipped(language)["segments"]
    assert [name for name, segment in segments.items() if "tag" in segment or len(name) > LONGEST_TAG] == []


def test_in_spanish_are_the_same_rules_in_the_same_order() -> None:
    english, spanish = shipped("en"), shipped("es")
    assert english.keys() == spanish.keys()
    names = dict(zip(english["segments"], spanish["segments"], strict=True))
    for table in english:
        for (name, rules), there in zip(english[table].items(), spanish[table].values(), strict=True):
            said = {"describe", "event"}
            assert rules.keys() == there.keys(), name
            assert {key: translated(rules[key], names) for key in rules.keys() - said} == {
                key: there[key] for key in rules.keys() - said
            }, name
    assert [*english["fields"]] == [*spanish["fields"]]


def translated(rule: str, names: dict[str, str]) -> str:
    """The rule, or the occasion of a moment, with the segments that it asks for under their other names."""
    return re.sub(r"(\bin\(|^join |^leave )([a-z0-9-]+)", lambda found: found[1] + names[found[2]], rule)


def test_the_spanish_configuration_says_the_same_as_the_english_one() -> None:
    files = [directory / "syncd.toml" for directory in (CONFIG, CONFIG / "es")]
    assert len({str(tomllib.loads(file.read_text("utf-8"))) for file in files}) == 1
    assert load(files[1]).audiences["main"].playbook.segments
