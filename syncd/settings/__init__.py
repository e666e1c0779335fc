"""The configuration file: found, read, checked; every problem reported at once, with its line.

`load` is the one way in. Nothing is called and no secret is read here; what a rule means is known to
syncd.rules alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from syncd.errors import UserError
from syncd.money import exponent
from syncd.settings.document import Document, read
from syncd.settings.lifecycle import read_playbook
from syncd.settings.models import DEFAULT_TAG_PREFIX, Audience, Brake, File, Shop, is_loopback
from syncd.settings.problems import Problem, gathered, in_order, problems_of
from syncd.settings.secret import Secret

__all__ = ["Audience", "Brake", "Secret", "Settings", "Shop", "is_loopback", "load"]

PLACES = (Path("syncd.toml"), Path("/etc/syncd/syncd.toml"))


@dataclass(frozen=True, slots=True)
class Settings:
    """What syncd was told to do. `sandbox` is a control server whose clock is followed."""

    path: Path
    database: str = field(repr=False)
    poll_every: int
    stale_after: int
    keep_raw: int
    listen: str | None
    sandbox: str | None
    shops: dict[str, Shop]
    audiences: dict[str, Audience]


def load(path: Path | None = None) -> Settings:
    """The checked configuration at `path`, else $SYNCD_CONFIG, else the first of PLACES that exists.

    Raises: UserError with every problem found, in the configuration and in the rules.
    """
    document = read(_find(path))
    file, problems = _validated(document)
    problems += [*_lacking(document.data), *_twice(document.data)]
    sentences = [*in_order(document, problems), *_rule_problems(document)]
    if file is None or sentences:
        raise gathered(document.path.name, sentences)
    general = file.syncd
    return Settings(
        path=document.path,
        database=general.database,
        poll_every=general.poll_every,
        stale_after=general.stale_after,
        keep_raw=general.keep_raw,
        listen=general.listen,
        sandbox=general.sandbox,
        shops=file.shops,
        audiences=file.audiences,
    )


def _find(path: Path | None) -> Path:
    """The file to read; a name that somebody gave is taken at its word, whether it exists or not."""
    named = path or os.environ.get("SYNCD_CONFIG")
    if named:
        return Path(named).absolute()
    found = next((place for place in PLACES if place.exists()), None)
    if found is None:
        raise UserError(
            f"there is no configuration: neither {' nor '.join(map(str, PLACES))} exists",
            hint="Write one with `syncd init`, or name it with --config.",
        )
    return found.absolute()


def _validated(document: Document) -> tuple[File | None, list[Problem]]:
    shops = frozenset(_tables(document.data.get("shops")))
    context = {"directory": document.path.parent, "shops": shops}
    data = {"syncd": {}, "shops": {}, "audiences": {}, **document.data}
    try:
        return File.model_validate(data, context=context), []
    except ValidationError as err:
        return None, list(problems_of(err, File))


def _tables(value: object) -> dict[str, dict[str, Any]]:
    """The tables in `value`; what is no table is reported elsewhere."""
    return {name: table for name, table in value.items() if isinstance(table, dict)} if isinstance(value, dict) else {}


# What a shop of each platform cannot do without, as alternatives.
_NEEDS: dict[object, tuple[tuple[str, ...], ...]] = {
    "shopify": (("domain", "client_id", "client_secret"), ("domain", "token")),
    "ecwid": (("store_id", "token"),),
}


def _lacking(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is missing although no single key is at fault."""
    if not data.get("shops"):
        yield (), "no shop is described; begin with a table [shops.NAME]"
    for name, shop in _tables(data.get("shops")).items():
        needs = _NEEDS.get(str(shop.get("platform")), ())
        if needs and not any(shop.keys() >= set(keys) for keys in needs):
            ways = ", or ".join(" and ".join(keys) for keys in needs)
            yield ("shops", name), f"a shop on {shop['platform']} needs {ways}"


# By platform or e-mail service, the key that says which shop or list it is.
_WHICH = {"shopify": "domain", "ecwid": "store_id", "mailchimp": "list_id"}


def _twice(data: Mapping[str, Any]) -> Iterator[Problem]:
    """A shop or a list under two names: its orders would count twice, or one audience undo what the other writes."""
    for tables, kind in (("shops", "platform"), ("audiences", "esp")):
        names: dict[tuple[str, ...], str] = {}
        for name, table in _tables(data.get(tables)).items():
            key = _WHICH.get(str(table.get(kind)), "")
            if key in table:
                first = names.setdefault(tuple(str(table.get(each)) for each in (kind, "base_url", key)), name)
                if first != name:
                    yield (tables, name, key), f"this is what {tables}.{first} is already; describe it once"


def _rule_problems(document: Document) -> Iterator[str]:
    """What is wrong with the rules, also where the audience around them is not in order."""
    for name, audience in _tables(document.data.get("audiences")).items():
        match audience.get("lifecycle"):
            case str(file) if file:
                rules: Path | Document = document.path.parent / file
            case dict():
                rules = document.table("audiences", name, "lifecycle")
            case _:
                continue  # said already: the key is missing or of a wrong type
        prefix = audience.get("tag_prefix", DEFAULT_TAG_PREFIX)
        try:
            read_playbook(rules, _currency_of(audience), prefix if isinstance(prefix, str) else "")
        except UserError as err:
            yield from err.problems or [f"{document.place('audiences', name, 'lifecycle')}: {err}"]


def _currency_of(audience: dict[str, Any]) -> str:
    """The audience's currency; where that is wrong (said already) one to go on with."""
    try:
        exponent(str(audience.get("currency")))
    except ValueError:
        return "EUR"
    return str(audience["currency"])
