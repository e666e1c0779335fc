"""The script that one writes in ten minutes: no windows, no retries, no people, every order each time.

python -m benchmarks.peers.floor URL FILE
"""

import json
import sqlite3
import sys

import requests


def pull(url: str, db: sqlite3.Connection) -> None:
    """The orders with their items, and the customers, are in the file."""
    db.executescript(
        "CREATE TABLE orders (id PRIMARY KEY, customer, email, placed_at, total);"
        "CREATE TABLE items (order_id, product_id, title, quantity, price);"
        "CREATE TABLE customers (id PRIMARY KEY, email, created_at, consent);"
    )
    session = requests.Session()
    for kind in ("customers", "orders"):
        page = f"{url}/admin/api/2026-07/{kind}.json?limit=250&status=any"
        while page:
            reply = session.get(page)
            records = json.loads(reply.content)[kind]
            if kind == "orders":
                store_orders(db, records)
            else:
                people = [(one["id"], one["email"], one["created_at"], str(one.get("tags"))) for one in records]
                db.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", people)
            db.commit()
            page = reply.links.get("next", {}).get("url")


def store_orders(db: sqlite3.Connection, records: list[dict]) -> None:
    db.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
        [(o["id"], o["customer"]["id"], o["email"], o["processed_at"], o["total_price"]) for o in records],
    )
    lines = [(o["id"], line) for o in records for line in o["line_items"]]
    db.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?)",
        [(id_, line["product_id"], line["title"], line["quantity"], line["price"]) for id_, line in lines],
    )


if __name__ == "__main__":
    with sqlite3.connect(sys.argv[2]) as file:
        pull(sys.argv[1], file)
