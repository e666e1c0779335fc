"""One person's explanation as people read it: lines of 80 columns in their language.

It puts the document of `person` into words; it knows neither the history nor the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby, zip_longest
from textwrap import wrap
from typing import Any, NamedTuple

from syncd.rules import parse
from syncd.views.person import SHOWN_ORDERS
from syncd.views.words import Words

WIDTH = 80
# A longer condition has what was measured on the next line.
EXPRESSION_WIDTH = 44
# So many orders behind a figure are shown one by one; the newest stand above anyway.
FEW_ORDERS = 3
# So many orders that do not count are shown one by one.
SHOWN_LEFT_OUT = 3

Document = Mapping[str, Any]


class Line(NamedTuple):
    """A line, and how it is said: title | held | unmet | way | aside, or plainly."""

    text: str
    tone: str = ""


def lines(document: Document, words: Words) -> Iterator[Line]:
    """Who it is, the figures, the orders, then the segments: those with the person in them first."""
    teller = _Teller(document, words)
    yield from teller.head()
    yield from teller.metrics()
    yield from teller.orders()
    yield from teller.segments()
    yield from teller.moments()


class _Teller:
    """Tells one document. It remembers which windows it has told the orders of, so that none is told twice."""

    def __init__(self, document: Document, words: Words) -> None:
        self.document = document
        self.words = words
        self.as_of: str = document["as_of"]
        self._told: set[str] = {"ever"}

    def head(self) -> Iterator[Line]:
        title = self.words(
            "title",
            email=self.document["email"],
            audience=self.document["audience"],
            as_of=self.words.day(self.as_of),
            standing=self._standing(),
        )
        yield from _wrapped(title, "", "  ", "title")

    def metrics(self) -> Iterator[Line]:
        """In two columns."""
        yield Line("")
        cells = [
            f"{text:<20} {self._value(value, parse(text).kind.name.lower())}"
            for text, value in self.document["metrics"].items()
        ]
        half = (len(cells) + 1) // 2
        for left, right in zip_longest(cells[:half], cells[half:], fillvalue=""):
            yield Line(f"  {left:<38}  {right}".rstrip())
        for cart in self.document["open_carts"]:
            amount = self.words.money(float(cart["value"]), cart["currency"])
            since = self.words.moment(cart["since_date"], self.as_of)
            yield Line("  " + self.words("cart", amount=amount, shop=cart["shop"], since=since))

    def orders(self) -> Iterator[Line]:
        """The newest one by one; and those that do not count, with the reason."""
        counting = [order for order in self.document["orders"] if order["counts"]]
        left_out = [order for order in self.document["orders"] if not order["counts"]]
        if not counting and not left_out:
            return
        parts = [("counting", counting), ("left-out", left_out)]
        sums = ", ".join(self.words.count(key, len(some)) for key, some in parts if some)
        yield Line("")
        yield Line(self.words("orders", counting=sums), "title")
        yield from map(self._order, counting[:SHOWN_ORDERS])
        if more := len(counting) - SHOWN_ORDERS > 0 and counting[SHOWN_ORDERS:]:
            first = self.words.day(more[-1]["date"])
            yield Line("  " + self.words.count("more", len(more), first=first), "aside")
        yield from map(self._order, left_out[:SHOWN_LEFT_OUT])
        if len(left_out) > SHOWN_LEFT_OUT:
            yield Line("  " + self.words.count("more-left-out", len(left_out) - SHOWN_LEFT_OUT), "aside")

    def _order(self, order: Document) -> Line:
        why = order["why_not"] and self.words(f"why-{order['why_not']}")
        day = self.words.short_day(order["date"])
        text = f"  {day:<13}{self._amount(order):>14}  {order['shop']:<12}  {why}"
        return Line(text.rstrip(), "aside" if why else "")

    def segments(self) -> Iterator[Line]:
        for inside, heading in ((True, "in"), (False, "not-in")):
            some = [entry for entry in self.document["segments"] if entry["in"] is inside]
            if some or inside:
                yield Line("")
                yield Line(self.words(heading if some else "in-none"), "title")
            for entry in some:
                yield from self._segment(entry)

    def moments(self) -> Iterator[Line]:
        """The occasions of which the service was told, or shall be."""
        if self.document["moments"]:
            yield Line("")
            yield Line(self.words("moments"), "title")
        for moment in self.document["moments"]:
            day, state = self.words.short_day(moment["happened"][:10]), self.words(f"moment-{moment['state']}")
            reason = moment["reason"] and f" ({self.words('dropped-' + moment['reason'])})"
            yield Line(f"  {day:<13}{moment['name']}: {state}{reason}")

    def _segment(self, entry: Document) -> Iterator[Line]:
        yield from _wrapped(", ".join(self._course(entry)), f"  {entry['name']}  ", "    ", "name")
        if entry["fallback"]:
            yield from _wrapped(self.words("fallback", reason=self._lack()), "    ", "      ", "aside")
        for state in ("stays", "settling"):
            if entry[state]:
                yield from _wrapped(self.words(state), "    ", "      ", "aside")
        if entry["tag_off"]:
            yield from _wrapped(self.words(f"tag-off-{entry['tag_off']}"), "    ", "      ", "aside")
        width = min(max(len(_written(value)) for value in entry["values"]), EXPRESSION_WIDTH)
        alone = len(entry["values"]) == 1
        for value in entry["values"]:
            yield from self._condition(value, width, "" if alone else value["changes"])
        for way in self._ways(entry["ways"]):
            yield from _wrapped(way, "    → ", "      ", "way")

    def _course(self, entry: Document) -> Iterator[str]:
        """Since when, and what comes next."""
        if entry["since_date"]:
            yield self.words("since", since=self.words.moment(entry["since_date"], self.as_of))
        if entry["next_change"]:
            yield self.words("leaves" if entry["in"] else "joins", day=self._moment(entry["next_change"]))

    def _condition(self, value: Document, width: int, changes: str | None) -> Iterator[Line]:
        sign, tone = ("✓", "held") if _is_met(value) else ("✗", "unmet")
        head = f"    {sign} {_written(value):<{width}}"
        measured = ", ".join(self._measured(value, changes))
        if len(head) + 2 + len(measured) <= WIDTH:
            yield Line(f"{head}  {measured}".rstrip(), tone)
        else:
            yield from _wrapped(_written(value), f"    {sign} ", "        ", tone)
            yield from _wrapped(measured, "        ", "        ")
        for window in value["orders"]:
            yield from self._behind(window)

    def _measured(self, value: Document, changes: str | None) -> Iterator[str]:
        if value["kind"] != "boolean":
            is_ = self._value(value["value"], value["kind"])
            against = ", ".join(self._value(other, value["kind"]) for other in value.get("against", ()))
            yield self.words("against", value=is_, against=against) if against else is_
        if "gap_days" in value:
            gap = self.words.count("day", value["gap_days"])
            yield self.words("rhythm", gap=gap, since=self.words.count("day", value["last_order_days"]))
        if unknown := value.get("unknown"):
            yield self._lack() if unknown == "usual" else self.words("chance-off")
        if changes:
            yield self.words("ends" if _is_met(value) else "begins", day=self._moment(changes))

    def _behind(self, window: Document) -> Iterator[Line]:
        """The orders in a window, unless they were told before: a few one by one, else how far back they reach."""
        if not window["count"] or window["window"] in self._told:
            return
        self._told.add(window["window"])
        first = self.words.moment(window["first"], self.as_of)
        text = self.words.count("reaching", window["count"], first=first)
        if window["count"] <= FEW_ORDERS:
            told = (f"{self.words.short_day(o['date'], self.as_of)} {self._amount(o)}" for o in window["newest"])
            text = ", ".join(told)
        if window["older"]:
            text += "; " + self.words.count("older", window["older"])
        yield from _wrapped(text, "        ", "        ", "aside")

    def _ways(self, ways: Sequence[Document]) -> Iterator[str]:
        """How somebody gets in by buying; that they do by waiting, the segment's own line says."""
        if any(way["from"] is None for way in ways):
            yield self.words("never-together")
            return
        buying = [way for way in ways if way["orders"]]
        if buying:
            yield self.words("missing", ways=self.words.any_of([*self._purchases(buying)]))
        # The first one lacks least.
        if ways and (beyond := ways[0]["beyond"]):
            yield self.words("missing-besides" if buying else "beyond", conditions=", ".join(beyond))

    def _purchases(self, ways: Sequence[Document]) -> Iterator[str]:
        """What is to be bought: those of one deadline together."""
        for (begin, before), some in groupby(ways, key=lambda way: (way["from"], way["before"])):
            what = self.words.any_of([self._purchase(way) for way in some])
            if begin != self.as_of:
                yield self.words("then-wait", what=what, day=self._moment(begin))
            elif before and before.endswith("-01-01"):
                eve = date.fromisoformat(before) - timedelta(1)
                yield self.words("by", what=what, day=self._moment(eve.isoformat()))
            elif before:
                yield self.words("before", what=what, day=self._moment(before))
            else:
                yield what

    def _purchase(self, way: Document) -> str:
        what = self._amount_missing(way)
        return self.words("such-that", what=what, conditions=", ".join(way["depends"])) if way["depends"] else what

    def _amount_missing(self, way: Document) -> str:
        orders = self.words.count("order-more", way["orders"])
        if way["amount"] is None:
            return orders
        amount = self.words.money(way["amount"], self.document["currency"])
        if way["orders"] == 1:
            return self.words("amount-more", amount=amount)
        return self.words("orders-worth", orders=orders, amount=amount)

    def _standing(self) -> str:
        if self.document["refused"]:
            return self.words("standing-refused", reason=self.document["refused"])
        return self.words(f"standing-{self.document['standing'].replace(' ', '-')}")

    def _lack(self) -> str:
        return self.words.lack(**self.document["usual_lacks"])

    def _amount(self, order: Document) -> str:
        return self.words.money(order["amount"], order["currency"])

    def _moment(self, text: str) -> str:
        return self.words.moment(text, self.as_of)

    def _value(self, value: Any, kind: str) -> str:
        match kind:
            case _ if value is None:
                return self.words("unknown")
            case "money":
                return self.words.money(value, self.document["currency"])
            case "number":
                return self.words.decimal(value)
            case "days" | "age":
                return self.words.count("day", value)
            case "elapsed":
                # It comes in hours, of which nobody counts many.
                days = int(value / 24)
                return self.words.count("day", days) if days > 1 else self.words("hours", n=self.words.decimal(value))
            case "date":
                return self.words.short_day(value)
            case "boolean":
                return self.words("yes" if value else "no")
        return str(value)


def _written(value: Document) -> str:
    """A condition as the rule wants it."""
    return str(value["expression"]) if value["wanted"] else f"not {value['expression']}"


def _is_met(value: Document) -> bool:
    return bool(value["holds"] == value["wanted"])


def _wrapped(text: str, first: str, more: str, tone: str = "") -> Iterator[Line]:
    """The text on as many lines as it takes; words and addresses stay whole."""
    for line in wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]:
        yield Line(line, tone)
