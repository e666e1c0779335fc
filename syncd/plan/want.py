"""What the e-mail service shall have for a person: segments, standing and consent in, tags out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from hashlib import blake2b

from syncd.model import MemberStatus


class Reach(IntEnum):
    """How far a person may be reached in one audience."""

    # Nothing of theirs is touched: no member, pending, archived, bounced, or refused by the service.
    LEAVE = 0
    # They objected: no tag of ours stays on them.
    WITHDRAW = 1
    # They get what the rules say.
    FULL = 2


def reach(status: str | None, *, consent: bool, creates: bool, refused: bool) -> Reach:
    """How far a person with this member status (None: not in the audience) may be reached.

    Only subscribers, and people with stored consent whom the audience never knew, get tags. Everyone
    whom the service lists in another state is left as they are, except that an unsubscribe takes our
    tags away in the same cycle. Source: DESIGN §1, §4 "Consent".
    """
    if refused:
        return Reach.LEAVE
    if status is None:
        return Reach.FULL if consent and creates else Reach.LEAVE
    if status == MemberStatus.SUBSCRIBED:
        return Reach.FULL
    return Reach.WITHDRAW if status == MemberStatus.UNSUBSCRIBED else Reach.LEAVE


def wanted_tags(segments: int, known: int, reach_: Reach, controls: int) -> int:
    """The tags the person shall bear, as a bit set; `controls` are those withheld to measure their effect."""
    if reach_ is Reach.FULL:
        return segments & ~controls
    return 0 if reach_ is Reach.WITHDRAW else known


def control_bits(email: str, shares: Mapping[int, tuple[str, float]]) -> int:
    """The segments {bit: (name, percent)} in whose control group the person is.

    The draw is a hash of segment and address: the same for ever, and independent between segments.
    """
    bits = 0
    for bit, (name, percent) in shares.items():
        draw = int.from_bytes(blake2b(f"{name}\0{email}".encode(), digest_size=4).digest()) / 2**32
        bits |= (draw * 100 < percent) << bit
    return bits
