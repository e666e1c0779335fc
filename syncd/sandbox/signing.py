"""How the services sign what they send. Pure."""

from __future__ import annotations

import hmac
from base64 import b64encode


def in_base64(secret: str, content: bytes) -> str:
    """HMAC-SHA256 as Shopify and Ecwid write it."""
    return b64encode(_digest(secret, content)).decode()


def in_hex(secret: str, content: bytes) -> str:
    """HMAC-SHA256 as Mailchimp writes it."""
    return _digest(secret, content).hex()


def _digest(secret: str, content: bytes) -> bytes:
    return hmac.digest(secret.encode(), content, "sha256")
