"""What no source settles, and what differs from account to account: each a switch, cautious by default."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Switches:
    """The cautious value makes life hardest for a careless client. All audiences of an account share one object."""

    # API keys and tokens that are valid; empty: any.
    keys: set[str] = field(default_factory=lambda: {"sandbox-us1"})
    # Whether paths without `is_syncing` (segment batch, batch subscribe, tags of a new member) start journeys.
    bulk_fires_journeys: bool = True
    # Whether a contact may pass the same journey again ("Contacts can re-enter", off in a new journey).
    journeys_reenter: bool = False
    # Whether the first value of a field is a change of it. No journey can wait for a field that was only
    # just made, and a field that existed has its values; for one that had none, switch it on.
    first_value_is_a_change: bool = False
    # Whether archived members stand in a listing that names no status.
    archived_in_listing: bool = False
    # Whether `before_last_changed` includes its own second.
    before_is_inclusive: bool = False
    # Tags of a pending member are kept and shown only after the opt-in.
    pending_hides_tags: bool = True
    # Sending a tag that is already active moves `last_changed` (seen once).
    resent_tag_moves_last_changed: bool = True
    # Deleting a tag moves `last_changed` of everybody who bore it.
    tag_deletion_moves_last_changed: bool = False
    # Longest tag name.
    tag_name_limit: int = 100
    # Statuses whose addresses a segment batch refuses, for adding and for removing.
    segment_batch_refuses: frozenset[str] = frozenset({"unsubscribed", "cleaned", "archived", "pending"})
    # Merge fields per audience: 30, and 80 on Premium.
    merge_field_limit: int = 30
    # A merge tag of more than 10 characters is cut instead of refused.
    cut_long_merge_tags: bool = False
    # Text of more than 255 bytes is cut without a word instead of refused.
    cut_long_text: bool = False
    # The language of `errors[].message`, as the audience has it: "en" or "de".
    language: str = "en"
    # A rename to a taken address answers "Invalid Resource" (seen in 2026) instead of "Member Exists".
    rename_conflict_is_invalid_resource: bool = False
    # Batch subscribe wraps the address of an error in escaped quotes (seen).
    quoted_error_addresses: bool = False
    # Domains whose addresses "look fake or invalid".
    fake_domains: frozenset[str] = frozenset({"gmil.com"})
    # Addresses that have "signed up to a lot of lists very recently".
    overlisted: frozenset[str] = frozenset()
    # Counts of lists and of the account are as old as this.
    stats_lag_seconds: int = 300
    # The 429 of the eleventh connection comes without body and content type.
    bare_429: bool = False
    # How many readings of a batch show it unfinished.
    batch_polls: int = 1
    # New batches stay pending for ever.
    batches_stuck: bool = False
    # For how long the address of a batch's results is valid, and a batch is remembered.
    result_url_seconds: int = 600
    batch_kept_seconds: int = 7 * 86_400
    # How many downloads of a new archive answer 400 first.
    result_refusals: int = 0
