"""A shop that answers as fast as it can: Shopify's REST lists of orders and customers, made of ready pieces.

A process of its own, so that what is measured is the client. It has no limits and no faults; the sandbox has those.

    python -m benchmarks.server ORDERS
"""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from syncd.sandbox.populate import build
from syncd.sandbox.shopify.documents import customer_json, order_json, shop_json

ORDERS_PER_CUSTOMER = 5
FIRST_AT = 1_700_000_000  # the first record was written in November 2023, the last within three years
SPAN_SECONDS = 90_000_000
PIECES = 250
FIRST_ID = 9_007_199_254_740_993
PAGES_KEPT = 600

# What stands in a piece for what differs from record to record.
ID, PERSON_ID, AT, EMAIL = 8_888_888_888_888_888, 8_888_888_888_888_889, "@at@", "@email@"


class Shop:
    """`orders` records of orders, and a fifth as many of customers, one after the other in time."""

    def __init__(self, orders: int) -> None:
        self.sizes = {"orders": orders, "customers": max(1, orders // ORDERS_PER_CUSTOMER)}
        self.pieces = _pieces()

    def count(self, kind: str, query: dict[str, str]) -> int:
        """How many records of a kind the bounds mean."""
        first, end = self._bounds(kind, query)
        return max(0, end - first)

    def page(self, kind: str, query: dict[str, str]) -> tuple[int, int, int]:
        """The first record of the page that is asked for, the one behind its last, and the end of the list."""
        if "page_info" in query:
            first, end = map(int, query["page_info"].split("-"))
        else:
            first, end = self._bounds(kind, query)
        return first, min(end, first + int(query.get("limit", "50"))), end

    @lru_cache(PAGES_KEPT)  # noqa: B019  # there is one shop, and it lives as long as the process
    def body(self, kind: str, first: int, end: int) -> bytes:
        """These records as a page, packed."""
        text = b'{"%b":[%b]}' % (kind.encode(), b",".join(self._record(kind, n) for n in range(first, end)))
        return packed(text)

    def _record(self, kind: str, number: int) -> bytes:
        pieces = self.pieces[kind]
        person = number if kind == "customers" else number * 7_919 % self.sizes["customers"]
        at = datetime.fromtimestamp(self._at(kind, number), UTC).isoformat()
        record = pieces[number % len(pieces)]
        for mark, value in ((ID, FIRST_ID + number), (PERSON_ID, FIRST_ID + person), (AT, at)):
            record = record.replace(str(mark).encode(), str(value).encode())
        return record.replace(EMAIL.encode(), b"person.%d@example.com" % person)

    def _at(self, kind: str, number: int) -> int:
        return FIRST_AT + number * SPAN_SECONDS // self.sizes[kind]

    def _bounds(self, kind: str, query: dict[str, str]) -> tuple[int, int]:
        """The first record that the bounds in time mean, and the one behind the last."""
        first, last = query.get("updated_at_min"), query.get("updated_at_max")
        begin = self._number(kind, first) if first else 0
        return begin, self._number(kind, last, 1) if last else self.sizes[kind]

    def _number(self, kind: str, text: str, beyond: int = 0) -> int:
        """The first record written at the instant or later; with `beyond`, later than the instant."""
        seconds = int(datetime.fromisoformat(text).timestamp()) + beyond - FIRST_AT
        return min(self.sizes[kind], max(0, -(-seconds * self.sizes[kind] // SPAN_SECONDS)))


def packed(text: bytes) -> bytes:
    """The text as one gzip stream."""
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    return packer.compress(text) + packer.flush()


def _pieces() -> dict[str, list[bytes]]:
    """Whole documents of the sandbox, with marks for what differs from record to record."""
    shop = build("synthetic", customers=PIECES, orders=4 * PIECES).shops["acme"]
    orders = [order_json(shop, order) for order in shop.orders if not order.presentment and order.status == "paid"]
    customers = [customer_json(shop, customer) for customer in shop.customers]
    instants = {"created_at": AT, "updated_at": AT, "processed_at": AT}
    for order in orders:
        order |= {"id": ID, "email": EMAIL, "contact_email": EMAIL, "refunds": [], "cancelled_at": None} | instants
        if order["customer"]:
            order["customer"] |= {"id": PERSON_ID, "email": EMAIL}
    for customer in customers:
        customer |= {"id": ID, "email": EMAIL, "created_at": AT, "updated_at": AT}
    return {
        "orders": [_text(order) for order in orders if order["customer"]][:PIECES],
        "customers": [_text(customer) for customer in customers][:PIECES],
        "shop": [_text(shop_json(shop))],
    }


def _text(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


class Answers(asyncio.Protocol):
    """One connection, kept for as long as the client likes."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers every request that is whole; none has a body."""
        self._waiting += data
        while b"\r\n\r\n" in self._waiting:
            head, _, self._waiting = self._waiting.partition(b"\r\n\r\n")
            assert self._transport is not None
            self._transport.write(self._answer(head.decode("latin-1")))

    def _answer(self, head: str) -> bytes:
        host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
        url = urlsplit(head.split(" ", 2)[1])
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        kind, _, counting = url.path.split("/", 4)[-1].removesuffix(".json").partition("/")
        if counting:
            return _reply(packed(_text({"count": self._shop.count(kind, query) if kind in self._shop.sizes else 0})))
        if kind == "shop":
            return _reply(packed(b'{"shop":%b}' % self._shop.pieces["shop"][0]))
        if kind not in self._shop.sizes:
            return _reply(packed(_text({kind: []})))
        first, behind, end = self._shop.page(kind, query)
        link = f'<http://{host}{url.path}?limit={query.get("limit", "50")}&page_info={behind}-{end}>; rel="next"'
        return _reply(self._shop.body(kind, first, behind), link if behind < end else "")


def _reply(body: bytes, link: str = "") -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", "Content-Encoding: gzip"]
    lines += [f"Content-Length: {len(body)}", *([f"Link: {link}"] if link else [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def serve(orders: int) -> None:
    """Serves until it is ended; prints its address when ready."""
    shop = Shop(orders)
    server = await asyncio.get_running_loop().create_server(lambda: Answers(shop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"shopify": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
