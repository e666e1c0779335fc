"""What is stored of a person is exported whole, and nothing of anybody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncd import views
from syncd.errors import UserError
from syncd.history.database import History
from syncd.history.dossier import PERSONAL
from syncd.history.mentions import mentions
from syncd.history.schema import metadata
from syncd.model import Rejected
from syncd.sandbox.serve import Running
from tests.integration.history_records import customer, take
from tests.integration.house import House

ANA, EVA = "ana@example.com", "eva@example.com"


def test_every_table_that_tells_of_a_person_is_exported() -> None:
    """A table without a customer is about shops and audiences as a whole, or a part of what has one."""
    of_nobody = {table.name for table in metadata.sorted_tables} - {table.name for table in PERSONAL}
    assert of_nobody == {
        *("articles", "audiences", "companions", "cursors", "customers", "figures"),
        *(
            "keys",
            "leases",
            "moments_in_use",
            "order_items",
            "plans",
            "products",
            "quarantine",
            "refunds",
            "segments",
            "shops",
            "tombstones",
        ),
    }


def test_a_person_is_exported_with_all_that_was_bought_said_and_written_on_both_databases(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    someone = house.subscriber()
    house.order("acme", someone, "99.00", items=[{"title": "A blue lamp", "price": "99.00"}])
    house.sync_in_order()
    document = json.loads(json.dumps(views.export(house.context, someone.upper())))
    assert document["email"] == someone
    assert document["customers"][0]["email"] == someone
    assert "2026-11-22T10:00:00Z" in {each["placed_at"] for each in document["orders"]}
    assert all(each["items"] for each in document["orders"])
    assert document["identities"]
    assert document["consents"]
    (main,) = document["audiences"].values()
    assert main["members"][0]["status"] == "subscribed"
    assert "syncd:repeat" in main["moves"][0]["joined_segments"]
    assert "syncd:repeat" in main["standings"][0]["known_tags"]
    assert main["writes"][-1]["fields_after"]["ORDERS"] == main["standings"][0]["known_fields"]["ORDERS"]
    others = {email for email in house.state() if email != someone}
    assert [email for email in others if email in json.dumps(document)] == []


def test_who_had_another_address_is_exported_with_what_is_stored_under_it(house: House) -> None:
    take(house.history, customer("c1", ANA), shop="acme")
    take(house.history, customer("c1", EVA, updated_at=2_000), shop="acme")
    assert views.export(house.context, EVA)["earlier_addresses"] == [ANA]
    assert views.export(house.context, ANA)["known_now_as"] == EVA


def test_a_record_in_quarantine_that_names_the_person_is_exported(house: House) -> None:
    raw = json.dumps({"id": 1, "email": "  Ana@Example.com", "phone": "+34 600 000 000"}).encode()
    other = json.dumps({"id": 2, "email": EVA}).encode()
    take(house.history, rejected=(Rejected("1", "no date", raw), Rejected("2", "no date", other)))
    (found,) = views.export(house.context, ANA)["quarantine"]
    assert "+34 600 000 000" in found["raw"]
    assert found["reason"] == "no date"


def test_of_a_stranger_there_is_nothing_to_export(house: House) -> None:
    with pytest.raises(UserError, match="nothing is stored of nobody"):
        views.export(house.context, "nobody@example.com")


@pytest.mark.parametrize(
    ("raw", "keys", "ids"),
    [
        (b'{"customer": {"id": 7, "email": "ANA@example.com"}}', {ANA}, {"7"}),
        (b'{"customerId": 7, "note": "write to <ana@example.com>, please"}', {ANA}, {"7"}),
        (b'\0syncd order\n{"customer_id": "7", "email": null}', set(), {"7"}),
        (b'{"customer": {"id": "gid://shopify/Customer/7"}}', set(), {"7"}),
        (b'{"email": "ana\\u0040example.com"}', {ANA}, set()),
        (b'{"email": "ana@example.com", "email": "eva@example.com"}', {ANA, EVA}, set()),
        (b'{"customer": {"id": 7, "id": 8}, "customer": {"id": 9}}', set(), {"7", "8", "9"}),
        (b'{"customer": [{"id": 7}], "customer_id": null}', set(), {"7"}),
        (b'{"email": "ana@example.com", cut off', {ANA}, set()),
        (b"[" * 100_000, set(), set()),
        (b'{"id": 7, "total": "7"}', set(), set()),
        (b"\xff\xfe", set(), set()),
    ],
)
def test_a_record_that_could_not_be_read_tells_whom_it_names(raw: bytes, keys: set[str], ids: set[str]) -> None:
    assert mentions(raw) == (keys, ids)
