"""The tables of `syncd.toml` and what may stand in them. Knows no file; rules stay text here.

Each key is checked by itself, in the order in which it is declared: a check that depends on another
key (`info.data`) stands below that key. So one faulty key never hides another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from functools import cache, cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, ValidationInfo, field_validator

from syncd.money import CURRENCIES
from syncd.plan import Limits
from syncd.settings.durations import Duration
from syncd.settings.problems import Table, kind, unknown
from syncd.settings.secret import Secret, parse_secret

if TYPE_CHECKING:
    from syncd.rules import Playbook

DEFAULT_TAG_PREFIX = "syncd:"
DEFAULT_BIRTHDAY_FIELD = "BIRTHDAY"
_SHOPIFY = ".myshopify.com"


def is_loopback(url: str) -> bool:
    """Whether the address leads to this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _base_url(value: str) -> str:
    """An address to which paths are appended: https, or plain http to this machine."""
    parts = urlsplit(value)  # a malformed one raises ValueError, which is what a validator has to raise
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address such as https://example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an address has no user name, no ? and no # here")
    if parts.scheme == "http" and not is_loopback(value):
        raise ValueError("plain http is only for the sandbox on this machine; write https")
    return value.rstrip("/")


def _loopback_url(value: str) -> str:
    if not is_loopback(_base_url(value)):
        raise ValueError("the sandbox runs on this machine only: expected http://127.0.0.1:PORT")
    return value.rstrip("/")


def _directory(info: ValidationInfo) -> Path:
    """Where relative file names start: beside the configuration."""
    return Path(info.context["directory"]) if info.context else Path()


def _secret(value: object, info: ValidationInfo) -> Secret:
    """The secret, where it is kept; written out only where it opens nothing but the sandbox."""
    secret = parse_secret(value, _directory(info))
    if secret.keeper == "literal" and not is_loopback(info.data.get("base_url") or ""):
        raise ValueError(
            "a secret is never written here: put it in a file or a variable and write"
            ' { file = "/path" } or { env = "NAME" }'
        )
    return secret


def _database(value: str, info: ValidationInfo) -> str:
    """A database address; a relative SQLite file is looked for beside the configuration."""
    if value.startswith("sqlite:///"):
        file = value.removeprefix("sqlite:///")
        if not file:
            raise ValueError("name the file: sqlite:///syncd.db")
        return value if file == ":memory:" else f"sqlite:///{_directory(info) / file}"
    if not value.startswith("postgresql+psycopg://"):
        raise ValueError("expected sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE")
    if _has_password(value):
        raise ValueError("keep the password out of this file: append ?passfile=/path/to/pgpass instead")
    return value


def _has_password(url: str) -> bool:
    """Whether one stands before the @, where SQLAlchemy takes / and # for parts of it, or among the options."""
    options = parse_qsl(url.partition("?")[2])
    return bool(re.match(r"[^:]+://[^:/]*:[^@]*@", url)) or any("password" in name.lower() for name, _ in options)


def _listen(value: str) -> str:
    """host:port, the host in brackets where it is an IPv6 address; port 0 means any free one."""
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}", value, re.ASCII) or _port_of(value) > 65_535:
        raise ValueError('expected host:port, such as "127.0.0.1:8780"')
    return value


def _port_of(value: str) -> int:
    return int(value.rpartition(":")[2])


def one_of(known: Callable[[], Iterable[str]], what: str) -> AfterValidator:
    """A check that a word is among the known ones, which are only asked for when needed."""

    def check(value: str) -> str:
        words = set(known())
        if value not in words:
            raise ValueError(unknown(value, words, what))
        return value

    return AfterValidator(check)


def _platforms() -> Iterable[str]:
    from syncd.sources import platforms

    return platforms()


def _services() -> Iterable[str]:
    from syncd.destinations import services

    return services()


def _currencies() -> Iterable[str]:
    return CURRENCIES


def matching(pattern: str, what: str) -> AfterValidator:
    """A check that the whole of a text has a certain form, `what` being that form in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"expected {what}")
        return value

    return AfterValidator(check)


# What lies beyond makes amounts that no database holds.
_LEAST_RATE = Decimal("1e-9")


def _rate(value: object) -> Decimal:
    try:
        rate = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"expected a number, got {kind(value)}") from None
    if not rate.is_finite() or rate <= 0:
        raise ValueError("a rate is a number greater than 0")
    if not _LEAST_RATE < rate < 1 / _LEAST_RATE:
        raise ValueError("no currency is worth a billion of another; a rate says what one unit of it is worth")
    return rate


def _lifecycle(value: object, info: ValidationInfo) -> Path | dict[str, Any]:
    match value:
        case str() if value:
            return _directory(info) / value
        case Path() | dict():
            return value
    raise ValueError(f'expected the name of a file such as "lifecycle.toml", got {kind(value)}')


BaseUrl = Annotated[str, AfterValidator(_base_url)]
SecretPlace = Annotated[InstanceOf[Secret], BeforeValidator(_secret)]
Currency = Annotated[str, one_of(_currencies, "a currency code (ISO 4217)")]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
# As long as the history's column, and harmless in a path, a log line and a table.
Name = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}", "a name of up to 50 letters, digits, - and _")]
Words = Annotated[tuple[str, ...], Field(strict=False)]


class General(Table):
    """`[syncd]`: what concerns the service as a whole."""

    database: Annotated[str, AfterValidator(_database)] = Field(default="sqlite:///syncd.db", validate_default=True)
    poll_every: Duration = 120
    stale_after: Duration = 6 * 3_600
    keep_raw: Duration = 30 * 86_400
    listen: Annotated[str, AfterValidator(_listen)] | None = None
    sandbox: Annotated[str, AfterValidator(_loopback_url)] | None = None


class Shop(Table):
    """`[shops.NAME]`: a shop and how to read it."""

    platform: Annotated[str, one_of(_platforms, "a platform that syncd reads")]
    base_url: BaseUrl | None = None
    domain: Annotated[str, matching(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a bare host name such as acme.myshopify.com")] = ""
    store_id: Annotated[int, Field(ge=1)] | None = None
    client_id: str | None = None
    client_secret: SecretPlace | None = None
    token: SecretPlace | None = None
    webhook_secret: SecretPlace | None = None

    @field_validator("domain")
    @classmethod
    def _is_the_permanent_name(cls, domain: str, info: ValidationInfo) -> str:
        if info.data.get("platform") == "shopify" and not info.data.get("base_url") and not domain.endswith(_SHOPIFY):
            raise ValueError(f"write the shop's permanent name, which ends in {_SHOPIFY}")
        return domain


_LIMITS = Limits()


class Brake(Table):
    """`[audiences.NAME.brake]`: from where on a plan looks like an accident; see syncd.plan."""

    removals_min: Count = _LIMITS.removals_min
    removals_share: Share = _LIMITS.removals_share
    additions_min: Count = _LIMITS.additions_min
    additions_share: Share = _LIMITS.additions_share
    known_customers: Count = _LIMITS.known_customers
    history_shrink: Share = _LIMITS.history_shrink

    @property
    def limits(self) -> Limits:
        """The same as the plan wants it."""
        return Limits(**self.model_dump())


class Audience(Table):
    """`[audiences.NAME]`: a list of the e-mail service, whose customers it takes, and by which rules."""

    esp: Annotated[str, one_of(_services, "an e-mail service that syncd writes to")]
    base_url: BaseUrl | None = None
    list_id: Annotated[str, matching(r"[A-Za-z0-9_-]{1,64}", "the id of a list, such as a1b2c3d4e5")]
    api_key: SecretPlace
    shops: Words
    currency: Currency
    timezone: Annotated[str, one_of(cache(available_timezones), "a time zone (such as Europe/Madrid)")]
    lifecycle: Annotated[InstanceOf[Path] | dict[str, Any], BeforeValidator(_lifecycle)]
    tag_prefix: str = DEFAULT_TAG_PREFIX
    adopt: Words = ()
    max_entries_per_day: Count = 500
    contact_limit: Annotated[int, Field(ge=1)] | None = None
    spend: Literal["paid", "goods"] = "paid"
    pending_counts: bool = False
    create: Literal["consented", "never"] = "consented"
    follow_shops: bool = True
    enforce: bool = False
    birthday_field: Annotated[str, matching(r"[A-Z0-9_]{1,10}", "the tag of a merge field, such as BIRTHDAY")] = (
        DEFAULT_BIRTHDAY_FIELD
    )
    rates: dict[Currency, Annotated[Decimal, BeforeValidator(_rate)]] = Field(default_factory=dict)
    brake: Brake = Brake()

    @field_validator("shops")
    @classmethod
    def _shops_exist(cls, shops: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not shops:
            raise ValueError("name at least one shop")
        if len(set(shops)) < len(shops):
            raise ValueError("name each shop once: its orders would count as often as it is named")
        known = info.context["shops"] if info.context else shops
        strangers = [unknown(shop, known, "a shop of this file") for shop in shops if shop not in known]
        if strangers:
            raise ValueError("; ".join(strangers))
        return shops

    @cached_property
    def playbook(self) -> Playbook:
        """The rules of this audience. Raises: UserError with everything that is wrong with them."""
        from syncd.settings.lifecycle import read_playbook

        return read_playbook(self.lifecycle, self.currency, self.tag_prefix)


class File(Table):
    """The whole of `syncd.toml`."""

    syncd: General
    shops: dict[Name, Shop]
    audiences: dict[Name, Audience]
