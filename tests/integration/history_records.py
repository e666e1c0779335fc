"""Records for the tests of the history, and what a history holds in a form that can be compared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from syncd.history.articles import FIELDS as WORDS
from syncd.history.consents import consent_of
from syncd.history.database import History
from syncd.history.ingest import Ingested, ingest
from syncd.history.schema import articles, customers, identities, news, order_items, orders, quarantine, refunds
from syncd.model import Consent, ConsentState, Customer, Member, MemberStatus, Order, OrderStatus, Page

NOW = 1_780_000_000


def order(id_: str = "1", **given: Any) -> Order:
    values: dict[str, Any] = {
        "placed_at": 1_000,
        "updated_at": 1_000,
        "status": OrderStatus.PAID,
        "currency": "EUR",
        "paid_minor": 5_000,
        "goods_minor": 4_000,
        "customer_id": None,
        "email": None,
    }
    return Order(id=id_, **(values | given))


def customer(id_: str = "c1", email: str | None = "ana@example.com", **given: Any) -> Customer:
    state = ConsentState(given.pop("consent", "unknown"))
    updated_at = given.pop("updated_at", 1_000)
    values: dict[str, Any] = {
        "created_at": 500,
        "updated_at": updated_at,
        "consent": Consent(state, updated_at, given.pop("level", "")),
    }
    return Customer(id=id_, email=email, **(values | given))


def member(email: str = "ana@example.com", status: str = "subscribed", **given: Any) -> Member:
    values: dict[str, Any] = {"contact_id": f"contact of {email}", "changed_at": 1_000}
    return Member(email=email, status=MemberStatus(status), **(values | given))


def take(history: History, *records: Order | Customer, shop: str = "acme", **given: Any) -> Ingested:
    """Takes the records as one page; the rest of `given` belongs to the page or the call."""
    call = {name: given.pop(name) for name in ("audiences", "currencies", "now") if name in given}
    page = Page(
        resource=given.pop("resource", "orders"),
        cursor=given.pop("cursor", "next"),
        orders=tuple(record for record in records if isinstance(record, Order)),
        customers=tuple(record for record in records if isinstance(record, Customer)),
        **given,
    )
    return ingest(history, shop, page, **({"audiences": ["main"], "currencies": None, "now": NOW} | call))


def rows(history: History, table: Any, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of a table (these columns of them), sorted."""
    query = select(*(table.c[name] for name in columns)) if columns else select(table)
    with history.read() as db:
        return sorted((tuple(row) for row in db.execute(query)), key=repr)


def lines(history: History, *columns: str) -> list[tuple[Any, ...]]:
    """The lines of orders with the words on them (these columns of them), sorted."""
    found = select(order_items, *(articles.c[name] for name in WORDS)).join(
        articles, articles.c.id == order_items.c.article_id
    )
    of_lines = found.subquery()
    names = columns or tuple(column.name for column in of_lines.c if column.name != "article_id")
    with history.read() as db:
        return sorted(tuple(row) for row in db.execute(select(*(of_lines.c[name] for name in names))))


def news_of(history: History) -> set[str]:
    """The addresses of those who are judged again next time."""
    query = select(customers.c.email).join(news, news.c.customer_id == customers.c.id)
    with history.read() as db:
        return set(db.execute(query).scalars())


def forget_news(history: History) -> None:
    with history.begin() as db:
        db.execute(news.delete())


def owners(history: History) -> dict[str, str | None]:
    """Whose each order is: {order id: address}."""
    query = select(orders.c.id, customers.c.email).outerjoin(customers, customers.c.id == orders.c.customer_id)
    with history.read() as db:
        return {row[0]: row[1] for row in db.execute(query)}


def person(history: History, email: str = "ana@example.com") -> Any:
    """The row of a customer."""
    with history.read() as db:
        return db.execute(select(customers).where(customers.c.email == email)).one()


def consents_by_email(history: History) -> dict[str, bool]:
    with history.read() as db:
        ids = {row[0]: row[1] for row in db.execute(select(customers.c.id, customers.c.email))}
    return {ids[id_]: granted for id_, granted in consent_of(history, ids).items()}


def meaning(history: History) -> dict[str, Any]:
    """All that a history says of shops and people, without the numbers that it gave out itself.

    Customers who lost every shop id are nobody's any more, so they are left out.
    """
    emails = {None: None} | {row[0]: row[1] for row in rows(history, customers, "id", "email")}

    def owned(table: Any) -> list[tuple[Any, ...]]:
        others = [column.name for column in table.c if column.name != "customer_id"]
        found = ((emails[row[0]], *row[1:]) for row in rows(history, table, "customer_id", *others))
        return sorted(found, key=repr)

    ids = owned(identities)
    living = {row[0] for row in ids}
    return {
        "orders": owned(orders),
        "identities": ids,
        "items": lines(history),
        "refunds": rows(history, refunds),
        "people": sorted((row[1:] for row in rows(history, customers) if row[1] in living), key=repr),
        "consents": {email: held for email, held in consents_by_email(history).items() if email in living},
        "quarantine": rows(history, quarantine, "shop", "resource", "record_id", "reason"),
    }
