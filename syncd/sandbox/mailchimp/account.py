"""The account behind the API: its audiences, its keys and its batches. Knows the world; knows no HTTP."""

from __future__ import annotations

from base64 import b64decode
from hashlib import md5
from typing import TYPE_CHECKING, Any

from syncd.sandbox.audience.problems import Problem, not_found
from syncd.sandbox.mailchimp.batches import Batches

if TYPE_CHECKING:
    from syncd.sandbox.audience import Audience, Switches
    from syncd.sandbox.world import World


class Account:
    """One account. `batches` are its own, everything else is the world's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.batches = Batches(world.clock, world.seed)

    @property
    def switches(self) -> Switches:
        """The switches of the account."""
        return self.world.mailchimp

    def audience(self, list_id: str) -> Audience:
        """The audience. Raises: Problem 404."""
        if list_id not in self.world.audiences:
            raise not_found()
        return self.world.audiences[list_id]

    def check_key(self, authorization: str) -> None:
        """Raises: Problem 401 unless the header carries a valid key: Basic with any user, or Bearer."""
        scheme, _, secret = authorization.partition(" ")
        if not secret.strip():
            raise Problem(401, "API Key Missing", "Your request did not include an API key.")
        key = _password(secret) if scheme.lower() == "basic" else secret.strip()
        if self.switches.keys and key not in self.switches.keys:
            detail = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
            raise Problem(401, "API Key Invalid", detail)

    def profile(self) -> dict[str, Any]:
        """What the account says about itself."""
        audiences = list(self.world.audiences.values())
        return {
            "account_id": md5(f"account:{self.world.seed}".encode(), usedforsecurity=False).hexdigest()[:25],
            "login_id": "1",
            "account_name": audiences[0].name if audiences else "Sandbox",
            "email": "owner@sandbox.invalid",
            "first_name": "",
            "last_name": "",
            "username": "sandbox",
            "avatar_url": "",
            "role": "owner",
            "member_since": "2020-01-01T00:00:00+00:00",
            "pricing_plan_type": "monthly",
            "first_payment": "",
            "account_timezone": audiences[0].timezone if audiences else "Europe/Madrid",
            "account_industry": "",
            "contact": {"company": "", "addr1": "", "addr2": "", "city": "", "state": "", "zip": "", "country": ""},
            "pro_enabled": False,
            "last_login": "",
            "total_subscribers": sum(each.stats()["subscribed"] for each in audiences),
            "industry_stats": {"open_rate": 0, "bounce_rate": 0, "click_rate": 0},
        }


def _password(secret: str) -> str:
    try:
        return b64decode(secret.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
