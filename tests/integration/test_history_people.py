"""Who is who across shop ids, guests, changed addresses and deletions; and who may be mailed."""

from __future__ import annotations

import pytest

from syncd.history.consents import consent_of
from syncd.history.database import History
from syncd.history.ingest import Ingested
from syncd.history.members import store_members
from syncd.history.people import customer_of, emails_of, redact
from syncd.history.schema import consents, customers, identities
from syncd.model import Member
from tests.integration.history_records import (
    consents_by_email,
    customer,
    forget_news,
    member,
    news_of,
    order,
    owners,
    person,
    rows,
    take,
)


def store(history: History, *members: Member) -> None:
    store_members(history, "main", members, None, bits={}, field_names=[], now=1)


def test_one_person_has_one_key_whatever_ids_the_shops_give(history: History) -> None:
    take(history, customer("c1", " Ana@Example.com"), order("1", customer_id="c1"))
    take(history, customer("77", "ana@example.com"), order("2", customer_id="77"), shop="cafe")
    take(history, order("3", email="ANA@example.com\u200b"))
    assert owners(history) == dict.fromkeys("123", "ana@example.com")
    assert rows(history, customers, "email") == [("ana@example.com",)]


def test_the_record_of_an_id_outweighs_what_orders_say_of_it(history: History) -> None:
    take(history, order("1", customer_id="c1", email="typo@example.com", updated_at=9_000))
    forget_news(history)
    take(history, customer("c1", "ana@example.com", updated_at=10))
    assert owners(history) == {"1": "ana@example.com"}
    assert news_of(history) == {"typo@example.com", "ana@example.com"}
    take(history, order("2", customer_id="c1", email="typo@example.com", updated_at=9_999))
    assert owners(history) == {"1": "ana@example.com", "2": "ana@example.com"}


def test_without_a_record_the_newest_order_says_whose_the_id_is(history: History) -> None:
    take(history, order("1", customer_id="c1", email="new@example.com", updated_at=2_000))
    take(history, order("2", customer_id="c1", email="old@example.com", updated_at=1_000))
    take(history, order("3", customer_id="c1", updated_at=3_000))
    assert owners(history) == dict.fromkeys("123", "new@example.com")


def test_an_id_without_any_address_is_nobodys_until_one_is_known(history: History) -> None:
    take(history, order("1", customer_id="c1"))
    assert owners(history) == {"1": None}
    take(history, customer("c1", "ana@example.com"))
    assert owners(history) == {"1": "ana@example.com"}


def test_a_person_whose_address_changes_takes_the_orders_of_the_id_along(history: History) -> None:
    take(history, customer("c1", "old@example.com"), order("1", customer_id="c1"), order("2", email="old@example.com"))
    forget_news(history)
    assert take(history, customer("c1", "new@example.com", updated_at=2_000)) == Ingested(customers_changed=1)
    assert owners(history) == {"1": "new@example.com", "2": "old@example.com"}
    assert news_of(history) == {"old@example.com", "new@example.com"}


def test_a_person_whose_address_the_shop_removed_leaves_the_orders_to_nobody(history: History) -> None:
    take(history, customer("c1"), order("1", customer_id="c1"))
    forget_news(history)
    take(history, customer("c1", None, updated_at=2_000))
    assert owners(history) == {"1": None}
    assert news_of(history) == {"ana@example.com"}


def test_an_order_that_a_merge_gave_to_another_id_moves_with_both_judged_again(history: History) -> None:
    take(history, customer("c1"), customer("c2", "ben@example.com"), order("1", customer_id="c1"))
    forget_news(history)
    take(history, order("1", customer_id="c2", updated_at=2_000), deleted_customers=("c1",))
    assert owners(history) == {"1": "ben@example.com"}
    assert news_of(history) == {"ana@example.com", "ben@example.com"}


def test_a_record_whose_date_alone_changed_is_no_news(history: History) -> None:
    take(history, customer(updated_at=1_000, consent="granted"))
    forget_news(history)
    assert take(history, customer(updated_at=2_000, consent="granted")) == Ingested()
    assert news_of(history) == set()
    assert rows(history, identities, "updated_at") == [(2_000,)]


def test_an_older_record_of_a_person_changes_nothing(history: History) -> None:
    take(history, customer(updated_at=2_000, city="Cádiz", consent="withdrawn"))
    forget_news(history)
    assert take(history, customer(updated_at=1_000, city="Lugo", consent="granted")) == Ingested()
    assert person(history).city == "Cádiz"
    assert rows(history, consents, "state") == [("withdrawn",)]


def test_what_is_known_of_a_person_comes_from_all_their_ids(history: History) -> None:
    take(history, customer("c1", created_at=300, updated_at=2_000, country="ES", city="", language="es"))
    take(history, customer("9", created_at=200, country="FR", city="Lyon", wholesale=True), shop="cafe")
    found = person(history)
    assert (found.signup_at, found.country, found.city, found.language) == (200, "ES", "Lyon", "es")
    assert found.wholesale
    take(history, customer("9", created_at=200, updated_at=3_000, country="PT"), shop="cafe")
    found = person(history)
    assert (found.signup_at, found.country, found.city, found.wholesale) == (200, "PT", "", False)


def test_the_shop_that_spoke_last_names_the_city_even_if_it_says_nothing_else_that_is_new(history: History) -> None:
    take(history, customer("c1", city="Lugo", updated_at=2_000))
    take(history, customer("9", city="Lyon", updated_at=1_000), shop="cafe")
    assert person(history).city == "Lugo"
    forget_news(history)
    take(history, customer("9", city="Lyon", updated_at=3_000), shop="cafe")
    assert person(history).city == "Lyon"
    assert news_of(history) == {"ana@example.com"}


def test_who_moves_away_takes_their_facts_along(history: History) -> None:
    take(history, customer("c1", created_at=300, city="Lugo"), customer("c2", created_at=100, city="Vigo"))
    take(history, customer("c2", "ben@example.com", created_at=100, city="Vigo", updated_at=2_000))
    ana, ben = person(history), person(history, "ben@example.com")
    assert ((ana.signup_at, ana.city), (ben.signup_at, ben.city)) == ((300, "Lugo"), (100, "Vigo"))


def test_a_guest_has_no_sign_up(history: History) -> None:
    take(history, order(email="ana@example.com"))
    assert person(history).signup_at is None


def test_a_deleted_id_is_marked_once_and_stays_so(history: History) -> None:
    take(history, customer("c1", created_at=300), order("1", customer_id="c1"))
    forget_news(history)
    assert take(history, deleted_customers=("c1",)) == Ingested(deleted=1)
    assert news_of(history) == {"ana@example.com"}
    assert person(history).signup_at is None
    assert owners(history) == {"1": "ana@example.com"}
    assert take(history, deleted_customers=("c1",)) == Ingested()
    take(history, customer("c1", updated_at=9_000))
    assert rows(history, identities, "shop_customer_id", "deleted") == [("c1", True)]


def test_an_id_that_was_deleted_before_it_was_seen_stays_deleted(history: History) -> None:
    assert take(history, deleted_customers=("c1",)) == Ingested(deleted=1)
    take(history, customer("c1", consent="granted"))
    assert rows(history, identities, "deleted") == [(True,)]
    assert consents_by_email(history) == {"ana@example.com": False}


def test_addresses_and_numbers_are_found_either_way(history: History) -> None:
    take(history, customer())
    id_ = customer_of(history, "ana@example.com")
    assert id_ is not None
    assert emails_of(history, [id_, 99_999]) == {id_: "ana@example.com"}
    assert customer_of(history, "who@example.com") is None


def test_the_ledger_only_grows_and_only_by_what_is_new(history: History) -> None:
    for at, state in enumerate(("unknown", "granted", "granted", "withdrawn", "granted")):
        take(history, customer(consent=state, updated_at=1_000 + at), now=50 + at)
    found = rows(history, consents, "id", "state", "changed_at", "observed_at")
    assert [row[1:] for row in found] == [("granted", 1_001, 51), ("withdrawn", 1_003, 53), ("granted", 1_004, 54)]


def test_a_grant_that_was_confirmed_is_another_statement(history: History) -> None:
    for at, level in enumerate(("single", "confirmed", "confirmed")):
        take(history, customer(consent="granted", level=level, updated_at=1_000 + at))
    assert rows(history, consents, "level") == [("confirmed",), ("single",)]


@pytest.mark.parametrize(
    ("acme", "cafe", "esp", "granted"),
    [
        (["granted"], [], [], True),
        (["unknown"], [], [], False),
        (["pending"], [], [], False),
        (["withdrawn"], [], [], False),
        (["granted", "withdrawn"], [], [], False),
        (["withdrawn", "granted"], [], [], True),
        # Anything but a grant ends a grant; only a grant lifts a withdrawal.
        (["granted", "unknown"], [], [], False),
        (["granted"], ["withdrawn", "unknown"], [], False),
        (["granted"], ["withdrawn", "pending"], [], False),
        (["granted"], ["withdrawn", "granted"], [], True),
        # The most restrictive of all sources.
        (["granted"], ["unknown"], [], True),
        (["granted"], ["withdrawn"], [], False),
        (["granted"], [], ["unsubscribed"], False),
        (["unknown"], [], ["subscribed"], True),
        (["withdrawn"], [], ["subscribed"], False),
        # What the service does with a member is no word of the person.
        (["granted"], [], ["unsubscribed", "archived"], False),
        (["granted"], [], ["cleaned"], True),
        ([], [], [], False),
    ],
)
def test_consent_is_granted_by_someone_and_withdrawn_by_nobody(
    history: History, acme: list[str], cafe: list[str], esp: list[str], granted: bool
) -> None:
    for shop, states in (("acme", acme), ("cafe", cafe)):
        for at, state in enumerate(states):
            take(history, customer(consent=state, updated_at=1_000 + at), shop=shop)
    for at, status in enumerate(esp):
        store(history, member(status=status, changed_at=1_000 + at))
    take(history, order(email="ana@example.com"))
    assert consents_by_email(history) == {"ana@example.com": granted}


def test_a_withdrawal_under_one_id_beats_a_grant_under_another_of_the_same_shop(history: History) -> None:
    take(history, customer("c1", consent="granted"), customer("c2", consent="withdrawn"))
    assert consents_by_email(history) == {"ana@example.com": False}


def test_a_grant_goes_with_the_id_that_gave_it(history: History) -> None:
    take(history, customer("c1", "ana@example.com", consent="granted"))
    take(history, customer("c1", "ben@example.com", consent="granted", updated_at=2_000))
    assert consents_by_email(history) == {"ana@example.com": False, "ben@example.com": True}
    take(history, deleted_customers=("c1",))
    assert consents_by_email(history) == {"ana@example.com": False, "ben@example.com": False}


def test_a_withdrawal_outlives_the_id_that_gave_it(history: History) -> None:
    take(history, customer("c1", consent="withdrawn"))
    take(history, deleted_customers=("c1",))
    take(history, customer("c2", consent="granted"))
    assert consents_by_email(history) == {"ana@example.com": False}


def test_of_strangers_nobody_has_consented(history: History) -> None:
    assert consent_of(history, [1, 2]) == {1: False, 2: False}
    assert consent_of(history, []) == {}


def erased(history: History) -> dict[str, int]:
    return {email: at for email, at in rows(history, customers, "email", "erased_at") if at is not None}


def test_who_is_redacted_is_erased_since_then_and_their_orders_are_nobodys(history: History) -> None:
    take(history, customer("c1"), order("1", customer_id="c1"))
    forget_news(history)
    take(history, customer("c1", None, updated_at=2_000, redacted=True))
    assert erased(history) == {"ana@example.com": 2_000}
    assert owners(history) == {"1": None}
    assert news_of(history) == {"ana@example.com"}


def test_a_redaction_that_still_shows_the_address_takes_it_away_all_the_same(history: History) -> None:
    take(history, customer("c1"))
    take(history, customer("c1", "ana@example.com", updated_at=2_000, redacted=True))
    assert erased(history) == {"ana@example.com": 2_000}
    assert rows(history, identities, "customer_id") == [(None,)]


def test_a_redaction_after_the_address_was_taken_away_finds_whose_it_was(history: History) -> None:
    take(history, customer("c1"))
    take(history, customer("c1", None, updated_at=2_000))
    assert erased(history) == {}
    take(history, customer("c1", None, updated_at=3_000, redacted=True))
    assert erased(history) == {"ana@example.com": 3_000}


def test_an_older_record_does_not_bring_back_who_was_erased(history: History) -> None:
    take(history, customer("c1", created_at=500))
    take(history, customer("c1", None, updated_at=2_000, created_at=500, redacted=True))
    take(
        history,
        customer("c1", "ana@example.com", updated_at=1_500, created_at=500),
        order("1", email="ana@example.com"),
    )
    assert erased(history) == {"ana@example.com": 2_000}


def test_who_signs_up_at_a_shop_after_they_were_erased_is_welcome(history: History) -> None:
    take(history, customer("c1"))
    take(history, customer("c1", None, updated_at=2_000, redacted=True))
    take(history, customer("c2", "ana@example.com", updated_at=2_500, created_at=1_999))
    assert erased(history) == {"ana@example.com": 2_000}
    take(history, customer("c3", "ana@example.com", updated_at=3_000, created_at=2_001), shop="cafe")
    assert erased(history) == {}


def test_an_id_that_belongs_to_somebody_else_by_now_is_not_held_against_its_first_owner(history: History) -> None:
    take(history, customer("c1", "ana@example.com"))
    take(history, customer("c1", "eva@example.com", updated_at=2_000), customer("c2", "ana@example.com"))
    take(history, customer("c1", None, updated_at=3_000, redacted=True))
    assert erased(history) == {"eva@example.com": 3_000}


def test_a_shop_may_say_by_other_ways_that_it_erased_somebody(history: History) -> None:
    take(history, customer("c1"))
    forget_news(history)
    for _ in range(2):
        redact(history, "acme", "c1", audiences=["main"], now=4_000)
        redact(history, "acme", "never-seen", audiences=["main"], now=4_000)
    assert erased(history) == {"ana@example.com": 4_000}
    assert news_of(history) == {"ana@example.com"}
