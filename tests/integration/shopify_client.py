"""Shopify's counterpart as a bare client with a token sees it."""

from __future__ import annotations

from typing import Any

import requests

from syncd.sandbox.serve import Running

V = "/admin/api/2026-07"


class Client:
    """A bare client with a token."""

    def __init__(self, running: Running) -> None:
        self.base = running.urls["shopify"]
        self.world = running.world
        self.shop = running.world.shops["acme"]
        self.session = requests.Session()
        self.session.headers["X-Shopify-Access-Token"] = "sandbox"

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(f"{self.base}{V}/{path}", params=params, timeout=10)

    def walk(self, name: str, **params: Any) -> tuple[list[dict[str, Any]], list[int]]:
        """All rows of a list and the size of each page."""
        rows: list[dict[str, Any]] = []
        sizes = []
        answer = self.get(f"{name}.json", **params)
        while True:
            page = answer.json()[name]
            rows += page
            sizes.append(len(page))
            following = answer.links.get("next")
            if not following:
                return rows, sizes
            answer = self.session.get(following["url"], timeout=10)
