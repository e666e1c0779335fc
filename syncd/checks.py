"""What `syncd check` looks at: each connection once, read only, with what to do about each finding.

It reads the history too, where there is one, to tell whether a shop or an audience is still the one that
it was. It writes nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from msgspec import Struct
from sqlalchemy import select

from syncd.calendar import date_of
from syncd.clock import clock_for
from syncd.destinations import AudienceProfile
from syncd.destinations import connect as connect_audience
from syncd.errors import ConnectionBlocked, SyncdError, UserError
from syncd.history import companions, ledger
from syncd.history.database import History, open_history
from syncd.history.place import place_of
from syncd.history.schema import audiences, shops
from syncd.lifecycle.companions import Companion
from syncd.model import ShopProfile
from syncd.rules import TYPICAL_GAP, Figure, chances_in, points, why_off, why_unknown
from syncd.settings import Audience, Settings
from syncd.sources import WEBHOOK_PATH, WEBHOOKS, webhook_secret
from syncd.sources import connect as connect_shop
from syncd.steps.place import ELSEWHERE, IF_MOVED
from syncd.steps.planning import foreign_tags
from syncd.steps.pull import another_shop, read_twice

TITLE_LENGTH = 60
# From this share of its limit on an audience is said to be nearly full.
NEARLY_FULL = 0.9


class Finding(Struct, frozen=True):
    """One line of the report.

    `mark` is ok, warning (works, but not as well as it could), wrong (the configuration must be changed)
    or blocked (a connection stands still until a person acts). `hint`: what to do about it.
    """

    mark: str
    text: str
    hint: str = ""


class Before(Struct, frozen=True):
    """What the history knows: the fingerprint of each shop and audience, the audiences that another copy of it writes
    to, and those that had their first push.

    `fresh` gives the tags among those of an audience that syncd has never written, `rhythm` its figures of order
    gaps and the day of which they are, `matching` its products that go together.
    """

    shops: Mapping[str, str] = {}
    audiences: Mapping[str, str] = {}
    elsewhere: frozenset[str] = frozenset()
    complete: frozenset[str] = frozenset()
    fresh: Callable[[str], list[str] | None] = lambda name: None
    rhythm: Callable[[str], tuple[int | None, dict[str, float | None]]] = lambda name: (None, {})
    matching: Callable[[str], list[Companion]] = lambda name: []


def findings(settings: Settings) -> Iterator[Finding]:
    """Every shop and audience is reached once."""
    now = clock_for(settings.sandbox).now
    history = _history(settings)
    if history is None:
        yield from _all(settings, now, Before())
        return
    with closing(history):
        yield from _all(settings, now, _before(settings, history))


def _history(settings: Settings) -> History | None:
    try:
        return open_history(settings.database)
    except UserError:
        # There is none yet: nothing was imported. What is wrong with one that is there, `syncd status` tells.
        return None


def _before(settings: Settings, history: History) -> Before:
    with history.read() as db:
        known = {row.name: row.fingerprint for row in db.execute(select(shops))}
        rows = db.execute(select(audiences)).all()

    def fresh(name: str) -> list[str]:
        audience = settings.audiences[name]
        return ledger.fresh_tags(history, name, audience.playbook, audience.tag_prefix)

    complete = frozenset(row.name for row in rows if row.backfilled_at is not None)
    prints = {row.name: row.fingerprint for row in rows}
    elsewhere = frozenset(row.name for row in rows if row.place not in ("", place_of(history)))
    frozen = (partial(ledger.frozen_rhythm, history), partial(companions.frozen, history))
    return Before(known, prints, elsewhere, complete, fresh, *frozen)


def _all(settings: Settings, now: Callable[[], int], before: Before) -> Iterator[Finding]:
    profiles: dict[str, ShopProfile] = {}
    for name in settings.shops:
        yield from _shop(settings, name, now, before, profiles)
        yield from _webhooks(settings, name)
    for name, audience in settings.audiences.items():
        yield from _audience(name, audience, now, before)
        for shop in audience.shops:
            if shop in profiles:
                yield from _places(name, audience, shop, profiles[shop])


def _blocked(what: str, connection: str, err: SyncdError) -> Finding:
    # Errors of a connection begin with its name, which stands here already.
    return Finding("blocked", f"{what}: {str(err).removeprefix(connection)}", err.hint)


def _plain(text: str) -> str:
    """A name that somebody else chose, fit for one line of a terminal."""
    return "".join(sign if sign.isprintable() else "…" for sign in text[:TITLE_LENGTH])


def _said(mark: str, what: str, sentence: str) -> Finding:
    """A finding from a source's own words: what is the matter → what to do."""
    fault, _, remedy = sentence.partition(" → ")
    return Finding(mark, f"{what}: {fault}", remedy)


def _shop(
    settings: Settings, name: str, now: Callable[[], int], before: Before, profiles: dict[str, ShopProfile]
) -> Iterator[Finding]:
    what = f"shop {name}"
    try:
        source = connect_shop(name, settings.shops[name], now)
        profile = profiles[name] = source.profile()
        obstacles = source.obstacles()
        customers = None if obstacles else source.customers_shown()
        shown = f", {customers:,} customers" if customers is not None else ""
        place = f"{_plain(profile.currency)}, {_plain(profile.timezone)}"
        yield Finding("ok", f"{what}: {_plain(profile.title) or 'without a name'} ({place}{shown})")
        if stranger := another_shop(name, before.shops.get(name, ""), profile):
            yield _blocked(what, f"{name}: ", stranger)
        for other, seen in profiles.items():
            if other != name and seen.fingerprint == profile.fingerprint:
                yield _blocked(what, f"{name}: ", read_twice(name, other, profile))
        for obstacle in obstacles:
            yield _said("blocked", what, obstacle)
        for warning in source.warnings():
            yield _said("warning", what, warning)
    except SyncdError as err:
        yield _blocked(what, f"shops.{name}: ", err)


def _webhooks(settings: Settings, name: str) -> Iterator[Finding]:
    """Where the shop shall send which webhooks, if the service takes any."""
    if settings.listen is None:
        return
    shop = settings.shops[name]
    if webhook_secret(shop) is None:
        yield Finding(
            "warning",
            f"shop {name}: no webhooks, for nothing says what they are signed with; it is polled as ever",
            f"To have them, set webhook_secret in [shops.{name}].",
        )
        return
    topics = ", ".join(WEBHOOKS[shop.platform].topics)
    address = f"https://YOUR-PROXY{WEBHOOK_PATH}{name}"
    yield Finding("ok", f"shop {name}: have it send webhooks to {address} ({settings.listen} here) for {topics}")


def _audience(name: str, audience: Audience, now: Callable[[], int], before: Before) -> Iterator[Finding]:
    try:
        profile = connect_audience(name, audience, now).profile()
    except SyncdError as err:
        yield _blocked(f"audience {name}", f"audiences.{name}: ", err)
        return
    opt_in = "double opt-in: new members confirm by mail first" if profile.double_optin else "single opt-in"
    title = _plain(profile.title) or "without a name"
    yield Finding("ok", f"audience {name}: {title}, {profile.contacts:,} contacts, {opt_in}")
    if before.audiences.get(name, "") not in ("", profile.fingerprint):
        yield Finding(
            "blocked",
            f"audience {name}: this is another account or list than the one written to before",
            "Put the old api_key and list_id back; or, if you moved, approve the plan that the next cycle holds.",
        )
    if name in before.elsewhere:
        yield Finding("blocked", f"audience {name}: {ELSEWHERE}", f"{IF_MOVED[0].upper()}{IF_MOVED[1:]}.")
    yield from _room(name, audience, profile)
    yield from _fields(name, audience, profile)
    yield from _tags(name, audience, profile, before)
    yield from _rhythm(name, audience, before)


def _room(name: str, audience: Audience, profile: AudienceProfile) -> Iterator[Finding]:
    limit = audience.contact_limit
    if limit is None or profile.contacts < limit * NEARLY_FULL:
        return
    full = "nearly full" if profile.contacts < limit else "full"
    yield Finding(
        "warning",
        f"audience {name}: {full}, {profile.contacts:,} of {limit:,} contacts (contact_limit)",
        "Archive contacts in Mailchimp, or take a larger plan and raise contact_limit; what goes over it is held.",
    )


def _fields(name: str, audience: Audience, profile: AudienceProfile) -> Iterator[Finding]:
    wanted = {field.name: field.type for field in audience.playbook.fields}
    missing = [tag for tag in wanted if tag not in profile.fields]
    taken, limit = len(profile.fields), profile.field_limit
    room = max(0, limit - taken)
    if len(missing) > room:
        yield Finding(
            "wrong",
            f"audience {name}: {len(missing)} new merge fields are wanted ({', '.join(missing)}), there is room for"
            f" {room}: {taken} of {limit} exist",
            "Delete merge fields in Mailchimp that nobody uses, or take fields out of the lifecycle file.",
        )
    else:
        yield Finding("ok", f"audience {name}: {len(wanted)} merge fields, {len(missing)} of them new; room for {room}")
    yield from _birthdays(name, audience, profile)
    for tag, kind in wanted.items():
        if tag in profile.fields and profile.fields[tag] != kind:
            yield Finding(
                "wrong",
                f"audience {name}: the merge field {tag} is a {_plain(profile.fields[tag])}, syncd writes a {kind}",
                "Give the field another name in the lifecycle file, or delete the one in Mailchimp.",
            )


def _birthdays(name: str, audience: Audience, profile: AudienceProfile) -> Iterator[Finding]:
    """Whether the field named in the configuration holds birthdays; about one that nobody named nothing is said."""
    field = audience.birthday_field
    if "birthday_field" in audience.model_fields_set and profile.fields.get(field) != "birthday":
        is_what = "is no birthday field" if field in profile.fields else "does not exist"
        yield Finding(
            "warning",
            f"audience {name}: the merge field {field} {is_what}, so nobody has a birthday",
            "Name a merge field of the type birthday in birthday_field, or make one in Mailchimp.",
        )


def _tags(name: str, audience: Audience, profile: AudienceProfile, before: Before) -> Iterator[Finding]:
    """Tags of our names that were there before us are somebody else's, unless adopted."""
    ours = [audience.tag_prefix + segment.tag for segment in audience.playbook.segments]
    fresh = before.fresh(name)
    foreign = ", ".join(foreign_tags(audience, ours if fresh is None else fresh, profile))
    if foreign and not audience.tag_prefix:
        yield Finding(
            "wrong",
            f"audience {name}: these tags exist already, and not by syncd: {foreign}",
            "Set tag_prefix, or name them in `adopt` if syncd shall own them from now on.",
        )
    elif foreign:
        yield Finding(
            "warning",
            f"audience {name}: these tags exist already, from an earlier syncd it seems: {foreign}",
            "syncd takes them over, and takes them from whoever they do not fit. Set another tag_prefix to leave them.",
        )


def _rhythm(name: str, audience: Audience, before: Before) -> Iterator[Finding]:
    """What is usual here, where a rule asks for that and everybody was judged once."""
    frozen_on, rhythm = before.rhythm(name)
    if frozen_on is None or audience.playbook.usual is None:
        return
    asking = [segment for segment in audience.playbook.segments if segment.usual]
    if asking and (reason := why_unknown(rhythm)):
        without = ", ".join(segment.name for segment in asking if not segment.fallback)
        ways = [f"{segment.name} goes by its fallback" for segment in asking if segment.fallback]
        yield Finding(
            "warning",
            f"audience {name}: {reason}: {', '.join([*ways, *([f'no fallback for {without}'] if without else [])])}",
            f"Give {without} a `fallback` in the lifecycle file." if without else "Nothing to do: it comes with time.",
        )
    elif typical := rhythm.get(TYPICAL_GAP):
        usual = [figure.text for figure in audience.playbook.usual if figure.call.name == "usual"]
        known = [f"{text} is {value:.2f}" for text in usual if (value := rhythm.get(text)) is not None]
        what = "; ".join([f"usually {typical:.0f} days between two orders", *known])
        yield Finding("ok", f"audience {name}: {what} (worked out on {date_of(frozen_on)}, once a month)")
    for figure in chances_in(audience.playbook.usual):
        yield _chance(name, figure, rhythm)
    if rhythm.keys() & {figure.text for figure in audience.playbook.usual if figure.call.name == "matching_product"}:
        yield _matching(name, before.matching(name))


def _chance(name: str, figure: Figure, rhythm: Mapping[str, float | None]) -> Finding:
    """Whether the chance to buy is told, and how far off it would have been."""
    if figure.text not in rhythm:
        return Finding("ok", f"audience {name}: {figure.text} is worked out in the next cycle")
    if reason := why_off(rhythm, figure.call):
        return Finding(
            "warning", f"audience {name}: {reason}", "Until then it is missing, as for those who never ordered."
        )
    off = points(rhythm[figure.text] or 0)
    return Finding("ok", f"audience {name}: {figure.text} would have been wrong by {off} lately")


def _matching(name: str, found: Sequence[Companion]) -> Finding:
    """How many products have one that goes with them, and the surest."""
    if not found:
        none = "no product is bought together with another often enough, so nobody has a matching product"
        return Finding("ok", f"audience {name}: {none}")
    best = max(found, key=lambda pair: pair.least_lift)
    such = f"{_plain(best.product)} with {_plain(best.companion)}, {best.joint:,} times, {best.lift:.1f} times chance"
    many = "1 product has a matching one" if len(found) == 1 else f"{len(found):,} products have a matching one"
    return Finding("ok", f"audience {name}: {many}, first of all {such}")


def _places(name: str, audience: Audience, shop: str, profile: ShopProfile) -> Iterator[Finding]:
    currency, timezone = _plain(profile.currency), _plain(profile.timezone)
    if profile.currency != audience.currency and profile.currency not in audience.rates:
        yield Finding(
            "wrong",
            f"shop {shop} sells in {currency}, audience {name} counts in {audience.currency}: its orders wait in"
            " quarantine",
            f"Say what 1 {currency} is worth: [audiences.{name}.rates] {currency} = …; then `syncd quarantine retry`.",
        )
    if profile.timezone != audience.timezone:
        yield Finding(
            "warning",
            f"shop {shop} is in {timezone}, audience {name} in {audience.timezone}",
            f"Nothing to do if that is meant: days are counted in {audience.timezone}.",
        )


def failure(found: list[Finding]) -> SyncdError | None:
    """The error with which the command ends: blocked connections weigh more than a wrong configuration."""
    counts = {mark: sum(finding.mark == mark for finding in found) for mark in ("blocked", "wrong", "warning")}
    if not counts["blocked"] and not counts["wrong"]:
        return None
    told = ", ".join(
        f"{count} {mark}{'s' * (count > 1) * (mark == 'warning')}" for mark, count in counts.items() if count
    )
    kind = ConnectionBlocked if counts["blocked"] else UserError
    return kind(f"not in order yet: {told}", hint="Do what the arrows say, then run `syncd check` again.")


def next_step(settings: Settings) -> str:
    """What to do after a check that found nothing in the way."""
    history = _history(settings)
    if history is None:
        return "Next: syncd backfill"
    with closing(history):
        missing = settings.audiences.keys() - _before(settings, history).complete
    return "Next: syncd backfill" if missing else "All is in order."
