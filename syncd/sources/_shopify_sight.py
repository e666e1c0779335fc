"""What a Shopify shop hides from us, and how we notice: it says nothing, it only shows less.

It knows which calls tell it. Source: shopify.dev, access scopes, protected customer data, API versioning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from syncd.errors import ConnectionBlocked, SyncdError
from syncd.model import Customer, Order
from syncd.sources._records import decode
from syncd.sources._refusals import NotAllowed
from syncd.sources._shopify_api import API_VERSION, CUSTOMERS, DESTROYED_ORDERS, Api, List, Refused
from syncd.sources._shopify_carts import CARTS
from syncd.sources._shopify_products import PRODUCTS
from syncd.sources._walk import OVERLAP_SECONDS, told_at, wrong_clock

NEEDED_SCOPES = ("read_orders", "read_customers")
# From so many customers without an address on it is no chance.
TELLING_CUSTOMERS = 5
TICK_DATA = "Tick name, e-mail, phone and address under the app's protected customer data."
_NO_CATEGORIES = "no rule knows a product's category"
ADD_SCOPE = "Add it to the app in Shopify and install the app again"


class _Scope(Struct):
    handle: str


class _Scopes(Struct):
    access_scopes: list[_Scope]


class Faces:
    """Stops a pull when the shop has begun to hide who its customers are.

    An app that loses its access to protected customer data is told nothing: from then on every address is
    null. Taken for true, all these people would lose their orders, and then their tags.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._sure = False

    def look(self, records: Sequence[Customer | Order]) -> None:
        """Raises: ConnectionBlocked where none of these has an address, and no other customer either."""
        if self._sure or not records or any(record.email for record in records):
            return
        if not _addresses_show(self._api):
            raise ConnectionBlocked(
                f"{self._api.connection}: Shopify hides every customer's e-mail address",
                connection=self._api.connection,
                hint=TICK_DATA,
            )
        self._sure = True


def obstacles(api: Api) -> list[str]:
    """Each thing for which nothing can be read: what is the matter → what to do."""
    missing = [scope for scope in NEEDED_SCOPES if scope not in _granted(api)]
    if missing:
        lacks = f"the scope{'s' * (len(missing) > 1)} {' and '.join(missing)}"
        return [f"the key lacks {lacks}, without which nothing is read → {ADD_SCOPE}."]
    if not _addresses_show(api):
        return [f"Shopify hides every customer's e-mail address, so nobody can be found in the audience → {TICK_DATA}"]
    return []


def warnings(api: Api, now: int) -> list[str]:
    """Each thing that works but loses data, in the same words; `now` is this machine's time (UTC seconds)."""
    return [*_about_scopes(api), *_about_lists(api, now), *_about_time_and_version(api, now)]


def _granted(api: Api) -> set[str]:
    granted = {each.handle for each in decode(api.get("oauth/access_scopes"), _Scopes).access_scopes}
    # Who may write may read.
    return granted | {scope.replace("write_", "read_", 1) for scope in granted}


def _about_scopes(api: Api) -> Iterator[str]:
    if "read_all_orders" not in _granted(api):
        yield (
            "Shopify shows only the orders of the last 60 days, and hides later refunds of older ones without a word:"
            f" the key lacks the scope read_all_orders → {ADD_SCOPE}; then run"
            " `syncd backfill --since` with the date of your first order."
        )


def _about_lists(api: Api, now: int) -> Iterator[str]:
    if _refusal(api, DESTROYED_ORDERS, now):
        yield "Shopify shows us no events, so deleted orders and customers stay → Let the app read events."
    # Not allowed is for want of read_orders, which is an obstacle.
    refused = _refusal(api, CARTS, now)
    if refused and not isinstance(refused, NotAllowed):
        yield "Shopify shows us no abandoned checkouts, so nothing is known of carts → All else works without."
    refused = _refusal(api, PRODUCTS, now)
    if isinstance(refused, NotAllowed):
        yield f"the key lacks the scope read_products, so {_NO_CATEGORIES} → {ADD_SCOPE}."
    elif refused:
        yield f"Shopify shows us no products, so {_NO_CATEGORIES} → All else works without."


def _refusal(api: Api, what: List, now: int) -> SyncdError | None:
    """Why the list is not shown to us; None where it is."""
    try:
        api.begin(what, what.between(now))
    except (ConnectionBlocked, Refused) as err:
        return err
    return None


def _addresses_show(api: Api) -> bool:
    """Whether any of the customers who changed last has an e-mail address; too few of them tell nothing."""
    shown = api.begin(CUSTOMERS, {"order": "updated_at desc"}).batch.records
    latest = [customer for customer in shown if not customer.redacted]
    return len(latest) < TELLING_CUSTOMERS or any(customer.email for customer in latest)


def _about_time_and_version(api: Api, now: int) -> Iterator[str]:
    skew = (told_at(api.get(f"api/{API_VERSION}/shop")) or now) - now
    if abs(skew) > OVERLAP_SECONDS:
        yield wrong_clock(skew)
    if api.version != API_VERSION:
        yield f"Shopify answers with version {api.version} instead of {API_VERSION} → Update syncd."
