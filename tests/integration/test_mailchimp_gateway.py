"""The official client over our HTTP client: what goes out, and what each answer means. Exact wire cases."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
import responses

from syncd.destinations import connect as connect_any
from syncd.destinations._mailchimp_gateway import Gateway, Problem, RefusedError, connect
from syncd.errors import AmbiguousError, ConnectionBlocked, SyncdError, TransientError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "0123456789abcdef0123456789abcdef-us6"
HOST = "https://us6.api.mailchimp.com"
PROBLEM = "application/problem+json; charset=utf-8"


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def gateway() -> Gateway:
    return connect(lambda: KEY, None, "audiences.main", sleep=lambda seconds: None, attempts=2)


def test_the_data_centre_comes_from_the_key_and_the_key_goes_only_into_the_header(
    wire: responses.RequestsMock, gateway: Gateway
) -> None:
    wire.get(f"{HOST}/3.0/", json={"account_id": "1"})
    assert gateway.root.get_root() == {"account_id": "1"}
    request = wire.calls[0].request
    assert request.headers["Authorization"] == "Basic c3luY2Q6" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYtdXM2"
    assert KEY not in str(request.url)


@pytest.mark.parametrize(
    "key", ["", "0123", "abc-", "-us6", "abc-us6-us7", "abc-evil.example", "abc-us6\n", "abc-us6/x"]
)
def test_a_key_that_cannot_be_a_key_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(UserError, match=r"audiences\.main: the API key") as caught:
        connect(lambda: key, None, "audiences.main")
    assert not key.strip() or key.strip() not in str(caught.value).replace("…-us6", "")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("server+a@server.example", "/server%2Ba%40server.example"),
        ("a/b", "/a%2Fb"),
        ("a#b?c", "/a%23b%3Fc"),
        ("ñ", "/%C3%B1"),
        ("{list_id}", "/%7Blist_id%7D"),
    ],
)
def test_an_id_stays_one_segment_of_the_path_whatever_it_holds(
    wire: responses.RequestsMock, gateway: Gateway, value: str, path: str
) -> None:
    wire.get(f"{HOST}/3.0/lists/l1/members{path}", json={})
    gateway.lists.get_list_member("l1", value)
    assert str(wire.calls[0].request.url).endswith(path)


def test_an_id_that_climbs_out_of_its_path_is_never_sent(wire: responses.RequestsMock, gateway: Gateway) -> None:
    with pytest.raises(ValueError, match="climb"):
        gateway.lists.get_list_member("l1", "a/../../../x")
    assert len(wire.calls) == 0


def test_lists_and_booleans_go_out_as_the_api_reads_them(wire: responses.RequestsMock, gateway: Gateway) -> None:
    wire.get(f"{HOST}/3.0/lists/l1/members", json={})
    gateway.lists.get_list_members_info("l1", fields=["members.id", "total_items"], vip_only=True, count=1000)
    assert wire.calls[0].request.params == {"fields": "members.id,total_items", "vip_only": "true", "count": "1000"}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 429},
        {"status": 429, "body": "{", "content_type": "application/json"},
        {"status": 500},
        {"status": 502, "body": "<html>", "content_type": "application/json"},
        {"status": 503, "body": "busy", "content_type": "text/html"},
        {"status": 403},
        {"status": 403, "body": "<html>Access Denied</html>", "content_type": "text/html"},
        {"status": 200, "body": '{"id": ', "content_type": "application/json"},
        {"status": 200, "body": "<html>Log in to this network</html>", "content_type": "text/html"},
        {"status": 200, "body": "", "content_type": "application/json"},
    ],
    ids=lambda answer: f"{answer['status']}-{answer.get('body', '')[:8]}",
)
def test_what_the_official_client_returns_as_success_is_raised_here(
    wire: responses.RequestsMock, gateway: Gateway, answer: dict[str, object]
) -> None:
    wire.add(responses.GET, f"{HOST}/3.0/lists/l1", **answer)  # type: ignore[arg-type]
    with pytest.raises(TransientError):
        gateway.lists.get_list("l1")
    assert len(wire.calls) == 2


@pytest.mark.parametrize("status", [200, 500, 503])
def test_a_write_with_a_spoilt_answer_may_have_happened(
    wire: responses.RequestsMock, gateway: Gateway, status: int
) -> None:
    wire.post(f"{HOST}/3.0/lists/l1/members/h/tags", status=status, body="<html>", content_type="text/html")
    with pytest.raises(AmbiguousError):
        gateway.lists.update_list_member_tags("l1", "h", {"tags": []})
    assert len(wire.calls) == 1


@pytest.mark.parametrize(
    ("status", "title"),
    [(401, "API Key Invalid"), (403, "Forbidden"), (403, "User Disabled"), (403, "Wrong Datacenter")],
)
def test_a_refusal_with_a_document_blocks_the_connection(
    wire: responses.RequestsMock, gateway: Gateway, status: int, title: str
) -> None:
    wire.get(f"{HOST}/3.0/lists/l1", status=status, json={"title": title, "status": status}, content_type=PROBLEM)
    with pytest.raises(ConnectionBlocked, match=r"^audiences\.main: ") as caught:
        gateway.lists.get_list("l1")
    assert caught.value.connection == "audiences.main"
    assert len(wire.calls) == 1


def test_an_account_under_compliance_review_blocks_although_it_answers_503(
    wire: responses.RequestsMock, gateway: Gateway
) -> None:
    document = {"title": "ComplianceRelated", "status": 503, "detail": "This method has been disabled."}
    wire.get(f"{HOST}/3.0/lists/l1", status=503, json=document, content_type=PROBLEM)
    with pytest.raises(ConnectionBlocked, match="suspended"):
        gateway.lists.get_list("l1")


def test_an_answer_of_204_is_empty(wire: responses.RequestsMock, gateway: Gateway) -> None:
    wire.post(f"{HOST}/3.0/lists/l1/members/h/tags", status=204, content_type="application/json")
    assert gateway.lists.update_list_member_tags("l1", "h", {"tags": []}) == {}


@pytest.mark.parametrize("body", [{"tags": []}, {"tags": [], "is_syncing": False}])
def test_live_tags_are_not_sent_twice_and_muted_ones_may_be(
    wire: responses.RequestsMock, gateway: Gateway, body: dict[str, object]
) -> None:
    wire.post(f"{HOST}/3.0/lists/l1/members/h/tags", status=500)
    with pytest.raises(AmbiguousError):
        gateway.lists.update_list_member_tags("l1", "h", body)
    with pytest.raises(TransientError):
        gateway.lists.update_list_member_tags("l1", "h", body | {"is_syncing": True})
    assert len(wire.calls) == 1 + 2


# Problem documents


@pytest.mark.parametrize(
    "document",
    [
        {"title": "Member Exists", "status": 400, "detail": "ann@shop.example is already a list member."},
        {"title": "Member In Compliance State", "status": 400, "detail": "ann@shop.example is in a compliance state"},
        {"title": "Invalid Resource", "errors": [{"field": "LTV", "message": "ann@shop.example"}]},
        {"title": "ann@shop.example is bad"},
        {"title": 7, "errors": "none", "detail": None},
        {"errors": [None, {"field": None}, {"message": "x"}]},
        {},
    ],
)
def test_a_refusal_is_read_however_incomplete_and_never_shows_the_address(
    wire: responses.RequestsMock, gateway: Gateway, document: dict[str, object]
) -> None:
    wire.put(f"{HOST}/3.0/lists/l1/members/h", status=400, json=document, content_type=PROBLEM)
    with pytest.raises(RefusedError) as caught:
        gateway.lists.set_list_member("l1", "h", {})
    assert caught.value.problem.status == 400
    assert "ann@" not in "".join(traceback.format_exception(caught.value)) + caught.value.problem.reason
    assert caught.value.problem.reason


@pytest.mark.parametrize(
    ("title", "detail", "permanent"),
    [
        ("Member In Compliance State", "a@b is in a compliance state due to unsubscribe", True),
        ("Member Exists", "a@b is already a list member in compliance state due to unsubscribe", True),
        ("Forgotten Email Not Subscribed", "a@b was permanently deleted and cannot be re-imported.", True),
        ("Invalid Resource", "a@b looks fake or invalid, please enter a real email address.", True),
        ("Invalid Resource", "Please provide a valid email address.", True),
        ("Invalid Resource", "a@b has signed up to a lot of lists very recently; we're not allowing more", False),
        ("Invalid Resource", "Your merge fields were invalid.", False),
    ],
)
def test_a_refusal_is_for_good_only_where_mailchimp_says_so(title: str, detail: str, permanent: bool) -> None:
    assert Problem(400, title, detail).permanent is permanent


def test_fields_are_named_without_the_path_that_some_answers_put_before_them() -> None:
    document = {"errors": [{"field": "merge_fields.PRO", "message": "x"}, {"field": "LTV", "message": "Bitte"}]}
    assert Problem.read(400, document).fields == ("PRO", "LTV")


# Connecting


class Place:
    """Where a secret is kept."""

    def get(self) -> str:
        return KEY


class Settings:
    """What the configuration says of an audience."""

    esp, list_id, api_key, base_url = "mailchimp", "l1", Place(), "http://192.0.2.1"


def test_plain_http_to_another_machine_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UserError, match="plain http is for this machine only"):
        connect_any("main", Settings(), lambda: 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_no_error_shows_the_key(wire: responses.RequestsMock, gateway: Gateway, status: int) -> None:
    wire.get(f"{HOST}/3.0/lists/l1", status=status, json={})
    with pytest.raises(SyncdError) as caught:
        gateway.lists.get_list("l1")
    text = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert KEY[:12] not in text
    assert "MDEyMzQ1" not in text
