"""From the bytes of a page to records: strict, and never stopped by a single bad record.

It knows JSON and which values a record of ours can hold. It knows no platform and makes no calls. A
page is decoded whole; only where that fails is it cut into its records, which are then read one by
one. The cut follows quotes and brackets alone, so that a record which is no valid JSON at all (NaN,
half a surrogate, nested a thousand deep) costs itself and not its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from syncd._cut import TOKEN, split
from syncd.errors import RecordError, TransientError
from syncd.http import Reply
from syncd.model import Rejected
from syncd.money import to_minor

# An amount as the platforms write it: Shopify as text, Ecwid as a number.
Amount = str | float
Id = int | str

TEXT_LENGTH = 255
_LONGEST_ID = 64
_BEYOND_IDS = 10**_LONGEST_ID
# A date outside is a slip: no shop sold anything over this wire before 1970.
_LAST_INSTANT = int(datetime.fromisoformat("2100-01-01T00:00:00Z").timestamp())
_LARGEST_COUNT = 2**31 - 1

P = TypeVar("P")
W = TypeVar("W")
R = TypeVar("R")


class Batch(Struct, Generic[P, R], frozen=True):
    """What a page held: its records, those that could not be read, and the page around them, its own list empty."""

    page: P
    records: list[R]
    rejected: list[Rejected]


class Reader(Generic[P, W, R]):
    """Reads one resource: pages of the type `page`, which hold records of the type `wire` in the list `key`.

    `build` makes our record of theirs, or None for one that is not meant to be read, and raises
    RecordError, naming field and fault, for one that it cannot accept. `named` is their field with its id.
    """

    def __init__(
        self, page: type[P], key: str, wire: type[W], build: Callable[[W], R | None], named: str = "id"
    ) -> None:
        self._page = msgspec.json.Decoder(page)
        self._wire = msgspec.json.Decoder(wire)
        self._key = key
        self._build = build
        self._named = named

    def read(self, body: bytes) -> Batch[P, R]:
        """Every record of a page, or why not.

        Raises: TransientError where `body` is no such page: cut off, or a message in its place.
        """
        try:
            page = self._page.decode(body)
            wires = getattr(page, self._key)
            records = [record for record in map(self._build, wires) if record is not None]
            # A page that waits for its turn shall not hold everything twice.
            wires.clear()
            return Batch(page, records, [])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RecordError):
            return self._one_by_one(body)

    def parse(self, raw: bytes) -> R | None:
        """The record in `raw`. Raises: RecordError, naming field and fault and no value of the person's."""
        try:
            wire = self._wire.decode(raw)
        except msgspec.ValidationError as err:
            fault, _, place = str(err).partition(" - at `$")
            subject = record_id(raw, self._named)
            raise RecordError(f"{place.strip('.`') or 'record'}: {fault}", subject=subject) from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as err:
            # The decoder of text quotes what it could not read.
            what = "not UTF-8" if isinstance(err, UnicodeDecodeError) else str(err)
            raise RecordError(f"record: {what}", subject=record_id(raw, self._named)) from None
        except RecursionError:
            raise RecordError("record: nested too deep", subject=record_id(raw, self._named)) from None
        return self._build(wire)

    def _one_by_one(self, body: bytes) -> Batch[P, R]:
        try:
            envelope, raws = split(body, self._key)
            page = self._page.decode(envelope)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            raise TransientError("the answer is no page of records; it may have been cut off") from None
        batch: Batch[P, R] = Batch(page, [], [])
        for raw in raws:
            try:
                record = self.parse(raw)
            except RecordError as err:
                batch.rejected.append(Rejected(record_id(raw, self._named), str(err), raw))
            else:
                if record is not None:
                    batch.records.append(record)
        return batch


def decode(reply: Reply, kind: type[P]) -> P:
    """An answer that is one thing, not a page. Raises: TransientError where it is anything else."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise TransientError("the answer is not what was asked for") from None


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ID = msgspec.json.Decoder(Id)


def record_id(raw: bytes, named: str = "id") -> str:
    """The shop's id of the record in `raw`; where that cannot be read, a name made of its bytes."""
    try:
        return identifier(named, _ID.decode(_FIELDS.decode(raw)[named]))
    except (ValueError, KeyError, RecursionError, RecordError):
        return _written_id(raw, named) or f"unnamed-{blake2b(raw, digest_size=8).hexdigest()}"


_VALUE = re.compile(rb'\s*:\s*("[\w-]{1,64}"|\d{1,64})\s*[,}]')


def _written_id(raw: bytes, named: str) -> str:
    """The id of a record that is no JSON, wherever it stands; empty where it cannot be made out."""
    depth, label = 0, b'"%s"' % named.encode()
    for token in TOKEN.finditer(raw):
        sign = token[0]
        if sign in (b"{", b"["):
            depth += 1
        elif sign in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and sign == label and (value := _VALUE.match(raw, token.end())):
            return value[1].decode().strip('"')
    return ""


def identifier(field: str, value: Id) -> str:
    """An id as text, whatever the platform makes of it. Raises: RecordError."""
    if isinstance(value, int):
        if 0 < value < _BEYOND_IDS:
            return str(value)
    elif 0 < len(value) <= _LONGEST_ID and value.isprintable():
        return value
    raise RecordError(f"{field}: not an id")


def instant(field: str, value: datetime) -> int:
    """The moment in UTC seconds, fractions dropped. Raises: RecordError where it has no zone or is absurd."""
    if value.tzinfo is None:
        raise RecordError(f"{field}: a time without its zone")
    return seconds(field, int(value.timestamp()))


def seconds(field: str, value: int) -> int:
    """`value` as a plausible moment in UTC seconds. Raises: RecordError."""
    if not 0 < value < _LAST_INSTANT:
        raise RecordError(f"{field}: not between 1970 and 2100")
    return value


def minor(field: str, amount: Amount, currency: str) -> int:
    """An amount that is not negative, in minor units. Raises: RecordError."""
    try:
        value = to_minor(amount, currency)
    except ValueError as err:
        about = "not an amount of money" if "amount" in str(err) else "in a currency that ISO 4217 does not know"
        raise RecordError(f"{field}: {about}") from None
    if value < 0:
        raise RecordError(f"{field}: less than nothing")
    return value


def count(field: str, value: int) -> int:
    """A number of things. Raises: RecordError."""
    if not 0 <= value <= _LARGEST_COUNT:
        raise RecordError(f"{field}: not a number of things")
    return value


def text(value: str | None, most: int = TEXT_LENGTH) -> str:
    """A text that every database takes: no NUL, no longer than `most`."""
    if not value:
        return ""
    return value if len(value) <= most and "\0" not in value else value.replace("\0", "")[:most]


def country(code: str | None) -> str:
    """A country by its two letters (ISO 3166); empty where it is anything else."""
    return code.upper() if code and len(code) == 2 and code.isascii() and code.isalpha() else ""
