"""What a Shopify list request asks for: its parameters, its cursor, and the stretch of records it means.

Pure. Source: shopify.dev "Paginate requests with REST", "Order", "Customer".
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from syncd.sandbox.texts import zone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from syncd.sandbox.records import Records

DEFAULT_LIMIT = 50
MAX_LIMIT = 250
_WITH_CURSOR = ("limit", "fields", "page_info")
_DATES = {"created_at": "created_at", "updated_at": "updated_at", "processed_at": "placed_at"}
_VALUE = "%Y-%m-%d %H:%M:%S"
_SORTS = {"id": "id", **_DATES}


class BadQuery(Exception):
    """The parameters cannot be served; `field` and `fault` are what the answer says."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field
        self.fault = fault


class _Place(Struct):
    """What a cursor holds besides the filters. `last_value` is a number, or an instant without its zone."""

    direction: Literal["next", "prev"]
    last_value: int | str
    last_id: int
    walked: int


class Cursor(Struct):
    """Where a walk stands: everything that the first request asked for, and the last record shown."""

    filters: dict[str, str]
    direction: Literal["next", "prev"]
    last_value: int
    last_id: int
    walked: int

    def encode(self) -> str:
        """As `page_info`: `{"status": "any", "last_id": 1, "last_value": "2019-11-25 09:36:59", …}` in base64."""
        value = self.last_value
        # Of one id the value is the id itself.
        shown = value if value == self.last_id else datetime.fromtimestamp(value, UTC).strftime(_VALUE)
        place = _Place(self.direction, shown, self.last_id, self.walked)
        return base64.urlsafe_b64encode(msgspec.json.encode(self.filters | asdict(place))).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises: BadQuery."""
        try:
            told = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=dict[str, Any])
            place = msgspec.convert(told, _Place)
            value = place.last_value
            if isinstance(value, str):
                value = int(datetime.strptime(value, _VALUE).replace(tzinfo=UTC).timestamp())
            kept = {name: each for name, each in told.items() if name not in _Place.__struct_fields__}
            return cls(msgspec.convert(kept, dict[str, str]), place.direction, value, place.last_id, place.walked)
        except (msgspec.MsgspecError, binascii.Error, ValueError) as err:
            raise BadQuery("page_info", "Invalid value.") from err


class Query(Struct):
    """A list request, understood. `bounds` are inclusive, in UTC seconds, by the record's field."""

    filters: dict[str, str]
    limit: int
    fields: tuple[str, ...]
    key: str
    ascending: bool
    bounds: dict[str, tuple[int | None, int | None]]
    cursor: Cursor | None = None


def read_query(params: Mapping[str, str], timezone: str, keys: Collection[str]) -> Query:
    """The request that `params` make of a list that is sorted by `keys`; a bound on anything else is passed over.

    Raises: BadQuery.
    """
    limit = _limit(params.get("limit"))
    fields = tuple(part.strip() for part in params.get("fields", "").split(",") if part.strip())
    cursor = None
    filters = {name: value for name, value in params.items() if name not in _WITH_CURSOR}
    if "page_info" in params:
        for name in filters:
            raise BadQuery(name, f"{name} cannot be passed when page_info is present.")
        cursor = Cursor.decode(params["page_info"])
        filters = cursor.filters
    key, ascending = _order(filters)
    if keys and key not in keys:
        raise BadQuery("order", "is not a valid sort order")
    bounds = {field: bound for field, bound in _bounds(filters, timezone).items() if field in keys}
    return Query(filters, limit, fields, key, ascending, bounds, cursor)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise BadQuery("limit", f"must be between 1 and {MAX_LIMIT}")
    return int(text)


def _order(filters: Mapping[str, str]) -> tuple[str, bool]:
    """The sort field and whether it rises; `since_id` forces the order by id."""
    if "since_id" in filters:
        return "id", True
    name, _, direction = filters.get("order", "created_at desc").strip().lower().partition(" ")
    if name not in _SORTS or direction.strip() not in ("", "asc", "desc"):
        raise BadQuery("order", "is not a valid sort order")
    return _SORTS[name], direction.strip() == "asc"


def _bounds(filters: Mapping[str, str], timezone: str) -> dict[str, tuple[int | None, int | None]]:
    bounds: dict[str, tuple[int | None, int | None]] = {}
    for name, field in _DATES.items():
        low, high = (_instant(f"{name}_{end}", filters, timezone) for end in ("min", "max"))
        if low is not None or high is not None:
            bounds[field] = (low, high)
    if since := filters.get("since_id"):
        bounds["id"] = (_number("since_id", since) + 1, None)
    return bounds


def _instant(name: str, filters: Mapping[str, str], timezone: str) -> int | None:
    text = filters.get(name)
    if not text:
        return None
    try:
        # A + in a query that was not escaped arrives as a space.
        when = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as err:
        raise BadQuery(name, "is not a valid date") from err
    if when.tzinfo is None:
        when = when.replace(tzinfo=zone(timezone))
    return int(when.timestamp())


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadQuery(name, "must be a number")
    return int(text)


def ids_of(filters: Mapping[str, str]) -> set[int] | None:
    """The ids asked for by name, where the request names some. Raises: BadQuery."""
    text = filters.get("ids")
    return None if text is None else {_number("ids", part.strip()) for part in text.split(",") if part.strip()}


def count(records: Records[Any], query: Query, wanted: Callable[[Any], bool] | None) -> int:
    """How many records the request means."""
    start, stop = records.between(query.key, *query.bounds.get(query.key, (None, None)))
    others = {field: bound for field, bound in query.bounds.items() if field != query.key}
    if not others and wanted is None:
        return stop - start
    return sum(1 for _ in _matching(records, query, others, wanted, range(start, stop)))


def page(
    records: Records[Any], query: Query, wanted: Callable[[Any], bool] | None, walk_limit: int | None
) -> tuple[list[Any], Cursor | None, Cursor | None]:
    """The rows of one page with the cursors of the next and the previous one."""
    start, stop = records.between(query.key, *query.bounds.get(query.key, (None, None)))
    cursor = query.cursor
    backwards = cursor is not None and cursor.direction == "prev"
    upwards = query.ascending != backwards
    if cursor is not None and upwards:
        start = max(start, records.after(query.key, (cursor.last_value, cursor.last_id)))
    elif cursor is not None:
        stop = min(stop, records.before(query.key, (cursor.last_value, cursor.last_id)))
    others = {field: bound for field, bound in query.bounds.items() if field != query.key}
    indexes = range(start, stop) if upwards else range(stop - 1, start - 1, -1)
    found = _matching(records, query, others, wanted, indexes)
    rows = list(islice(found, query.limit))
    more = next(found, None) is not None
    if backwards:
        rows.reverse()
    return rows, *_cursors(query, rows, more, walk_limit)


def _matching(
    records: Records[Any],
    query: Query,
    bounds: dict[str, tuple[int | None, int | None]],
    wanted: Callable[[Any], bool] | None,
    indexes: range,
) -> Iterator[Any]:
    for index in indexes:
        record = records.at(query.key, index)
        if wanted is not None and not wanted(record):
            continue
        for field, (low, high) in bounds.items():
            value = getattr(record, field)
            if (low is not None and value < low) or (high is not None and value > high):
                break
        else:
            yield record


def _cursors(query: Query, rows: list[Any], more: bool, walk_limit: int | None) -> tuple[Cursor | None, Cursor | None]:
    """A walk ends for good after `walk_limit` records, whatever is left."""
    if not rows:
        return None, None
    walked = (query.cursor.walked if query.cursor else 0) + len(rows)
    backwards = query.cursor is not None and query.cursor.direction == "prev"
    has_next = (more or backwards) and (walk_limit is None or walked < walk_limit)
    has_previous = more if backwards else query.cursor is not None

    def cursor(direction: Literal["next", "prev"], row: Any) -> Cursor:
        return Cursor(query.filters, direction, getattr(row, query.key), row.id, walked)

    return cursor("next", rows[-1]) if has_next else None, cursor("prev", rows[0]) if has_previous else None
