"""What Shopify's refusals mean, and what a person does about each. Pure.

Source: shopify.dev, API response status and error codes; what apps are really told is reported in
Shopify's community (403 "Unavailable Shop").
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from syncd.errors import ConnectionBlocked, SyncdError
from syncd.http import Reply
from syncd.sources._refusals import NotAllowed, impostor

# By status: what is the matter, and what to do about it.
_STATES = {
    402: ("Shopify has frozen the shop", "The owner has to pay Shopify's bill; syncd goes on by itself afterwards."),
    404: (
        "there is no such shop, or it no longer has this API",
        "Check domain in the configuration: the permanent name that ends in .myshopify.com.",
    ),
    423: ("Shopify has locked the shop", "The owner has to ask Shopify why; syncd goes on by itself afterwards."),
    430: (
        "Shopify's protection against attacks turned the call away",
        "syncd leaves the shop alone for a while and tries again. If it stays, ask Shopify.",
    ),
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SCOPE = re.compile(rb"for (\w{1,60}) scope")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,98}\.myshopify\.com")


def refusal(reply: Reply, connection: str, host: str) -> SyncdError | None:
    """The error for an answer that is none, as far as the number alone does not say it; else None.

    `host` is the one that was asked.
    """
    if error := impostor(reply, connection):
        return error
    if reply.status in _REDIRECTS:
        return _moved(reply, connection, host)
    if reply.status == 403:
        return _not_allowed(reply, connection)
    if reply.status in _STATES:
        says, hint = _STATES[reply.status]
        return ConnectionBlocked(f"{connection}: {says}", connection=connection, hint=hint)
    return None


def _moved(reply: Reply, connection: str, host: str) -> ConnectionBlocked:
    """A renamed shop sends every call on to its present name. Following would hand our key to whoever says so."""
    try:
        name = urlsplit(reply.headers.get("location", "")).hostname or ""
    except ValueError:
        name = ""
    if not _NAME.fullmatch(name) or name == host:
        return ConnectionBlocked(
            f"{connection}: the shop sends us on to another place, where syncd does not follow",
            connection=connection,
            hint="Check domain in the configuration: the permanent name that ends in .myshopify.com.",
        )
    return ConnectionBlocked(
        f"{connection}: the shop has been renamed to {name}",
        connection=connection,
        hint=f'If that is your shop, write domain = "{name}" into [{connection}]; nothing is read again or lost.',
    )


def _not_allowed(reply: Reply, connection: str) -> ConnectionBlocked:
    if b"Unavailable Shop" in reply.body:
        return ConnectionBlocked(
            f"{connection}: Shopify has made the shop unavailable",
            connection=connection,
            hint="The owner has to see in Shopify's admin whether it is closed or suspended.",
        )
    scope = _SCOPE.search(reply.body)
    lacks = f"the scope {scope[1].decode()}" if scope else "a scope"
    return NotAllowed(
        f"{connection}: our key lacks {lacks}",
        connection=connection,
        hint="Add it to the app in Shopify and install the app again; `syncd check` lists what is needed.",
    )
