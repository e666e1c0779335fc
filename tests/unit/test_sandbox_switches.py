"""Each doubt about the e-mail service changes something that can be seen; none is named and then ignored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from syncd.sandbox import mailchimp
from syncd.sandbox.audience import Audience, Problem, Switches
from syncd.sandbox.audience.switches import Doubt, doubts
from syncd.sandbox.audience.writes import WebhookWrite
from syncd.sandbox.mailchimp.account import Account
from syncd.sandbox.mailchimp.operations import execute, run_batches
from syncd.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_790_000_000
LIST = "/lists/a1b2c3d4e5"
ANN = f"{LIST}/members/ann@shop.test"


class Service:
    """An account whose switches are as told, with one member, Ann; called without HTTP."""

    def __init__(self, switches: Switches) -> None:
        self.world = World(start=NOW)
        self.world.clock.set(NOW)
        self.world.mailchimp = switches
        self.audience = self.world.audiences["a1b2c3d4e5"] = Audience(
            "a1b2c3d4e5", "Customers", self.world.clock, switches=switches
        )
        self.account = Account(self.world)
        self.member("Ann@shop.test", tags=["Old"])

    def member(self, email: str, status: str = "subscribed", **details: Any) -> None:
        self.audience.add_member(email, status, changed_at=NOW - 100, **details)

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The answer, or the refusal as a document."""
        try:
            return execute(self.account, method, path, query, json.dumps(body) if body is not None else "")
        except Problem as problem:
            return problem.document("")

    def tag(self, name: str, status: str = "active", path: str = ANN) -> Any:
        return self.ask("POST", f"{path}/tags", {"tags": [{"name": name, "status": status}]})

    def entries(self) -> list[Any]:
        return self.audience.journeys()

    def batch(self, *operations: dict[str, Any]) -> str:
        batch_id: str = self.ask("POST", "/batches", {"operations": operations})["id"]
        run_batches(self.account)
        return batch_id

    def changed(self) -> str:
        text: str = self.ask("GET", ANN)["last_changed"]
        return text


def _refused_by_segment(service: Service, email: str) -> Any:
    segment = service.audience.segments.tag("old")
    return service.ask("POST", f"{LIST}/segments/{segment.id}", {"members_to_add": [email]})["errors"]  # type: ignore[union-attr]


def _bulk(service: Service) -> Any:
    segment = service.ask("POST", f"{LIST}/segments", {"name": "new", "static_segment": []})
    service.ask("POST", f"{LIST}/segments/{segment['id']}", {"members_to_add": ["ann@shop.test"]})
    return service.entries()


def _again(service: Service) -> Any:
    for status in ("active", "inactive", "active"):
        service.tag("new", status)
    return len(service.entries())


def _present(service: Service) -> Any:
    service.tag("old")
    return service.entries()


def _field(service: Service) -> Any:
    service.ask("PATCH", ANN, {"merge_fields": {"FNAME": "Ann"}})
    return service.entries()


def _signup(service: Service) -> Any:
    service.ask("POST", f"{LIST}/members", {"email_address": "new@shop.test", "status": "subscribed"})
    return service.entries()


def _trigger(service: Service) -> Any:
    path = "/customer-journeys/journeys/1/steps/2/actions/trigger"
    return service.ask("POST", path, {"email_address": "nobody@shop.test"})["status"]


def _archived(service: Service) -> Any:
    service.member("gone@shop.test", "archived")
    return service.ask("GET", f"{LIST}/members")["total_items"]


def _before(service: Service) -> Any:
    return service.ask("GET", f"{LIST}/members", before_last_changed=service.changed())["total_items"]


def _pending(service: Service) -> Any:
    service.member("new@shop.test", "pending", tags=["old"])
    return service.ask("GET", f"{LIST}/members/new@shop.test")["tags_count"]


def _put(service: Service) -> Any:
    return service.ask("PUT", ANN, {"email_address": "ann@shop.test", "tags": ["new"]})["tags_count"]


def _compliance(service: Service) -> Any:
    service.member("left@shop.test", "unsubscribed")
    return service.ask("PATCH", f"{LIST}/members/left@shop.test", {"status": "subscribed"})["detail"]


def _rename(service: Service) -> Any:
    service.member("bob@shop.test")
    return service.ask("PATCH", ANN, {"email_address": "bob@shop.test"})["title"]


def _billed(service: Service) -> Any:
    service.member("buyer@shop.test", "transactional")
    return service.audience.billed()


def _resent(service: Service) -> Any:
    service.tag("old")
    return service.changed()


def _deleted(service: Service) -> Any:
    service.audience.tags.delete_segment(str(service.audience.segments.tag("old").id))  # type: ignore[union-attr]
    return service.changed()


def _cased(service: Service) -> Any:
    service.tag("VIP")
    return [tag["name"] for tag in service.ask("GET", f"{LIST}/tag-search", name="v")["tags"]]


def _long_name(service: Service) -> Any:
    return service.tag("x" * 60) is None and "title" not in service.ask(
        "POST", f"{LIST}/segments", {"name": "y" * 60, "static_segment": []}
    )


def _many_tags(service: Service) -> Any:
    return [service.tag(f"tag {n}") is None for n in range(200)][-1]


def _segment_statuses(service: Service) -> Any:
    service.member("new@shop.test", "pending")
    return _refused_by_segment(service, "new@shop.test")


def _segment_text(service: Service) -> Any:
    service.member("left@shop.test", "unsubscribed")
    return _refused_by_segment(service, "left@shop.test")


def _spelling(service: Service) -> Any:
    service.member("Left@Shop.test", "unsubscribed")
    return _refused_by_segment(service, "left@shop.test")


def _fields(service: Service) -> Any:
    made = [service.ask("POST", f"{LIST}/merge-fields", {"name": f"F{n}", "type": "text"}) for n in range(30)]
    return "merge_id" in made[-1]


def _long_field(service: Service) -> Any:
    return service.ask("POST", f"{LIST}/merge-fields", {"name": "x", "type": "text", "tag": "ELEVENCHARS"}).get("tag")


def _long_text(service: Service) -> Any:
    return service.ask("PATCH", ANN, {"merge_fields": {"FNAME": "x" * 300}})


def _language(service: Service) -> Any:
    service.ask("POST", f"{LIST}/merge-fields", {"name": "N", "type": "number", "tag": "N"})
    return service.ask("PATCH", ANN, {"merge_fields": {"N": "many"}})["errors"]


def _full(service: Service) -> Any:
    limit = mailchimp.limiter(service.world)
    answers: list[Any] = [limit.enter({"path": "/3.0/ping"}) for _ in range(11)]
    return answers[-1].body, answers[-1].headers.get("retry-after")


def _order(service: Service) -> Any:
    names = ["a", "b", "c", "d", "e", "f"]
    body = [json.dumps({"tags": [{"name": name, "status": "active"}]}) for name in names]
    service.batch(*({"method": "POST", "path": f"{ANN}/tags", "body": each} for each in body))
    return [tag.name for tag in service.audience.segments.tags()][1:]


def _polls(service: Service) -> Any:
    batch = service.batch({"method": "GET", "path": "/ping"})
    return [service.ask("GET", f"/batches/{batch}")["status"] for _ in range(2)]


def _batch_problem(service: Service) -> Any:
    batch = service.account.batches.get(service.batch({"method": "GET", "path": "/nothing"}), service.world.mailchimp)
    return json.loads(json.loads((batch.rows or [])[0])["response"]).keys()


def _results(service: Service) -> Any:
    batches, switches = service.account.batches, service.world.mailchimp
    batch = service.batch({"method": "GET", "path": "/ping"})
    url = ""
    while not url:
        url = service.ask("GET", f"/batches/{batch}")["response_body_url"]
    expires, signature = url.partition("Expires=")[2].split("&Signature=")
    assert switches.result_url_seconds
    return batches.download(batch, expires, signature)[0]


def _old_batch(service: Service) -> Any:
    batch = service.batch({"method": "GET", "path": "/ping"})
    service.world.clock.set(NOW + 2 * 86_400)
    return service.ask("GET", f"/batches/{batch}")["status"]


def _stats(service: Service) -> Any:
    service.ask("GET", LIST)
    service.member("new@shop.test")
    return service.ask("GET", LIST)["stats"]["member_count"]


def _engaged(service: Service) -> Any:
    service.audience.act("ann@shop.test", {"open_rate": 0.5})
    return service.changed()


def _opt_in(service: Service) -> Any:
    service.member("new@shop.test", "pending")
    service.tag("new", path=f"{LIST}/members/new@shop.test")
    service.audience.act("new@shop.test", {"status": "subscribed"})
    return service.entries()


def _signed(service: Service) -> Any:
    made = service.audience.hooks.create(WebhookWrite(url="http://shop.test/told"))
    return service.audience.hooks.signing_secret(100 * made.number)


SEEN: dict[str, Callable[[Service], Any]] = {
    "bulk_fires_journeys": _bulk,
    "present_tag_fires": _present,
    "journeys_reenter": _again,
    "first_value_is_a_change": _field,
    "signups_start_journeys": _signup,
    "opt_in_fires_tags": _opt_in,
    "journey_refusal_status": _trigger,
    "archived_in_listing": _archived,
    "before_is_inclusive": _before,
    "pending_hides_tags": _pending,
    "put_takes_tags": _put,
    "older_compliance_wording": _compliance,
    "rename_conflict_is_invalid_resource": _rename,
    "billed": _billed,
    "resent_tag_moves_last_changed": _resent,
    "tag_deletion_moves_last_changed": _deleted,
    "lower_case_tags": _cased,
    "tag_name_limit": _long_name,
    "tag_limit": _many_tags,
    "segment_batch_refuses": _segment_statuses,
    "segment_refusal": _segment_text,
    "merge_field_limit": _fields,
    "cut_long_merge_tags": _long_field,
    "cut_long_text": _long_text,
    "language": _language,
    "quoted_error_addresses": _spelling,
    "first_spelling_in_errors": _spelling,
    "bare_429": _full,
    "too_many_title": _full,
    "retry_after": _full,
    "batches_are_shuffled": _order,
    "batch_polls": _polls,
    "batch_problems_have_type": _batch_problem,
    "result_refusals": _results,
    "batch_kept_seconds": _old_batch,
    "engagement_moves_last_changed": _engaged,
    "webhooks_are_signed": _signed,
    "stats_lag_seconds": _stats,
}


@pytest.mark.parametrize("doubt", doubts(), ids=lambda doubt: doubt.name)
def test_the_two_values_of_a_switch_are_told_apart_by_what_a_client_sees(doubt: Doubt) -> None:
    look = SEEN[doubt.name]
    other = Switches()
    setattr(other, doubt.name, doubt.other)
    assert look(Service(Switches())) == look(Service(Switches())), "what is seen repeats itself"
    assert look(Service(Switches())) != look(Service(other))


def test_every_doubt_says_where_it_comes_from() -> None:
    assert all(doubt.source and doubt.cautious != doubt.other for doubt in doubts())
    assert SEEN.keys() == {doubt.name for doubt in doubts()}
