"""One customer explained: what a person reads in each language, what a program reads, and the orders behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from syncd import views
from syncd.calendar import day_of
from syncd.cli import group
from syncd.history import ledger
from syncd.history.database import History
from syncd.history.members import store_members
from syncd.history.people import customer_of
from syncd.history.purchases import purchases_of
from syncd.history.schema import standings
from syncd.history.shops import set_shop_state
from syncd.model import Order, OrderStatus, Refund
from syncd.sandbox.serve import Running
from syncd.steps.judge import judge
from syncd.views.explained import lines
from syncd.views.words import LANGUAGES, Words
from tests.integration.history_records import customer, member, order, take
from tests.integration.house import DAY, House

ANA = "ana@example.com"
TODAY = day_of(date(2026, 11, 22))
RULES = """
[audiences.main.lifecycle.segments.loyal]
when = "spend(6 months) >= 250 or orders(5 weeks) >= 5"

[audiences.main.lifecycle.segments.repeat]
when = "orders(ever) >= 2"

[audiences.main.lifecycle.segments.kept]
when = "spend(6 months) >= 300"
stay_while = "spend(6 months) >= 200"

[audiences.main.lifecycle.segments.vip]
when = "spend(ever) > mean(spend(ever))"

[audiences.main.lifecycle.segments.free-shipping]
when = "spend(this year) >= 500"

[audiences.main.lifecycle.segments.late]
when = "lateness > usual(90) and since_last_order >= 7 days"
fallback = "since_last_order >= 90 days"

[audiences.main.lifecycle.segments.bought-1m]
when = "orders(1 month) >= 1 and not orders(14 days) >= 1"

[audiences.main.lifecycle.segments.french]
when = 'country == "FR" and orders(ever) >= 8'
"""
ENGLISH = """\
ana@example.com in audience main, 22 November 2026: subscribed

  spend(ever)          €293.75            since_last_order     6 days
  spend(6 months)      €212.80            since_signup         640 days
  spend(this year)     €212.80            subscribed           yes
  orders(ever)         7                  country              ES
  average_order(ever)  €41.96             order_gap            20 days
  first_order          2 Mar 2025         lateness             0.3
  last_order           16 Nov 2026        next_order           6 Dec 2026
  since_first_order    630 days

Orders: 7 count, 3 do not count
  16 Nov 2026          €20.00  cafe
  15 Nov 2026          €20.00  cafe
  12 Nov 2026          €40.00  acme
  9 Nov 2026           €52.80  acme
  14 Jun 2026          €80.00  acme
  and 2 more, the first on 2 March 2025
  16 Nov 2026          €99.00  cafe          a test
  14 Nov 2026          €12.00  acme          cancelled
  13 Nov 2026          €25.00  acme          refunded in full

In
  repeat  since 22 November
    ✓ orders(ever) >= 2  7

Not in
  loyal
    ✗ spend(6 months) >= 250  €212.80
        5 orders, the first on 14 June; 2 older
    ✗ orders(5 weeks) >= 5    4
        4 orders, the first on 9 November; 3 older
    → to get in: €37.20 more or 1 more order before 14 December
  kept
    ✗ spend(6 months) >= 300  €212.80
    → to get in: €87.20 more before 14 December
  vip
    ✗ spend(ever) > mean(spend(ever))  €293.75 against €371.88
    → to get in: €78.13 more
  free-shipping
    ✗ spend(this year) >= 500  €212.80
        5 orders, the first on 14 June; 2 older
    → to get in: €287.20 more by 31 December
  late  joins on 14 February 2027 if nothing happens
    by its fallback: usual() needs 200 completed gaps between orders, and there
      are 6
    ✗ since_last_order >= 90 days  6 days
  bought-1m  joins on 30 November if nothing happens
    ✓ orders(1 month) >= 1      4, no longer from 16 December
        4 orders, the first on 9 November; 3 older
    ✗ not orders(14 days) >= 1  4, holds from 30 November
        4 orders, the first on 9 November; 3 older
  french
    ✗ country == "FR"    ES
    ✗ orders(ever) >= 8  7
    → to get in: 1 more order
    → besides, neither buying nor waiting brings: country == "FR"
"""
SPANISH = """\
ana@example.com en la audiencia main, 22 de noviembre de 2026: suscrito

  spend(ever)          293,75 €           since_last_order     6 días
  spend(6 months)      212,80 €           since_signup         640 días
  spend(this year)     212,80 €           subscribed           sí
  orders(ever)         7                  country              ES
  average_order(ever)  41,96 €            order_gap            20 días
  first_order          2 mar 2025         lateness             0,3
  last_order           16 nov 2026        next_order           6 dic 2026
  since_first_order    630 días

Pedidos: 7 cuentan, 3 no cuentan
  16 nov 2026         20,00 €  cafe
  15 nov 2026         20,00 €  cafe
  12 nov 2026         40,00 €  acme
  9 nov 2026          52,80 €  acme
  14 jun 2026         80,00 €  acme
  y 2 más, el primero el 2 de marzo de 2025
  16 nov 2026         99,00 €  cafe          de prueba
  14 nov 2026         12,00 €  acme          cancelado
  13 nov 2026         25,00 €  acme          reembolsado por completo

Está en
  repeat  desde el 22 de noviembre
    ✓ orders(ever) >= 2  7

No está en
  loyal
    ✗ spend(6 months) >= 250  212,80 €
        5 pedidos, el primero el 14 de junio; 2 anteriores
    ✗ orders(5 weeks) >= 5    4
        4 pedidos, el primero el 9 de noviembre; 3 anteriores
    → para entrar: 37,20 € más o 1 pedido más antes del 14 de diciembre
  kept
    ✗ spend(6 months) >= 300  212,80 €
    → para entrar: 87,20 € más antes del 14 de diciembre
  vip
    ✗ spend(ever) > mean(spend(ever))  293,75 € frente a 371,88 €
    → para entrar: 78,13 € más
  free-shipping
    ✗ spend(this year) >= 500  212,80 €
        5 pedidos, el primero el 14 de junio; 2 anteriores
    → para entrar: 287,20 € más hasta el 31 de diciembre
  late  entra el 14 de febrero de 2027 si no pasa nada
    según su regla de reserva (fallback): usual() necesita 200 intervalos entre
      pedidos y hay 6
    ✗ since_last_order >= 90 days  6 días
  bought-1m  entra el 30 de noviembre si no pasa nada
    ✓ orders(1 month) >= 1      4, deja de cumplirse el 16 de diciembre
        4 pedidos, el primero el 9 de noviembre; 3 anteriores
    ✗ not orders(14 days) >= 1  4, se cumple desde el 30 de noviembre
        4 pedidos, el primero el 9 de noviembre; 3 anteriores
  french
    ✗ country == "FR"    ES
    ✗ orders(ever) >= 8  7
    → para entrar: 1 pedido más
    → además, ni comprando ni esperando se consigue: country == "FR"
"""


def noon(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 11, tzinfo=UTC).timestamp())


def sold(id_: str, month: int, day: int, amount: str, year: int = 2026, **given: Any) -> Order:
    minor = round(float(amount) * 100)
    known = {"placed_at": noon(date(year, month, day)), "paid_minor": minor, "goods_minor": minor}
    return order(id_, **({"email": ANA, "customer_id": "ana"} | known | given))


@pytest.fixture
def house(sandbox: Running, sqlite: History, tmp_path: Path) -> House:
    """Ana has bought seven times that count, and three times that do not; Ben once, for much. Both were judged."""
    house = House(sandbox, sqlite, tmp_path, rules=RULES)
    config = tmp_path / "syncd.toml"
    url = sqlite.engine.url.render_as_string(False)
    config.write_text(config.read_text("utf-8").replace("sqlite:///syncd.db", url), "utf-8")
    refund = Refund("r", 2000, 2000, noon(date(2026, 11, 13)))
    take(
        sqlite,
        customer("ana", ANA, country="ES", created_at=noon(date(2025, 2, 20))),
        *(sold("1", 3, 2, "49.90", 2025), sold("2", 8, 14, "31.05", 2025), sold("3", 6, 14, "80.00")),
        *(sold("4", 11, 9, "52.80"), sold("5", 11, 12, "60.00", refunds=(refund,))),
        *(sold("6", 11, 13, "25.00", status=OrderStatus.REFUNDED), sold("7", 11, 14, "12.00", cancelled=True)),
    )
    take(
        sqlite,
        customer("ana", ANA, country="ES", created_at=noon(date(2025, 2, 20))),
        *(sold("8", 11, 15, "20.00"), sold("9", 11, 16, "20.00"), sold("10", 11, 16, "99.00", test=True)),
        shop="cafe",
    )
    take(
        sqlite,
        customer("ben", "ben@example.com"),
        sold("11", 11, 1, "450.00", email="ben@example.com", customer_id="ben"),
    )
    store_members(sqlite, "main", [member(ANA)], None, bits={}, field_names=[], now=house.context.clock.now())
    judged(house)
    return house


def judged(house: House) -> None:
    """Everybody is judged; no shop is without news."""
    playbook = house.context.settings.audiences["main"].playbook
    for shop in house.context.settings.shops:
        set_shop_state(house.history, shop, pulled_at=house.context.clock.now())
    judge(house.context, "main", ledger.tags_of(house.history, "main", playbook, "syncd:"))


def explained(house: House, day: int = TODAY) -> dict[str, Any]:
    return views.explain(house.context, "main", ANA, day)


def said(house: House, *options: str) -> str:
    told = CliRunner().invoke(group, ["--config", str(house.directory / "syncd.toml"), "explain", ANA, *options])
    assert told.exit_code == 0, told.output
    return told.stdout


def segment(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in document["segments"] if entry["name"] == name)


@pytest.mark.parametrize(("language", "golden"), [("en", ENGLISH), ("es", SPANISH)])
def test_it_reads_like_this(house: House, language: str, golden: str) -> None:
    shown = said(house, "--language", language)
    # What stays together on a line is joined by a space that does not break.
    assert shown.replace("\u00a0", " ") == golden


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_fits_80_columns(house: House, language: str) -> None:
    house.configure()
    house.backfill()
    day = day_of(house.today())
    for email in sorted(house.state())[:2]:
        told = lines(views.explain(house.context, "main", email, day), Words(language, "explain"))
        assert max(len(line.text) for line in told) <= 80


def test_what_is_missing_is_in_the_document_too(house: House) -> None:
    loyal = segment(explained(house), "loyal")
    way = {"orders": 1, "amount": 37.2, "from": "2026-11-22", "before": "2026-12-14", "beyond": [], "depends": []}
    assert loyal["ways"] == [
        way | {"unmet": ["spend(6 months) >= 250"]},
        way | {"amount": None, "unmet": ["orders(5 weeks) >= 5"]},
    ]


def test_the_missing_amount_is_enough_until_the_day_before(house: House) -> None:
    house.later(21 * DAY)
    take(house.history, sold("12", 12, 13, "37.20"))
    judged(house)
    assert segment(explained(house, TODAY + 21), "loyal")["in"]


def test_the_missing_amount_is_too_late_on_that_day(house: House) -> None:
    house.later(22 * DAY)
    take(house.history, sold("12", 12, 14, "37.20"))
    judged(house)
    assert not segment(explained(house, TODAY + 22), "loyal")["in"]


def test_the_orders_behind_a_value_are_those_of_its_window(house: House) -> None:
    spend, _ = segment(explained(house), "loyal")["values"]
    (window,) = spend["orders"]
    assert (window["window"], window["from"], window["to"]) == ("6 months", "2026-05-23", "2026-11-22")
    assert (window["count"], window["first"], window["older"]) == (5, "2026-06-14", 2)
    assert window["newest"][0] == {"date": "2026-11-16", "amount": 20.0, "currency": "EUR", "shop": "cafe"}
    assert sum(one["amount"] for one in window["newest"]) == spend["value"]


def test_each_order_says_whether_it_counts_and_why_not(house: House) -> None:
    reasons = {one["date"]: one["why_not"] for one in explained(house)["orders"] if not one["counts"]}
    assert reasons == {"2026-11-16": "test", "2026-11-14": "cancelled", "2026-11-13": "refunded"}


def test_orders_of_later_days_do_not_exist_as_of_a_day_before_them(house: House) -> None:
    document = explained(house, day_of(date(2026, 11, 12)))
    assert [one["date"] for one in document["orders"][:2]] == ["2026-11-12", "2026-11-09"]
    assert document["metrics"]["orders(ever)"] == 5 == len(document["orders"])


def test_who_is_kept_by_the_weaker_rule_alone_sees_it(house: House) -> None:
    with house.history.begin() as db:
        bit = ledger.tags_of(house.history, "main", house.context.settings.audiences["main"].playbook, "syncd:")
        db.execute(standings.update().values(segments=1 << bit.bits["kept"]))
    kept = segment(explained(house), "kept")
    assert (kept["in"], kept["stays"], kept["ways"]) == (True, True, [])
    assert "    kept in by stay_while:\n" in said(house)


def test_an_order_in_a_currency_without_a_rate_says_so(house: House) -> None:
    id_ = customer_of(house.history, ANA)
    assert id_ is not None
    take(house.history, sold("13", 11, 20, "10.00", currency="USD"))
    given: dict[str, Any] = {"spend": "paid", "pending_counts": False, "as_of_end": noon(date(2026, 12, 1))}
    for currencies, reason in (({"EUR"}, "currency"), ({"EUR", "USD"}, "")):
        (newest, *_) = purchases_of(house.history, ["acme"], id_, currencies=currencies, **given)
        assert (newest.currency, newest.minor, newest.why_not) == ("USD", 1000, reason)


def test_its_json_has_the_documented_shape(house: House) -> None:
    reference = (Path(__file__).parents[2] / "docs/reference.md").read_text()
    shape = reference.partition("## Explain")[2].partition("```\n{")[2].partition("```")[0]

    def keys(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner) if key != "metrics" else ()
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    document = json.loads(said(house, "--json", "--language", "es"))
    # What only lateness has.
    elsewhere = {"note", "gap_days", "last_order_days"}
    assert {*keys(document)} - elsewhere == {*re.findall(r'"([a-z_]+)"[,:}\]]', shape)}
