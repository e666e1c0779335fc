"""What the e-mail service shall have for a person: segments, standing and consent in, tags out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from syncd.model import MemberStatus

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Reach(IntEnum):
    """How far a person may be reached in one audience."""

    # Nothing of theirs is touched: no member, pending, archived, bounced, or refused by the service.
    LEAVE = 0
    # They objected: no tag of ours stays on them.
    WITHDRAW = 1
    # They get what the rules say.
    FULL = 2


# The states of people as numbers, for columns of many; STRANGER: whom the audience never had.
STRANGER = 0
STATUS = {status: number for number, status in enumerate(MemberStatus, start=1)}


def reach(status: Numbers, consent: Flags, refused: Flags) -> Numbers:
    """How far people with these states may be reached, each a `Reach`. `consent`: who may be made a member.

    Only subscribers, and people with stored consent whom the audience never knew, get tags. Everyone
    whom the service lists in another state is left as they are, except that an unsubscribe takes our
    tags away in the same cycle. Source: DESIGN §1, §4 "Consent".
    """
    full = (status == STATUS[MemberStatus.SUBSCRIBED]) | ((status == STRANGER) & consent)
    withdraw = status == STATUS[MemberStatus.UNSUBSCRIBED]
    return np.select([refused, full, withdraw], [Reach.LEAVE, Reach.FULL, Reach.WITHDRAW], Reach.LEAVE)


def wanted_tags(segments: Numbers, known: Numbers, reach_: Numbers, controls: Numbers) -> Numbers:
    """The tags these people shall bear, as bit sets; `controls` are those withheld to measure their effect."""
    return np.select([reach_ == Reach.FULL, reach_ == Reach.WITHDRAW], [segments & ~controls, 0], known)


def control_bits(email: str, shares: Mapping[int, tuple[str, float]]) -> int:
    """The segments {bit: (name, percent)} in whose control group the person is.

    The draw is a hash of segment and address: the same for ever, and independent between segments.
    """
    bits = 0
    for bit, (name, percent) in shares.items():
        draw = int.from_bytes(blake2b(f"{name}\0{email}".encode(), digest_size=4).digest()) / 2**32
        bits |= (draw * 100 < percent) << bit
    return bits
