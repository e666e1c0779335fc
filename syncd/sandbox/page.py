"""The sandbox's one page: where everything is and what is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncd.sandbox.world import World

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>syncd sandbox</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
td, th {{ text-align: left; padding: .2rem 1.5rem .2rem 0 }}</style>
<h1>syncd sandbox</h1>
<p>Local counterparts of Shopify, Ecwid and Mailchimp. Nothing here reaches a real person.
The sandbox's time is {now}.</p>
<h2>Servers</h2>
<table>{servers}</table>
<h2>Contents</h2>
<table>{contents}</table>
<h2>Control</h2>
<p><a href="/syncd.toml">syncd.toml</a> · <a href="/state">state</a> · <a href="/requests">requests</a> ·
<a href="/journeys">journeys</a> · <a href="/clock">clock</a> · <a href="/faults">faults</a> ·
<a href="/throttle">throttle</a></p>
</html>
"""


def page(world: World, urls: Mapping[str, str]) -> str:
    """The page as HTML."""
    contents = [
        (name, f"{len(shop.orders)} orders, {len(shop.customers)} customers") for name, shop in world.shops.items()
    ]
    contents += [(list_id, f"{len(audience.members)} members") for list_id, audience in world.audiences.items()]
    now = datetime.fromtimestamp(world.clock.now(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return _PAGE.format(now=now, servers=_rows(urls.items()), contents=_rows(contents))


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in pairs)
