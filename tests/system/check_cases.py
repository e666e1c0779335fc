"""What `syncd check` may meet: for each thing that can be wrong, the exact lines of the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from syncd.sandbox.populate import LIST_ID

ACME = "ok       shop acme: Acme Records (EUR, Europe/Madrid, 46 customers)"
CAFE = "ok       shop cafe: Café Discos (EUR, Europe/Madrid, 29 customers)"
MAIN = "ok       audience main: Acme & Café, 48 contacts, single opt-in"
FIELDS = "ok       audience main: 5 merge fields, 5 of them new; room for 25"
HEALTHY = (ACME, CAFE, MAIN, FIELDS)
LIST = f"/3.0/lists/{LIST_ID}"
TRY_AGAIN = "  → Do what the arrows say, then run `syncd check` again."


@dataclass
class Case:
    """What is wrong, and the report: the healthy one with `shown` in the place of `instead_of`, or behind everything.

    `said`: how many are blocked, wrong and warned of, as the last line sums it up.
    """

    shown: str
    instead_of: tuple[str, ...] = ()
    code: int = 0
    said: str = ""
    faults: list[dict[str, Any]] = field(default_factory=list)
    switches: dict[str, dict[str, Any]] = field(default_factory=dict)
    edit: Callable[[str], str] = lambda text: text

    def report(self) -> list[str]:
        at = HEALTHY.index(self.instead_of[0]) if self.instead_of else len(HEALTHY)
        rest = [line for line in HEALTHY if line not in self.instead_of]
        return [*rest[:at], *unfolded(self.shown), *rest[at:]]


def unfolded(text: str) -> list[str]:
    """The lines, each with what was folded under it."""
    return text.strip().replace("\n" + " " * 11, " ").splitlines()


def put(old: str, new: str, times: int = -1) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, times)


def twin_of_acme(text: str) -> str:
    """The table of a second shop, at the same address under another name."""
    table = text[text.index("[shops.acme]") : text.index("[shops.cafe]")]
    return table.replace("[shops.acme]", "[shops.twin]").replace("acme.my", "twin.my")


def fault(service: str, path: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"service": service, "path": path, "kind": kind, **more}


def headers(service: str, **replaced: str) -> dict[str, Any]:
    return fault(service, "*", "headers", headers={name.replace("_", "-"): value for name, value in replaced.items()})


def changed(service: str, path: str, place: str, value: object) -> dict[str, Any]:
    return fault(service, path, "mutate", field=place, value=json.dumps(value))


def problem(path: str, status: int, title: str) -> dict[str, Any]:
    body = json.dumps({"title": title, "status": status, "detail": ""})
    kind = {"content-type": "application/problem+json"}
    return fault("mailchimp", path, "status", status=status, body=body, headers=kind)


def listed(path: str, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return fault("mailchimp", path, "body", body=json.dumps({key: rows, "total_items": len(rows)}))


CASES = {
    "nothing": Case(""),
    # Shopify
    "no read_all_orders": Case(
        """
ok       shop acme: Acme Records (EUR, Europe/Madrid, 46 customers)
warning  shop acme: Shopify shows only the orders of the last 60 days, and hides later refunds of older ones
           without a word: the key lacks the scope read_all_orders
         → Add it to the app in Shopify and install the app again; then run `syncd backfill --since` with
           the date of your first order.
""",
        (ACME,),
        switches={"acme": {"scopes": ["read_orders", "read_customers", "read_products"], "whole_history": False}},
    ),
    "scopes without which nothing works": Case(
        """
ok       shop acme: Acme Records (EUR, Europe/Madrid)
blocked  shop acme: the key lacks the scopes read_orders and read_customers, without which nothing is read
         → Add it to the app in Shopify and install the app again.
ok       shop cafe: Café Discos (EUR, Europe/Madrid)
blocked  shop cafe: the token lacks the scope read_customers, without which nothing is read
         → Give the app what it lacks.
""",
        (ACME, CAFE),
        4,
        "2 blocked",
        switches={
            "acme": {"scopes": ["read_all_orders", "read_products"]},
            "cafe": {"scopes": ["read_store_profile", "read_orders", "read_catalog"]},
        },
    ),
    "scopes without which there are no categories": Case(
        """
ok       shop acme: Acme Records (EUR, Europe/Madrid, 46 customers)
warning  shop acme: the key lacks the scope read_products, so no rule knows a product's category
         → Add it to the app in Shopify and install the app again.
ok       shop cafe: Café Discos (EUR, Europe/Madrid, 29 customers)
warning  shop cafe: the token lacks the scope read_catalog, so no rule knows a product's category, nor what
           is on wish lists
         → Give the app what it lacks.
""",
        (ACME, CAFE),
        switches={
            "acme": {"scopes": ["read_orders", "read_all_orders", "read_customers"]},
            "cafe": {"scopes": ["read_store_profile", "read_orders", "read_customers"]},
        },
    ),
    "hidden addresses": Case(
        """
ok       shop acme: Acme Records (EUR, Europe/Madrid)
blocked  shop acme: Shopify hides every customer's e-mail address, so nobody can be found in the audience
         → Tick name, e-mail, phone and address under the app's protected customer data.
""",
        (ACME,),
        4,
        "1 blocked",
        switches={"acme": {"protected_data": False}},
    ),
    "another version": Case(
        """
ok       shop acme: Acme Records (EUR, Europe/Madrid, 46 customers)
warning  shop acme: Shopify answers with version 2027-10 instead of 2026-07
         → Update syncd.
""",
        (ACME,),
        faults=[headers("shopify", X_Shopify_API_Version="2027-10")],
    ),
    "wrong tokens": Case(
        """
blocked  shop acme: the service does not accept the credentials (401 Unauthorized to GET
           /admin/api/2026-07/shop.json, request 4f-2a)
         → Put a valid key into the configuration; `syncd check` tries it.
blocked  shop cafe: Ecwid does not accept the token
         → Put the app's secret token into the configuration.
""",
        (ACME, CAFE),
        4,
        "2 blocked",
        faults=[headers("shopify", X_Request_Id="4f-2a")],
        edit=put('token = "sandbox"', 'token = "wrong"'),
    ),
    "wrong client credentials": Case(
        """
blocked  shop acme: the shop does not accept client_id and client_secret
         → Compare both with the app in the Dev Dashboard, and see that it is installed on this shop.
""",
        (ACME,),
        4,
        "1 blocked",
        edit=put('token = "sandbox"', 'client_id = "x"\nclient_secret = "y"', 1),
    ),
    "a renamed shop": Case(
        """
blocked  shop acme: the shop has been renamed to acme-madrid.myshopify.com
         → If that is your shop, write domain = "acme-madrid.myshopify.com" into [shops.acme]; nothing is
           read again or lost.
""",
        (ACME,),
        4,
        "1 blocked",
        switches={"acme": {"renamed_to": "acme-madrid.myshopify.com"}},
    ),
    "a shop under two names": Case(
        f"""
{CAFE}
ok       shop twin: Acme Records (EUR, Europe/Madrid, 46 customers)
blocked  shop twin: this is the shop shopify:690933842, which is read as acme already
         → Take one of the two out of the configuration.
""",
        (CAFE,),
        4,
        "1 blocked",
        edit=lambda text: text.replace("[audiences.main]", f"{twin_of_acme(text)}\n[audiences.main]", 1),
    ),
    "wrong clocks": Case(
        """
ok       shop acme: Acme Records (EUR, Europe/Madrid, 46 customers)
warning  shop acme: this machine's clock is 7,200 seconds behind the shop's
         → Let it follow a time server.
ok       shop cafe: Café Discos (EUR, Europe/Madrid, 29 customers)
warning  shop cafe: this machine's clock is 600 seconds ahead of the shop's
         → Let it follow a time server.
""",
        (ACME, CAFE),
        faults=[
            headers("shopify", Date="Sun, 22 Nov 2026 12:00:00 GMT"),
            headers("ecwid", Date="Sun, 22 Nov 2026 09:50:00 GMT"),
        ],
    ),
    # Ecwid
    "a wrong store id": Case(
        """
blocked  shop cafe: there is no such store
         → Check store_id in the configuration.
""",
        (CAFE,),
        4,
        "1 blocked",
        edit=put("store_id = 1003", "store_id = 1004"),
    ),
    # Mailchimp
    "a wrong key": Case(
        """
blocked  audience main: the service does not accept the credentials (401 Unauthorized to GET /3.0/)
         → Put a valid key into the configuration; `syncd check` tries it.
""",
        (MAIN, FIELDS),
        4,
        "1 blocked",
        faults=[problem("*", 401, "API Key Invalid")],
    ),
    "a key that only reads": Case(
        """
blocked  audience main: the key's user is viewer in Mailchimp and may not change contacts
         → Make the key as a user with the role Manager, Admin or Owner.
""",
        (MAIN, FIELDS),
        4,
        "1 blocked",
        faults=[changed("mailchimp", "/3.0/", "role", "viewer")],
    ),
    "a list that is not there": Case(
        """
blocked  audience main: Mailchimp has no audience with this list_id
         → The id is in Mailchimp under Audience, Settings, Audience name and defaults.
""",
        (MAIN, FIELDS),
        4,
        "1 blocked",
        faults=[problem(LIST, 404, "Resource Not Found")],
    ),
    "double opt-in": Case(
        """
ok       audience main: Acme & Café, 48 contacts, double opt-in: new members confirm by mail first
""",
        (MAIN,),
        faults=[changed("mailchimp", LIST, "double_optin", True)],
    ),
    "a birthday field that holds none": Case(
        """
warning  audience main: the merge field FNAME is no birthday field, so nobody has a birthday
         → Name a merge field of the type birthday in birthday_field, or make one in Mailchimp.
""",
        edit=put("[audiences.main]\n", '[audiences.main]\nbirthday_field = "FNAME"\n'),
    ),
    "a birthday field that there is not": Case(
        """
warning  audience main: the merge field BORN does not exist, so nobody has a birthday
         → Name a merge field of the type birthday in birthday_field, or make one in Mailchimp.
""",
        edit=put("[audiences.main]\n", '[audiences.main]\nbirthday_field = "BORN"\n'),
    ),
    "no room for merge fields": Case(
        """
wrong    audience main: 5 new merge fields are wanted (SPEND6M, ORDERS, LASTORDER, FIRSTORD, SPENDYEAR),
           there is room for 1: 29 of 30 exist
         → Delete merge fields in Mailchimp that nobody uses, or take fields out of the lifecycle file.
""",
        (FIELDS,),
        2,
        "1 wrong",
        faults=[listed("*/merge-fields", "merge_fields", [{"tag": f"F{n}", "type": "text"} for n in range(29)])],
    ),
    "merge fields of another kind": Case(
        """
ok       audience main: 5 merge fields, 3 of them new; room for 28
wrong    audience main: the merge field SPEND6M is a text, syncd writes a number
         → Give the field another name in the lifecycle file, or delete the one in Mailchimp.
wrong    audience main: the merge field LASTORDER is a birthday, syncd writes a date
         → Give the field another name in the lifecycle file, or delete the one in Mailchimp.
""",
        (FIELDS,),
        2,
        "2 wrong",
        faults=[
            listed(
                "*/merge-fields",
                "merge_fields",
                [{"tag": "SPEND6M", "type": "text"}, {"tag": "LASTORDER", "type": "birthday"}],
            )
        ],
    ),
    "tags of our names": Case(
        """
wrong    audience main: these tags exist already, and not by syncd: lapsed, repeat
         → Set tag_prefix, or name them in `adopt` if syncd shall own them from now on.
""",
        code=2,
        said="1 wrong",
        faults=[listed("*/segments", "segments", [{"id": 1, "name": "Repeat"}, {"id": 2, "name": "lapsed"}])],
        edit=put('tag_prefix = "syncd:"', 'tag_prefix = ""'),
    ),
    "tags of an earlier syncd": Case(
        """
warning  audience main: these tags exist already, from an earlier syncd it seems: syncd:repeat
         → syncd takes them over, and takes them from whoever they do not fit. Set another tag_prefix to
           leave them.
""",
        faults=[listed("*/segments", "segments", [{"id": 1, "name": "syncd:repeat"}, {"id": 2, "name": "lapsed"}])],
    ),
    "more contacts than the plan allows": Case(
        """
ok       audience main: Acme & Café, 48 contacts, single opt-in
warning  audience main: full, 48 of 40 contacts (contact_limit)
         → Archive contacts in Mailchimp, or take a larger plan and raise contact_limit; what goes over it
           is held.
""",
        (MAIN,),
        edit=put('tag_prefix = "syncd:"', 'tag_prefix = "syncd:"\ncontact_limit = 40'),
    ),
    "nearly as many contacts as the plan allows": Case(
        """
ok       audience main: Acme & Café, 48 contacts, single opt-in
warning  audience main: nearly full, 48 of 50 contacts (contact_limit)
         → Archive contacts in Mailchimp, or take a larger plan and raise contact_limit; what goes over it
           is held.
""",
        (MAIN,),
        edit=put('tag_prefix = "syncd:"', 'tag_prefix = "syncd:"\ncontact_limit = 50'),
    ),
    "another currency and another time zone": Case(
        """
ok       shop acme: Acme Records (USD, Europe/Lisbon, 46 customers)
ok       shop cafe: Café Discos (EUR, Europe/Madrid, 29 customers)
ok       audience main: Acme & Café, 48 contacts, single opt-in
ok       audience main: 5 merge fields, 5 of them new; room for 25
wrong    shop acme sells in USD, audience main counts in EUR: its orders wait in quarantine
         → Say what 1 USD is worth: [audiences.main.rates] USD = …; then `syncd quarantine retry`.
warning  shop acme is in Europe/Lisbon, audience main in Europe/Madrid
         → Nothing to do if that is meant: days are counted in Europe/Madrid.
""",
        HEALTHY,
        2,
        "1 wrong, 1 warning",
        faults=[
            fault(
                "shopify",
                "*/shop.json",
                "body",
                body='{"shop": {"id": 1, "name": "Acme Records", "currency": "USD", "iana_timezone": "Europe/Lisbon"}}',
            )
        ],
    ),
    "names that no terminal should be shown": Case(
        """
ok       shop acme: Ac…[2Jme…xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (EUR, ../../etc/passwd, 46
           customers)
ok       shop cafe: Café Discos (EUR, Europe/Madrid, 29 customers)
ok       audience main: Acme & Café, 48 contacts, single opt-in
ok       audience main: 5 merge fields, 5 of them new; room for 25
warning  shop acme is in ../../etc/passwd, audience main in Europe/Madrid
         → Nothing to do if that is meant: days are counted in Europe/Madrid.
""",
        HEALTHY,
        faults=[
            fault(
                "shopify",
                "*/shop.json",
                "body",
                body=json.dumps(
                    {
                        "shop": {
                            "id": 1,
                            "name": "Ac\x1b[2Jme\n" + "x" * 9_000,
                            "currency": "EUR",
                            "iana_timezone": "../../etc/passwd",
                        }
                    }
                ),
            )
        ],
    ),
    "a service that is down": Case(
        """
blocked  shop cafe: the service answered 503 Service Unavailable to GET /api/v3/1003/profile
         → syncd tries again in the next cycle.
""",
        (CAFE,),
        4,
        "1 blocked",
        faults=[fault("ecwid", "*", "status", status=503, headers={"Retry-After": "0"})],
    ),
    "several at once": Case(
        """
ok       shop acme: Acme Records (EUR, Europe/Madrid, 46 customers)
warning  shop acme: Shopify shows only the orders of the last 60 days, and hides later refunds of older ones
           without a word: the key lacks the scope read_all_orders
         → Add it to the app in Shopify and install the app again; then run `syncd backfill --since` with
           the date of your first order.
warning  shop acme: Shopify answers with version 2027-10 instead of 2026-07
         → Update syncd.
blocked  shop cafe: Ecwid does not accept the token
         → Put the app's secret token into the configuration.
ok       audience main: Acme & Café, 48 contacts, single opt-in
ok       audience main: 5 merge fields, 5 of them new; room for 25
wrong    audience main: these tags exist already, and not by syncd: repeat
         → Set tag_prefix, or name them in `adopt` if syncd shall own them from now on.
""",
        HEALTHY,
        4,
        "1 blocked, 1 wrong, 2 warnings",
        faults=[
            headers("shopify", X_Shopify_API_Version="2027-10"),
            listed("*/segments", "segments", [{"id": 1, "name": "Repeat"}]),
        ],
        switches={"acme": {"scopes": ["read_orders", "read_customers", "read_products"]}},
        edit=lambda text: put('tag_prefix = "syncd:"', 'tag_prefix = ""')(
            text[: text.rindex('token = "sandbox"')] + 'token = "wrong"' + text[text.rindex('token = "sandbox"') + 17 :]
        ),
    ),
}
