"""Who is erased is gone: from every table and file, for good, whatever is read later."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select

from syncd import views
from syncd.errors import TransientError, UserError
from syncd.history.database import History, open_history, rewrite
from syncd.history.dossier import PERSONAL
from syncd.history.erasure import erase as erase_rows
from syncd.history.packs import differing
from syncd.history.people import customer_of
from syncd.history.schema import cursors, customers, orders, quarantine, tombstones
from syncd.model import Cart, Rejected
from syncd.steps.erase import Farewell, erase, find
from tests.integration.history_records import NOW, customer, order, rows, take
from tests.integration.house import DAY, House
from tests.integration.test_departures import customer_id, in_one_shop

ANA, EVA, OLD = "ana.needle@example.com", "eva@example.com", "old.needle@example.com"
CITY, WISH, TAG, NAME, PHONE = "Needleville", "wish-needle", "tag-needle", "Ana Needleman", "+34 600 55 66 77"


def plant(history: History) -> None:
    """Ana with all that can be stored of her, and Eva beside her."""
    known = {"city": CITY, "wishes": (WISH,), "tags": (TAG,), "consent": "granted"}
    take(history, customer("c1", OLD, **known), customer("c2", EVA))
    take(history, customer("c1", ANA, updated_at=2_000, **known))
    take(history, order("1", customer_id="c1", email=ANA), order("2", email=ANA), order("3", email=EVA))
    cart = Cart(id="k", begun_at=1, updated_at=1, currency="EUR", value_minor=1, email=ANA)
    take(history, resource="carts", carts=(cart,))
    raw = json.dumps({"id": 9, "customer": {"id": "c1", "name": NAME, "phone": PHONE}}).encode()
    take(history, rejected=(Rejected("9", "no date", raw), Rejected("8", "no date", b'{"email": "eva@example.com"}')))


def needles_in(directory: Path) -> list[tuple[str, str]]:
    """(file, needle) of every needle that any file of the directory holds."""
    found = []
    for file in directory.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        found += [(file.name, each) for each in (ANA, OLD, CITY, WISH, TAG, NAME, PHONE) if each.encode() in content]
    return found


def test_nothing_of_the_person_is_left_in_any_table_and_everybody_else_stays(history: History) -> None:
    plant(history)
    erase_rows(history, ANA, NOW)
    assert rows(history, customers, "email") == [(EVA,)]
    assert rows(history, quarantine, "record_id") == [("8",)]
    assert differing(history) == []
    eva = customer_of(history, EVA)
    for table in PERSONAL:
        with history.read() as db:
            assert set(db.execute(select(table.c.customer_id)).scalars()) <= {eva, None}, table.name


def test_the_orders_stay_as_sales_to_nobody(history: History) -> None:
    plant(history)
    erase_rows(history, ANA, NOW)
    eva = customer_of(history, EVA)
    sold = rows(history, orders, "id", "customer_id", "shop_customer_id", "paid_minor")
    assert sold == [("1", None, None, 5_000), ("2", None, None, 5_000), ("3", eva, f"guest:{EVA}", 5_000)]


def test_nothing_that_is_read_later_brings_the_person_back(history: History) -> None:
    plant(history)
    erase_rows(history, ANA, NOW)
    plant(history)
    assert rows(history, customers, "email") == [(EVA,)]
    assert rows(history, quarantine, "record_id") == [("8",)]
    assert rows(history, orders, "id", "shop_customer_id") == [("1", None), ("2", None), ("3", f"guest:{EVA}")]


def test_an_account_that_was_erased_stays_so_under_whatever_address_it_shows(history: History) -> None:
    plant(history)
    erase_rows(history, ANA, NOW)
    take(history, customer("c1", "another@example.com", updated_at=NOW + 1))
    take(history, order("4", customer_id="c1", email="another@example.com"))
    assert rows(history, customers, "email") == [(EVA,)]


def test_who_signs_up_anew_with_another_account_is_somebody_again_without_a_past(history: History) -> None:
    plant(history)
    erase_rows(history, ANA, NOW)
    take(history, customer("c3", ANA, created_at=NOW + 1, updated_at=NOW + 1))
    take(history, order("5", customer_id="c3", email=ANA))
    ana = customer_of(history, ANA)
    assert ana is not None
    assert [row[0] for row in rows(history, orders, "id", "customer_id") if row[1] == ana] == ["5"]


def test_an_address_on_somebody_elses_order_costs_only_that_address(history: History) -> None:
    plant(history)
    erase_rows(history, ANA, NOW)
    take(history, order("6", customer_id="c2", email=ANA))
    eva = customer_of(history, EVA)
    assert ("6", eva) in rows(history, orders, "id", "customer_id")


def test_from_a_tombstone_no_address_can_be_read(history: History) -> None:
    plant(history)
    erase_rows(history, ANA, NOW)
    digests = rows(history, tombstones, "digest")
    # Two addresses, and the account.
    assert [len(digest) for (digest,) in digests] == [64] * 4
    assert not any("needle" in digest for (digest,) in digests)


def test_no_file_of_the_database_holds_anything_of_the_person(history_url: Callable[[str], str]) -> None:
    with open_history(history_url("sqlite")) as history:
        directory = Path(str(history.engine.url.database)).parent
        # So many that pages are split after Ana's rows were written.
        take(history, *(customer(f"a{n}", f"an{n * 7919 % 600}@example.com", city=f"Town{n}") for n in range(300)))
        plant(history)
        take(history, *(customer(f"b{n}", f"am{n * 7919 % 600}@example.com", city=f"Town{n}") for n in range(300)))
        assert {needle for _, needle in needles_in(directory)} == {ANA, OLD, CITY, WISH, TAG, NAME, PHONE}
        erase_rows(history, ANA, NOW)
        rewrite(history)
        assert needles_in(directory) == []
    assert needles_in(directory) == []


def test_while_somebody_reads_the_database_it_is_said_that_its_files_are_not_clean_yet(
    history_url: Callable[[str], str],
) -> None:
    with open_history(history_url("sqlite")) as history, ExitStack() as stack:
        plant(history)
        reader = stack.enter_context(history.read())
        reader.execute(select(func.count()).select_from(customers)).scalar()
        erase_rows(history, ANA, NOW)
        with pytest.raises(TransientError, match="could not be written anew"):
            rewrite(history)


STATES = {"archive": "archived", "delete": None, "keep": "subscribed"}


@pytest.mark.parametrize("farewell", STATES)
def test_the_contact_loses_what_is_ours_and_becomes_what_was_asked_for(house: House, farewell: Farewell) -> None:
    someone = house.subscriber()
    before, journeys = house.requests(), house.journeys()
    erase(house.context, someone, farewell)
    state = house.state().get(someone)
    assert (state["status"] if state else None) == STATES[farewell]
    if state:
        ours = {field.name for field in house.context.settings.audiences["main"].playbook.fields}
        assert house.tags(someone) == set()
        assert not any(value for name, value in state["merge_fields"].items() if name in ours)
    assert len(house.writes(before)) <= 3
    assert house.journeys() == journeys
    again = house.requests()
    erase(house.context, someone, farewell)
    assert [write for write in house.writes(again) if "delete-permanent" not in write] == []


@pytest.mark.parametrize("farewell", STATES)
def test_a_full_pull_and_a_full_reading_after_it_bring_nothing_back(house: House, farewell: Farewell) -> None:
    someone = house.subscriber()
    erase(house.context, someone, farewell)
    with house.history.begin() as db:
        db.execute(cursors.delete())
    house.later(8 * DAY)
    house.order("acme", someone, "700.00", guest=True)
    for _ in range(2):
        house.sync_in_order()
        house.later(DAY)
    assert not find(house.context, someone).rows["customers"]
    directory = Path(str(house.history.engine.url.database)).parent
    rewrite(house.history)
    assert [
        file.name for file in directory.rglob("*") if file.is_file() and someone.encode() in file.read_bytes()
    ] == []
    tagged = house.expected({someone})
    assert house.tagged() == tagged
    with pytest.raises(UserError, match="erased"):
        views.explain(house.context, "main", someone, house.context.today(house.context.settings.audiences["main"]))


def test_who_subscribes_again_after_it_is_a_contact_like_any_other(house: House) -> None:
    someone = house.subscriber()
    erase(house.context, someone, "archive")
    house.later(DAY)
    house.members.act(someone, {"status": "subscribed"})
    house.sync_in_order()
    house.order("acme", someone, "15.00", consent=True)
    house.sync_in_order()
    house.sync_in_order()
    assert find(house.context, someone).rows["members"] == 1


@pytest.mark.parametrize("phase", ["before", "after"])
def test_where_the_service_does_not_answer_nothing_is_erased_and_the_same_call_goes_on(
    house: House, phase: str
) -> None:
    someone = house.subscriber()
    fault = {"service": "mailchimp", "method": "DELETE", "path": "*", "kind": "reset", "phase": phase, "count": 9}
    house.call("POST", "/faults", [fault])
    with pytest.raises(TransientError):
        erase(house.context, someone, "archive")
    assert find(house.context, someone).rows["customers"] == 1
    house.call("DELETE", "/faults")
    erase(house.context, someone, "archive")
    assert not find(house.context, someone).rows["customers"]
    assert house.state()[someone]["status"] == "archived"


def test_whom_a_shop_erased_is_forgotten_here_too_once_the_contact_is_at_rest(house: House) -> None:
    someone = in_one_shop(house)
    house.call("POST", f"/shops/acme/customers/{customer_id(house, someone)}/redact")
    house.sync_in_order()
    assert house.state()[someone]["status"] == "archived"
    found = find(house.context, someone)
    assert found.erased
    assert not any(found.rows.values())
    house.later(DAY)
    house.sync_in_order()
    assert not any(find(house.context, someone).rows.values())
