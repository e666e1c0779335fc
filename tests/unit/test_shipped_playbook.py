"""The shipped playbook as a whole: what it promises to the first hour, and what it must leave room for."""

import tomllib
from pathlib import Path

from syncd.settings.lifecycle import SEGMENTS_MAX, read_playbook

ENGLISH = Path(__file__).parents[2] / "config" / "lifecycle.toml"
# Marketers have built journeys on these tags.
OLD_NAMES = [
    *("non-buyer", "first-time", "repeat", "loyal", "vip", "free-shipping", "lapsed", "come-back"),
    *("bought-14d", "bought-1m", "bought-3m", "bought-6m"),
]
# Mailchimp has room for 30 merge fields in its smaller plans, and shops bring some of their own.
MOST_FIELDS = 18
LONGEST_TAG = 15


def test_names_that_journeys_are_built_on_stay() -> None:
    assert {*OLD_NAMES} <= tomllib.loads(ENGLISH.read_text())["segments"].keys()


def test_there_is_room_for_segments_and_fields_of_ones_own() -> None:
    playbook = read_playbook(ENGLISH, "EUR", "syncd:")
    assert len(playbook.segments) <= SEGMENTS_MAX * 2 / 3
    assert len(playbook.fields) <= MOST_FIELDS


def test_every_segment_and_field_says_in_one_short_sentence_what_it_is_for() -> None:
    rules = tomllib.loads(ENGLISH.read_text())
    said = [each["describe"] for each in [*rules["segments"].values(), *rules["fields"].values()]]
    assert [text for text in said if not 4 < len(text) <= 90 or not text.endswith(".")] == []
    assert len({*said}) == len(said)


def test_tags_are_short_and_are_what_the_segments_are_called() -> None:
    segments = tomllib.loads(ENGLISH.read_text())["segments"]
    assert [name for name, segment in segments.items() if "tag" in segment or len(name) > LONGEST_TAG] == []
