"""The configuration with which syncd works against this sandbox, the shipped lifecycle rules included."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.world import World

MAILCHIMP_KEY = "sandbox-us1"


def configuration(world: World, urls: Mapping[str, str]) -> str:
    """`syncd.toml` as text. Its secrets open nothing but the sandbox."""
    shops = "\n".join(
        f"[shops.{shop.name}]\n"
        f'platform = "{shop.platform}"\n'
        f'base_url = "{urls[shop.platform]}"\n'
        + (f"store_id = {shop.store_id}\n" if shop.platform == "ecwid" else f'domain = "{shop.name}.myshopify.com"\n')
        + f'token = "{shop.token}"\nwebhook_secret = "{shop.token}"\n'
        for shop in world.shops.values()
    )
    audience = next(iter(world.audiences.values()))
    return f"""# For the sandbox at {urls["control"]}; the secrets open nothing else.
[syncd]
database = "sqlite:///syncd.db"
sandbox = "{urls["control"]}"

{shops}
[audiences.main]
esp = "mailchimp"
base_url = "{urls["mailchimp"]}"
list_id = "{audience.list_id}"
api_key = "{MAILCHIMP_KEY}"
shops = [{", ".join(f'"{name}"' for name in world.shops)}]
currency = "EUR"
timezone = "{audience.timezone}"
tag_prefix = "syncd:"

{_embedded(files("syncd.config").joinpath("lifecycle.toml").read_text("utf-8"))}"""


def _embedded(lifecycle: str) -> str:
    """The rules as tables of the audience: `[segments.x]` becomes `[audiences.main.lifecycle.segments.x]`."""
    return re.sub(r"^\[(?=[a-z])", "[audiences.main.lifecycle.", lifecycle, flags=re.MULTILINE)
