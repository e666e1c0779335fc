"""A shop's own purchases from a CSV file: `customer,email,placed_at,amount[,currency,product,category]`."""

from __future__ import annotations

import csv
from datetime import date, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from syncd.errors import UserError
from syncd.money import to_minor
from syncd.sandbox.fill.dataset import CURRENCY, TIMEZONE, Buyer, Purchase, moment
from syncd.sandbox.fill.people import person
from syncd.sandbox.shop import Line, Product
from syncd.sandbox.texts import zone

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

COLUMNS = ("customer", "email", "placed_at", "amount")
FIRST_PRODUCT_ID = 20_001
_SHOWN_PROBLEMS = 20


def buyers(seed: int, path: Path, customers: int | None = None) -> list[Buyer]:
    """The first `customers` of the file. Raises: UserError, with every line that cannot be read."""
    people: dict[str, list[tuple[int, Purchase]]] = {}
    products: dict[str, Product] = {}
    problems: list[str] = []
    for number, row in _rows(path):
        try:
            purchase = _purchase(seed, number, row, products)
        except ValueError as err:
            problems.append(f"line {number}: {err}")
            continue
        people.setdefault(row["email"].strip().lower(), []).append((number, purchase))
    if problems:
        raise UserError(f"{path} cannot be used as purchases", problems=problems[:_SHOWN_PROBLEMS])
    made = [_buyer(seed, n + 1, email, found) for n, (email, found) in enumerate(people.items())]
    return made if customers is None else made[:customers]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{path} lacks the columns {', '.join(missing)}", hint=f"Columns: {', '.join(COLUMNS)}."
                )
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise UserError(f"{path} cannot be read: {err}") from err


def _purchase(seed: int, number: int, row: dict[str, str], products: dict[str, Product]) -> Purchase:
    if "@" not in (row["email"] or ""):
        raise ValueError("the e-mail address is missing")
    currency = (row.get("currency") or CURRENCY).strip().upper()
    total = to_minor((row["amount"] or "").strip(), currency)
    if total < 0:
        raise ValueError("the amount is negative")
    title, category = (row.get("product") or "Something").strip(), (row.get("category") or "").strip()
    if title not in products:
        new_id = FIRST_PRODUCT_ID + len(products)
        products[title] = Product(new_id, title, f"P-{new_id}", category, total)
    _, chance = person(seed, number)
    return Purchase(
        _instant(row["placed_at"] or "", chance), total, (Line(products[title], 1, total),), currency=currency
    )


def _instant(text: str, chance: Random) -> int:
    """UTC seconds; a date alone becomes a time of that day in the shop, a time without offset is the shop's."""
    text = text.strip()
    try:
        if len(text) == len("2026-11-22"):
            return moment(date.fromisoformat(text), chance)
        when = datetime.fromisoformat(text)
    except ValueError as err:
        raise ValueError(f"{text!r} is no date") from err
    return int((when if when.tzinfo else when.replace(tzinfo=zone(TIMEZONE))).timestamp())


def _buyer(seed: int, number: int, email: str, found: list[tuple[int, Purchase]]) -> Buyer:
    someone, _ = person(seed, number, email=email)
    purchases = sorted((purchase for _, purchase in found), key=lambda each: each.placed_at)
    return Buyer(replace(someone, email=email), tuple(purchases))
