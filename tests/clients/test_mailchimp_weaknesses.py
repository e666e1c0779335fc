"""Why syncd speaks HTTP itself: what Mailchimp's own clients make of answers and addresses that are not plain.

These are facts about libraries that others publish. Where one of these tests fails with a new version of a
client, that is good news.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import mailchimp_marketing
import pytest
import requests
from mailchimp_marketing.api_client import ApiClientError

from syncd.sandbox.audience import Audience
from syncd.sandbox.faults import Fault
from syncd.sandbox.serve import Running
from tests.clients.drivers import play_node
from tests.clients.sandboxes import empty_sandbox
from tests.clients.table import KEY, LIST, Step, get, hash_of, lists

pytestmark = pytest.mark.off_schema("what the clients send is not always what was meant")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with empty_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def audience(running: Running) -> Iterator[Audience]:
    yield running.world.audiences[LIST]
    running.world.faults.clear()


@pytest.fixture
def client(running: Running) -> mailchimp_marketing.Client:
    client = mailchimp_marketing.Client({"api_key": KEY})
    client.api_client.host = f"{running.urls['mailchimp']}/3.0"
    return client


@pytest.mark.parametrize("body", ["", "<html>Bad Gateway</html>"])
@pytest.mark.parametrize("status", [403, 429, 500, 502, 503])
def test_a_refusal_whose_body_is_no_json_is_returned_as_if_it_were_success(
    running: Running, client: mailchimp_marketing.Client, audience: Audience, status: int, body: str
) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    running.world.faults.add(Fault(kind="status", service="mailchimp", status=status, body=body, headers=headers))
    answer = client.lists.get_list(LIST)
    assert isinstance(answer, requests.Response)
    assert answer.status_code == status


def test_an_answer_without_any_field_looks_like_a_refusal(
    client: mailchimp_marketing.Client, audience: Audience
) -> None:
    assert isinstance(client.lists.get_list_members_info(LIST, fields=["email_address"]), requests.Response)


@pytest.mark.parametrize(
    ("email", "found"),
    [
        ("ann@shop.test", True),
        ("server@shop.test", False),  # the data centre is put in the place of every "server"
        ("ann@myserver.test", False),
        ("a/b@shop.test", False),  # a slash stays a slash
    ],
)
def test_an_address_in_the_path_may_reach_somebody_else_or_nobody(
    client: mailchimp_marketing.Client, audience: Audience, email: str, found: bool
) -> None:
    audience.add_member(email, "subscribed")
    assert client.lists.get_list_member(LIST, hash_of(email))["email_address"] == email
    if found:
        assert client.lists.get_list_member(LIST, email)["email_address"] == email
    else:
        with pytest.raises(ApiClientError) as refused:
            client.lists.get_list_member(LIST, email)
        assert refused.value.status_code == 404


def test_the_node_client_rewrites_addresses_too_but_takes_no_refusal_for_success(
    running: Running, node_modules: Path, audience: Audience
) -> None:
    audience.add_member("server@node.test", "subscribed")
    fault = Fault(kind="status", service="mailchimp", path="*/ping", status=429)
    running.world.faults.add(fault)
    steps = [lists("get_list_member", "server@node.test"), get("server@node.test", {}), Step("ping.get")]
    outcomes = play_node(steps, running.urls, node_modules)
    assert [outcome.get("refused") for outcome in outcomes] == [404, None, 429]


def test_an_error_has_no_words_cannot_be_pickled_and_holds_its_document_as_text(
    client: mailchimp_marketing.Client, audience: Audience
) -> None:
    with pytest.raises(ApiClientError) as refused:
        client.lists.get_list_member(LIST, hash_of("nobody@shop.test"))
    assert (str(refused.value), type(refused.value.text)) == ("", str)
    with pytest.raises(TypeError, match="text"):
        pickle.loads(pickle.dumps(refused.value))  # noqa: S301 (our own bytes)


def test_fields_given_as_a_text_are_taken_letter_by_letter(
    running: Running, client: mailchimp_marketing.Client, audience: Audience
) -> None:
    client.lists.get_list_members_info(LIST, fields="total_items")
    assert running.world.log.since()[-1].query.startswith("fields=t%2Co%2Ct%2Ca%2Cl")
