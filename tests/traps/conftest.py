"""What traps need: an empty world, for those of the e-mail service under each configuration of its switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from syncd.history.database import History
from syncd.sandbox.audience import Switches
from tests.integration.mailchimp_world import Town
from tests.traps.ecwid_stage import Cafe
from tests.traps.mailchimp_stage import CONFIGURATIONS, Home, empty
from tests.traps.shop_stage import ANN, OneShop
from tests.traps.shopify_stage import Acme

Shop = TypeVar("Shop", bound=OneShop)


@pytest.fixture(scope="session")
def mailchimp_town() -> Iterator[Town]:
    """One sandbox for all traps of the e-mail service."""
    with Town() as town:
        town.world.throttle.enforce = False
        yield town


@pytest.fixture(params=CONFIGURATIONS)
def switches(request: pytest.FixtureRequest) -> Switches:
    """How the account behaves where nobody knows for certain: each test runs under every configuration."""
    return CONFIGURATIONS[request.param]


@pytest.fixture
def town(mailchimp_town: Town, switches: Switches) -> Town:
    """The destination alone, in front of an empty audience."""
    empty(mailchimp_town, switches)
    return mailchimp_town


@pytest.fixture
def home(town: Town, switches: Switches, emptied_history: Callable[[str], History], tmp_path: Path) -> Home:
    """A whole syncd with an empty shop and an empty audience; on PostgreSQL where every switch is the other way."""
    kind = "postgresql" if switches == CONFIGURATIONS["other"] else "sqlite"
    return Home(town.running, emptied_history(kind), tmp_path, shops=("acme",))


@pytest.fixture
def acme(mailchimp_town: Town, emptied_history: Callable[[str], History], tmp_path: Path) -> Iterator[Acme]:
    """A whole syncd with an empty Shopify shop and an audience; Ann is known to both."""
    yield from _opened(Acme, mailchimp_town, emptied_history("sqlite"), tmp_path)


@pytest.fixture
def cafe(mailchimp_town: Town, emptied_history: Callable[[str], History], tmp_path: Path) -> Iterator[Cafe]:
    """A whole syncd with an empty Ecwid store and an audience; Ann is known to both."""
    yield from _opened(Cafe, mailchimp_town, emptied_history("sqlite"), tmp_path)


def _opened(kind: type[Shop], town: Town, history: History, directory: Path) -> Iterator[Shop]:
    empty(town, Switches())
    house = kind(town.running, history, directory)
    house.person(ANN)
    yield house
    town.world.throttle.enforce = False
