"""What no source settles, and what differs from account to account: each a switch, cautious by default.

A switch knows both of its values and where the doubt comes from, so that the tests can try both and the
documents can list them. It does not know what depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from msgspec import Struct


class Doubt(Struct, frozen=True):
    """A behaviour that is not certain: its two values, and why they are two."""

    name: str
    cautious: Any
    other: Any
    source: str


def _doubt(cautious: Any, other: Any, source: str) -> Any:
    return field(default=cautious, metadata={"other": other, "source": source})


@dataclass
class Switches:
    """The cautious value makes life hardest for a careless client. All audiences of an account share one object."""

    # Journeys.

    # Whether paths without `is_syncing` (segment batch, batch subscribe, tags of a new member) start journeys.
    bulk_fires_journeys: bool = _doubt(True, False, "nothing says that they do not")
    # Whether a tag that the member bears already starts its journey, too; DESIGN says what the cautious value is.
    present_tag_fires: bool = _doubt(False, True, "recalled: only the change of a tag does")
    # Whether a contact may pass the same journey again ("Contacts can re-enter").
    journeys_reenter: bool = _doubt(False, True, "set by journey, off in a new one, and shown by no API")
    # Whether the first value of a field is a change of it. No journey can wait for a field that was only
    # just made, and a field that existed has its values; for one that had none, switch it on.
    first_value_is_a_change: bool = _doubt(False, True, "nothing says")
    # Whether a member whom the API subscribes starts the journeys that wait for sign-ups.
    signups_start_journeys: bool = _doubt(False, True, "help pages: imports do not unless chosen; the API is not named")
    # Whether tags that a pending member was given start their journeys once the opt-in comes.
    opt_in_fires_tags: bool = _doubt(True, False, "the tags show from then on; nothing says what that starts")
    # What a journey's trigger answers for a contact or step that it does not know.
    journey_refusal_status: int = _doubt(404, 400, "no text of it is published")

    # Members.

    # Whether archived members stand in a listing that names no status.
    archived_in_listing: bool = _doubt(False, True, "recalled: they are left out")
    # Whether `before_last_changed` includes its own second.
    before_is_inclusive: bool = _doubt(False, True, "said of the newer audiences API only")
    # Tags of a pending member are kept and shown only after the opt-in.
    pending_hides_tags: bool = _doubt(True, False, "one report in the official client's tracker")
    # Whether PUT adds the `tags` in its body to a member that exists.
    put_takes_tags: bool = _doubt(False, True, "not in the schema; ignored in reports of 2018 and 2019")
    # The refusal of somebody who left for good comes in an older wording.
    older_compliance_wording: bool = _doubt(False, True, "both wordings were captured")
    # A rename to a taken address answers "Invalid Resource" instead of "Member Exists".
    rename_conflict_is_invalid_resource: bool = _doubt(False, True, "recorded in 2021 and 2026, differently")
    # Statuses that the bill counts.
    billed: frozenset[str] = _doubt(
        frozenset({"subscribed", "unsubscribed", "transactional"}),
        frozenset({"subscribed", "unsubscribed"}),
        "recalled, and for the third status one report",
    )

    # Tags.

    # Sending a tag that is already active moves `last_changed`.
    resent_tag_moves_last_changed: bool = _doubt(True, False, "seen in one recording")
    # Deleting a tag moves `last_changed` of everybody who bore it.
    tag_deletion_moves_last_changed: bool = _doubt(False, True, "nothing says")
    # A new tag is spelled in lower case from then on.
    lower_case_tags: bool = _doubt(False, True, "one client's authors: Mailchimp changes the case")
    # Longest tag name.
    tag_name_limit: int = _doubt(50, 100, "recalled: 100; no source")
    # How many tags an audience may have.
    tag_limit: int = _doubt(200, 10_000, "nothing says")
    # Statuses whose addresses a segment batch refuses, for adding and for removing.
    segment_batch_refuses: frozenset[str] = _doubt(
        frozenset({"unsubscribed", "cleaned", "archived", "pending"}),
        # The published schema has no archived members in its answer.
        frozenset({"unsubscribed", "cleaned", "archived"}),
        "one client filters the unsubscribed and cleaned; nothing is said of the pending",
    )
    # What it says to them.
    segment_refusal: str = _doubt(
        "Email addresses are not subscribed to this list.",
        "Email addresses have been removed or unsubscribed.",
        "the exact text is not published",
    )

    # Merge fields.

    # Merge fields per audience.
    merge_field_limit: int = _doubt(30, 80, "help pages: 80 on Premium; the API does not say which it is")
    # A merge tag of more than 10 characters is cut instead of refused.
    cut_long_merge_tags: bool = _doubt(False, True, "clients cut it themselves")
    # Text of more than 255 bytes is cut without a word instead of refused.
    cut_long_text: bool = _doubt(False, True, "recalled: either")
    # The language of `errors[].message`, as the audience has it: "en" or "de".
    language: str = _doubt("en", "de", "captured in 2026: messages are in the audience's language")

    # Errors.

    # Errors of a batch subscribe and of a segment batch wrap the address in escaped quotes.
    quoted_error_addresses: bool = _doubt(False, True, "reported once")
    # They name it as it was first spelled instead of as it was sent.
    first_spelling_in_errors: bool = _doubt(False, True, "nothing says")
    # The 429 of the eleventh connection comes without body and content type.
    bare_429: bool = _doubt(False, True, "documented for high volume")
    # The title of a 429 that has a body.
    too_many_title: str = _doubt("Too Many Requests", "TooManyRequests", "both are found in clients")
    # `Retry-After` of a 429; empty: there is none.
    retry_after: str = _doubt("", "1", "one source says never, another one sometimes")

    # Batches.

    # The operations of a batch are done in any order.
    batches_are_shuffled: bool = _doubt(True, False, "no order is promised")
    # How many readings of a batch show it unfinished.
    batch_polls: int = _doubt(1, 3, "depends on the queue")
    # Problem documents in the results of a batch have a `type`.
    batch_problems_have_type: bool = _doubt(False, True, "seen without it")
    # How many downloads of a new archive answer 400 first.
    result_refusals: int = _doubt(0, 1, "seen now and then by one client")
    # For how long a batch is remembered.
    batch_kept_seconds: int = _doubt(7 * 86_400, 86_400, "recalled: seven days")

    # An opened mail or a click moves `last_changed`.
    engagement_moves_last_changed: bool = _doubt(False, True, "nothing says")
    # Webhooks are signed, with a secret that their creation tells.
    webhooks_are_signed: bool = _doubt(False, True, "new in 2026, and not for every account")
    # Counts of lists and of the account are as old as this.
    stats_lag_seconds: int = _doubt(300, 0, "documented as five minutes or more")

    # What a test arranges; there is no doubt about these.

    # API keys and tokens that are valid; empty: any.
    keys: set[str] = field(default_factory=lambda: {"sandbox-us1"})
    # Domains whose addresses "look fake or invalid".
    fake_domains: frozenset[str] = frozenset({"gmil.com"})
    # Addresses that have "signed up to a lot of lists very recently".
    overlisted: frozenset[str] = frozenset()
    # New batches stay pending for ever.
    batches_stuck: bool = False
    # For how long the address of a batch's results is valid.
    result_url_seconds: int = 600


def doubts() -> list[Doubt]:
    """Every switch that stands for something uncertain, in the order of the class."""
    return [
        Doubt(each.name, each.default, each.metadata["other"], each.metadata["source"])
        for each in fields(Switches)
        if each.metadata
    ]
