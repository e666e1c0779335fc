"""Step 1: what is new in a shop goes into the history, page by page, each with its cursor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from math import inf

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from syncd import logs
from syncd.errors import ConnectionBlocked
from syncd.history.ingest import ingest
from syncd.history.shops import cursors_of, set_profile, set_shop_state, shop_row
from syncd.model import Page, ShopProfile
from syncd.sources import Source
from syncd.steps.context import Context

# Pages that come faster than this are stored together, until they hold so many rows: a transaction costs as much as
# a page of rows does. What a kill costs is to read them once more.
TOGETHER_SECONDS = 1.0
TOGETHER_ROWS = 2_000


class Pulled(Struct, frozen=True):
    """What a pull brought."""

    orders_new: int = 0
    orders_changed: int = 0
    customers_changed: int = 0
    deleted: int = 0
    quarantined: int = 0


def pull(context: Context, name: str, since: int | None = None) -> Pulled:
    """Everything new in the shop `name` is in the history.

    `since` (UTC seconds) limits a first import to later orders; afterwards it reads the orders since then
    once more, for example when the shop shows more than it did.

    Raises: TransientError, ConnectionBlocked; whatever was committed before stays, and the next call
    goes on from there.
    """
    source, started_at = context.source(name), context.clock.now()
    if name not in context.seen:
        _same_shop(context, name, source)
        context.seen.add(name)
    audiences = audiences_of(context, name)
    currencies = accepted_currencies(context, audiences)
    row, cursors = shop_row(context.history, name), cursors_of(context.history, name)
    if since is not None and row["backfilled_at"]:
        cursors.pop("orders", None)
    elif since is not None and "orders" not in cursors:
        set_shop_state(context.history, name, since_at=since)
    pulled, resources, stored = Pulled(), set(), dict(cursors)
    for page in together(source.pull(cursors, since)):
        resources.add(page.resource)
        # Most pages of a quiet poll: what would be committed stands there already.
        if page.rejected or rows_of(page) or stored.get(page.resource) != page.cursor:
            result = ingest(context.history, name, page, audiences=audiences, currencies=currencies, now=started_at)
            pulled = Pulled(*(before + getattr(result, field) for field, before in asdict(pulled).items()))
            stored[page.resource] = page.cursor
        context.report(f"{name}: {page.resource.replace('_', ' ')}", rows_of(page), page.expected)
    if "products" not in resources and f"{name}: products" not in context.seen:
        logs.warning("the shop shows no products; `syncd check` tells why", shop=name)
        context.seen.add(f"{name}: products")
    backfilled_at = row["backfilled_at"] or started_at
    set_shop_state(context.history, name, state="ok", error="", pulled_at=started_at, backfilled_at=backfilled_at)
    if pulled != Pulled():
        logs.info("pulled", shop=name, **asdict(pulled))
    return pulled


def together(pages: Iterable[Page], clock: Callable[[], float] = time.monotonic) -> Iterator[Page]:
    """The pages; neighbours of one resource as a single one where they come within a second of the last.

    One with records that could not be read stays by itself: whether they came before or after others of the same
    id would not show any more. What came before an error is given before it is raised.
    """
    held: list[Page] = []
    given_at = -inf
    try:
        for page in pages:
            if held and (page.resource != held[-1].resource or page.rejected):
                yield _joined(held)
                held, given_at = [], clock()
            held.append(page)
            is_full = page.rejected or sum(map(rows_of, held)) >= TOGETHER_ROWS
            if is_full or clock() - given_at >= TOGETHER_SECONDS:
                yield _joined(held)
                held, given_at = [], clock()
    except Exception:
        if held:
            yield _joined(held)
        raise
    if held:
        yield _joined(held)


def _joined(pages: Sequence[Page]) -> Page:
    """What the pages hold, with the cursor behind the last of them."""
    held = {name: tuple(chain.from_iterable(getattr(page, name) for page in pages)) for name in (*_ROWS, "rejected")}
    return msgspec.structs.replace(pages[-1], **held)


_ROWS = ("orders", "customers", "carts", "products", "deleted_orders", "deleted_customers")


def rows_of(page: Page) -> int:
    """How many records the page holds."""
    return sum(len(getattr(page, name)) for name in _ROWS)


def _same_shop(context: Context, name: str, source: Source) -> None:
    """The shop behind the name is the one that it always was, and no other name's; its profile is stored.

    Raises: ConnectionBlocked for another one, whose orders would mix with ours, and for one that is read under
    another name already, whose orders would count twice.
    """
    profile = source.profile()
    known = shop_row(context.history, name, platform=context.settings.shops[name].platform)
    if stranger := another_shop(name, known["fingerprint"], profile):
        raise stranger
    values = {"fingerprint": profile.fingerprint, "currency": profile.currency, "timezone": profile.timezone}
    if all(known[key] == value for key, value in values.items()):
        return
    others = [other for other in context.settings.shops if other != name]
    if rival := set_profile(context.history, name, others, **values):
        raise read_twice(name, rival, profile)


def another_shop(name: str, fingerprint: str, profile: ShopProfile) -> ConnectionBlocked | None:
    """The error where `profile` is not of the shop that had this fingerprint; "" for one that was never read."""
    if fingerprint in ("", profile.fingerprint):
        return None
    return ConnectionBlocked(
        f"{name}: this is the shop {profile.fingerprint}, what was imported before is {fingerprint}",
        connection=name,
        hint="Point the name at the old shop again, or give the new shop a name of its own.",
    )


def read_twice(name: str, rival: str, profile: ShopProfile) -> ConnectionBlocked:
    """The error where `profile` is of the shop that is called `rival`, too."""
    return ConnectionBlocked(
        f"{name}: this is the shop {profile.fingerprint}, which is read as {rival} already",
        connection=name,
        hint="Take one of the two out of the configuration.",
    )


def audiences_of(context: Context, shop: str) -> list[str]:
    """The audiences that the shop's customers belong to."""
    return [name for name, audience in context.settings.audiences.items() if shop in audience.shops]


def accepted_currencies(context: Context, audiences: list[str]) -> set[str] | None:
    """The currencies that every audience of the shop can add up; None where no audience uses the shop."""
    known = [{context.settings.audiences[name].currency, *context.settings.audiences[name].rates} for name in audiences]
    return set.intersection(*known) if known else None
