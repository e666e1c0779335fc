"""What `syncd check` looks at: each connection once, read only, with what to do about each finding."""

from __future__ import annotations

import time
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from msgspec import Struct

from syncd.destinations import AudienceProfile
from syncd.destinations import connect as connect_audience
from syncd.errors import SyncdError
from syncd.model import ShopProfile
from syncd.settings import Audience, Settings
from syncd.sources import WEBHOOK_PATH, WEBHOOKS, webhook_secret
from syncd.sources import connect as connect_shop
from syncd.steps.planning import foreign_tags


class Finding(Struct, frozen=True):
    """One line of the report; `mark` is ok, warning or blocked."""

    mark: str
    text: str
    hint: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """Every shop and audience is reached once; nothing is written anywhere."""
    shops: dict[str, ShopProfile] = {}
    for name in settings.shops:
        yield from _shop(settings, name, shops)
        yield from _webhooks(settings, name)
    for name, audience in settings.audiences.items():
        yield from _audience(name, audience, shops)


def _blocked(what: str, connection: str, err: SyncdError) -> Finding:
    # Errors of a connection begin with its name, which stands here already.
    return Finding("blocked", f"{what}: {str(err).removeprefix(connection)}", err.hint)


def _now() -> int:
    return int(time.time())


def _shop(settings: Settings, name: str, profiles: dict[str, ShopProfile]) -> Iterator[Finding]:
    try:
        source = connect_shop(name, settings.shops[name], _now)
        profile = profiles[name] = source.profile()
        customers = source.customers_shown()
        shown = f", {customers:,} customers" if customers is not None else ""
        yield Finding("ok", f"shop {name}: {profile.title} ({profile.currency}, {profile.timezone}{shown})")
        for warning in source.warnings():
            yield Finding("warning", f"shop {name}: {warning}")
    except SyncdError as err:
        yield _blocked(f"shop {name}", f"shops.{name}: ", err)


def _webhooks(settings: Settings, name: str) -> Iterator[Finding]:
    """Where the shop shall send which webhooks, if the service takes any."""
    if settings.listen is None:
        return
    shop = settings.shops[name]
    if webhook_secret(shop) is None:
        yield Finding(
            "warning",
            f"shop {name}: no webhooks, for nothing says what they are signed with; it is polled as ever",
            f"to have them: set webhook_secret in [shops.{name}]",
        )
        return
    topics = ", ".join(WEBHOOKS[shop.platform].topics)
    address = f"https://YOUR-PROXY{WEBHOOK_PATH}{name}"
    yield Finding("ok", f"shop {name}: have it send webhooks to {address} ({settings.listen} here) for {topics}")


def _audience(name: str, audience: Audience, shops: dict[str, ShopProfile]) -> Iterator[Finding]:
    try:
        profile = connect_audience(name, audience, _now).profile()
    except SyncdError as err:
        yield _blocked(f"audience {name}", f"audiences.{name}: ", err)
        return
    opt_in = "double opt-in: new members confirm by mail" if profile.double_optin else "single opt-in"
    yield Finding("ok", f"audience {name}: {profile.title}, {profile.contacts:,} contacts, {opt_in}")
    yield from _fields(name, audience, profile)
    yield from _tags(name, audience, profile)
    yield from _places(name, audience, shops)


def _fields(name: str, audience: Audience, profile: AudienceProfile) -> Iterator[Finding]:
    wanted = {field.name: field.type for field in audience.playbook.fields}
    missing = [tag for tag in wanted if tag not in profile.fields]
    room = profile.field_limit - len(profile.fields)
    if len(missing) > room:
        yield Finding(
            "blocked",
            f"audience {name}: {len(missing)} merge fields are to be created, there is room for {room} more",
            "remove fields from the lifecycle file, or from the audience",
        )
    else:
        yield Finding("ok", f"audience {name}: {len(wanted)} merge fields, {len(missing)} of them new; room for {room}")
    for tag, kind in wanted.items():
        if tag in profile.fields and profile.fields[tag] not in (kind, "text"):
            yield Finding(
                "blocked",
                f"audience {name}: the merge field {tag} is of type {profile.fields[tag]}, syncd needs {kind}",
                "rename the field in the lifecycle file, or delete the one in the audience",
            )


def _tags(name: str, audience: Audience, profile: AudienceProfile) -> Iterator[Finding]:
    """Tags of our names that were there before us are somebody else's, unless adopted."""
    ours = [audience.tag_prefix + segment.tag for segment in audience.playbook.segments]
    foreign = foreign_tags(audience, ours, profile)
    if foreign and not audience.tag_prefix:
        yield Finding(
            "warning",
            f"audience {name}: the tags {', '.join(foreign)} exist already; are they syncd's?",
            "if not: set tag_prefix, or name them in `adopt` if syncd shall own them from now on",
        )


def _places(name: str, audience: Audience, shops: dict[str, ShopProfile]) -> Iterator[Finding]:
    for shop in audience.shops:
        if shop not in shops:
            continue
        profile = shops[shop]
        if profile.currency != audience.currency and profile.currency not in audience.rates:
            yield Finding(
                "blocked",
                f"shop {shop} sells in {profile.currency}, audience {name} counts in {audience.currency}",
                f"add a rate: [audiences.{name}.rates] {profile.currency} = …",
            )
        if ZoneInfo(profile.timezone).key != audience.timezone:
            yield Finding(
                "warning",
                f"shop {shop} is in {profile.timezone}, audience {name} in {audience.timezone}: "
                f"days are counted in {audience.timezone}",
            )
