"""Members are known as the e-mail service has them, and whoever differs from before is judged again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from syncd.history.database import History
from syncd.history.members import store_members
from syncd.history.schema import audiences, consents, customers, members, news, standings
from syncd.model import Member
from tests.integration.history_records import (
    NOW,
    consents_by_email,
    customer,
    forget_news,
    member,
    news_of,
    order,
    person,
    rows,
    take,
)

BITS = {"syncd:loyal": 0, "syncd:lapsed": 5}


def store(history: History, *listed: Member, cursor: str | None = None, audience: str = "main") -> int:
    fields = ["ORDERS", "SPEND6M"]
    return store_members(history, audience, listed, cursor, bits=BITS, field_names=fields, now=NOW)


def known(history: History, email: str = "ana@example.com") -> tuple[Any, ...]:
    """Tags and fields that the service has, as far as they are ours."""
    query = select(standings.c.known_tags, standings.c.known_fields).join(
        customers, customers.c.id == standings.c.customer_id
    )
    with history.read() as db:
        return tuple(db.execute(query.where(customers.c.email == email)).one())


def set_standing(history: History, **values: Any) -> None:
    with history.begin() as db:
        db.execute(standings.update().values(**values))


def test_a_member_is_stored_with_the_cursor(history: History) -> None:
    rated = member(status="subscribed", open_rate=0.5, click_rate=0.25, opted_in_at=900)
    assert store(history, rated, cursor="until noon") == 1
    assert rows(history, members, "audience", "status", "opted_in_at", "open_rate", "click_rate") == [
        ("main", "subscribed", 900, 0.5, 0.25)
    ]
    assert rows(history, audiences, "name", "member_cursor") == [("main", "until noon")]
    assert news_of(history) == {"ana@example.com"}


def test_without_a_cursor_the_reading_stays_where_it_was(history: History) -> None:
    store(history, cursor="until noon")
    store(history, member())
    assert rows(history, audiences, "member_cursor") == [("until noon",)]


def test_our_tags_are_known_in_whatever_case_and_foreign_ones_ignored(history: History) -> None:
    store(history, member(tags=("Syncd:Loyal", "syncd:LAPSED", "vip", "loyal")))
    assert known(history)[0] == 1 << 0 | 1 << 5


def test_our_fields_are_known_in_one_spelling_and_foreign_ones_ignored(history: History) -> None:
    store(history, member(fields={"SPEND6M": 12.5, "FNAME": "Ana", "ORDERS": 3.0}))
    assert known(history)[1] == '{"ORDERS":3,"SPEND6M":12.5}'


def test_a_member_without_anything_of_ours_has_nothing_known(history: History) -> None:
    store(history, member(fields={"FNAME": "Ana"}))
    assert known(history) == (0, "")


def test_the_same_member_again_is_no_news(history: History) -> None:
    listed = member(tags=("syncd:loyal",), fields={"ORDERS": 3}, open_rate=0.1)
    store(history, listed)
    forget_news(history)
    assert store(history, listed) == 0
    assert store(history, member(tags=("syncd:loyal", "vip"), fields={"ORDERS": 3}, open_rate=0.1, changed_at=9)) == 0
    assert news_of(history) == set()
    assert rows(history, members, "changed_at") == [(9,)]


def test_whatever_differs_is_news_and_taken_however_old(history: History) -> None:
    store(history, member(changed_at=2_000))
    for change in (
        {"status": "unsubscribed"},
        {"tags": ("syncd:loyal",)},
        {"fields": {"ORDERS": 1}},
        {"open_rate": 1.0},
        {"open_rate": 0.0},
        {"click_rate": 0.5},
        {"birthday": 229},
    ):
        forget_news(history)
        assert store(history, member(**{"changed_at": 1_000, **change})) == 1
        assert news_of(history) == {"ana@example.com"}
    assert rows(history, members, "status") == [("subscribed",)]


def test_a_rate_of_nought_is_known_and_none_is_not(history: History) -> None:
    store(history, member(open_rate=0.0, click_rate=0.0), member("bea@example.com"))
    assert rows(history, members, "open_rate", "click_rate") == [(0.0, 0.0), (None, None)]


def clicked_after(history: History, *rates: float | None) -> int | None:
    """When somebody clicked last by these readings, which are an hour apart; the first is at NOW."""
    for n, rate in enumerate(rates):
        listed = [member(click_rate=rate)]
        store_members(history, "main", listed, None, bits={}, field_names=[], now=NOW + n * 3_600)
    ((clicked_at,),) = rows(history, members, "clicked_at")
    return None if clicked_at is None else (clicked_at - NOW) // 3_600


@pytest.mark.parametrize(
    ("rates", "hours"),
    [
        ([None], None),
        ([0.0, 0.0], None),
        # Nobody is taken for inactive over a time of which nothing is known.
        ([0.2], 0),
        ([0.2, 0.2, 0.2], 0),
        ([0.0, 0.1], 1),
        ([None, 0.1], 1),
        ([0.2, 0.1, 0.05], 0),
        # Mails without a click lower the rate, and a click raises it again.
        ([0.2, 0.1, 0.15], 2),
        ([0.2, None, None], 0),
        ([0.2, None, 0.2], 2),
    ],
)
def test_a_click_is_as_old_as_the_reading_that_first_saw_the_rate_rise(
    history: History, rates: list[float | None], hours: int | None
) -> None:
    assert clicked_after(history, *rates) == hours


def test_what_is_wanted_is_not_touched_by_reading(history: History) -> None:
    store(history, member())
    set_standing(history, segments=1, wanted_tags=1, wanted_fields="{}")
    store(history, member(tags=("syncd:lapsed",)))
    assert rows(history, standings, "segments", "wanted_tags", "known_tags", "wanted_fields") == [(1, 1, 32, "{}")]


def test_a_refusal_ends_when_the_member_is_another_than_was_refused(history: History) -> None:
    store(history, member(status="cleaned"))
    set_standing(history, refused="compliance")
    store(history, member(status="cleaned", tags=("syncd:loyal",)))
    assert rows(history, standings, "refused") == [("compliance",)]
    store(history, member(status="subscribed", tags=("syncd:loyal",)))
    assert rows(history, standings, "refused") == [("",)]


def test_who_is_in_no_shop_signed_up_when_they_joined(history: History) -> None:
    store(history, member(opted_in_at=900))
    assert person(history).signup_at == 900
    take(history, customer(created_at=950))
    assert person(history).signup_at == 950
    store(history, member(opted_in_at=100))
    assert person(history).signup_at == 950


def test_the_two_sides_meet_at_the_address(history: History) -> None:
    take(history, order(email="ana@example.com"))
    store(history, member("Ana@Example.com"))
    assert rows(history, customers, "email") == [("ana@example.com",)]


def test_audiences_know_their_members_apart(history: History) -> None:
    store(history, member(), audience="main")
    store(history, member(status="unsubscribed"), audience="vip")
    assert rows(history, members, "audience", "status") == [("main", "subscribed"), ("vip", "unsubscribed")]


def test_a_contact_with_a_new_address_is_a_member_under_that_one_only(history: History) -> None:
    store(history, member("old@example.com", contact_id="k", tags=("syncd:loyal",), fields={"ORDERS": 1}))
    forget_news(history)
    store(history, member("new@example.com", contact_id="k", tags=("syncd:loyal",)))
    assert len(rows(history, members)) == 1
    assert known(history, "old@example.com") == (0, "")
    assert known(history, "new@example.com") == (1, "")
    assert news_of(history) == {"old@example.com", "new@example.com"}
    assert consents_by_email(history) == {"old@example.com": False, "new@example.com": True}


def test_of_two_members_under_one_key_the_one_that_changed_last_is_known(history: History) -> None:
    store(
        history,
        member("ANA@example.com", "unsubscribed", changed_at=2_000, contact_id="a"),
        member("ana@example.com", "subscribed", changed_at=1_000, contact_id="b"),
    )
    assert rows(history, members, "contact_id", "status") == [("a", "unsubscribed")]


def test_a_member_without_a_usable_address_is_left_out(history: History) -> None:
    # Short enough as it is written, too long as it is sent.
    grows = "a" * 225 + "@" + "ü" * 20 + ".com"
    assert store(history, member("nobody"), member("half\ud800@example.com"), member(grows), member()) == 1


def test_only_what_the_person_did_enters_the_ledger(history: History) -> None:
    for at, status in enumerate(("pending", "subscribed", "cleaned", "archived", "unsubscribed", "transactional")):
        store(history, member(status=status, changed_at=at))
    assert [row[1:] for row in rows(history, consents, "id", "source", "state", "changed_at")] == [
        ("esp:main", "granted", 1),
        ("esp:main", "withdrawn", 4),
    ]


def test_no_members_are_no_trouble(history: History) -> None:
    assert store(history, cursor="done") == 0


def concerned(history: History) -> set[tuple[str, str]]:
    """Who is judged again, and in which audience."""
    query = select(customers.c.email, news.c.audience).join(customers, customers.c.id == news.c.customer_id)
    with history.read() as db:
        return {(row[0], row[1]) for row in db.execute(query)}


def test_what_one_audience_tells_of_a_person_is_news_in_another(history: History) -> None:
    for audience in ("main", "other"):
        store(history, member(opted_in_at=2_000), member("ben@example.com", opted_in_at=2_000), audience=audience)
    forget_news(history)
    store(history, member(opted_in_at=1_500, status="unsubscribed", changed_at=2_500))
    assert concerned(history) == {("ana@example.com", "main"), ("ana@example.com", "other")}


def test_what_a_shop_tells_of_a_person_is_news_also_in_an_audience_without_that_shop(history: History) -> None:
    store(history, member(), audience="other")
    take(history, order(email="ana@example.com", customer_id="c1"))
    forget_news(history)
    take(history, customer("c1", country="ES"), customer("c2", "ben@example.com"))
    assert concerned(history) == {(email, "main") for email in ("ana@example.com", "ben@example.com")} | {
        ("ana@example.com", "other")
    }
