"""Which numbers fit a shop: candidates for the rules of the loyal, the best, the late and the lost.

It knows how the shop's customers buy and the numbers that people like to write, and puts each candidate as
a rule in the language. Whom a rule selects and what it is worth, it does not know.

Source: DESIGN "Order gap and lateness"; order gaps rather than fixed days, because a number of days that
suits the average customer tags slow regulars in each round and fast ones weeks late.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import Span
from syncd.lifecycle import metrics
from syncd.lifecycle.columns import Batch
from syncd.lifecycle.gaps import Tally

# As the shipped playbooks call them, in English and in Spanish.
SEGMENTS = {"loyal": "leal", "vip": "vip", "at-risk": "en-riesgo", "lapsed": "perdido"}
HALF_A_YEAR = Span(6, "months")

# From fewer people no part of them is told; a twentieth of twenty is one person.
LEAST_PEOPLE = 20
# From fewer gaps no days are taken.
LEAST_GAPS = 20
# What is used while the shop is too young for days of its own.
AT_RISK_DAYS, LAPSED_DAYS = 90, 180

# Loyal is who is above so many % of the repeat buyers of the last six months.
_LOYAL_ABOVE = (90, 75, 50)
_VIP_TOP = (5, 10, 20)
# Fewer orders than this are no habit.
_LEAST_ORDERS = 3
# The orders of a loyal customer are counted over so many typical gaps, and over 4 to 26 weeks.
_GAPS_COUNTED = 4
# Nobody is missed within a week.
_FLOOR = "since_last_order >= 7 days"
_ROUND = (10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 75, 80, 90, 100)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Why:
    """What speaks for a number: which reason it is, and the figures that belong to it."""

    reason: Literal["loyal", "vip", "usual-days", "rhythm", "own-days"]
    figures: Mapping[str, int | float | Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule, the rule in plain days that stands in for it ("" where none is needed), and why this number.

    `preferred`: recommended whatever it is worth. `amount`: what it means today, in major units.
    """

    rule: str
    why: Why
    fallback: str = ""
    preferred: bool = False
    amount: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Buyers:
    """The retail customers who have ordered, `count` of them; and what those bought who came back.

    `spend` and `orders`: of everybody with two orders or more, one of them in the last six months.
    Units: `spend` of the last six months in major units; `orders` of the last `weeks` weeks.
    """

    count: int
    spend: Values
    orders: NDArray[np.int64]
    weeks: int
    currency_exponent: int


def buyers(batches: Iterable[Batch], today: int, typical: float | None) -> Buyers:
    """Them, however the batches were cut; the weeks follow from the typical gap between orders."""
    weeks = min(26, max(4, round(_GAPS_COUNTED * (typical or 0) / 7)))
    count, exponent, spend, orders = 0, 0, [np.zeros(0)], [np.zeros(0, np.int64)]
    for batch in batches:
        exponent = batch.currency_exponent
        count += int(metrics.eligible(batch, today).sum())
        came_back = ~batch.wholesale & (metrics.orders(batch, "ever", today) >= 2)
        came_back &= metrics.orders(batch, HALF_A_YEAR, today) >= 1
        spend.append(metrics.spend_minor(batch, HALF_A_YEAR, today)[came_back] / 10**exponent)
        orders.append(metrics.orders(batch, Span(weeks, "weeks"), today)[came_back])
    return Buyers(count, np.concatenate(spend), np.concatenate(orders), weeks, exponent)


def loyal(known: Buyers) -> list[Candidate]:
    """The upper tenth, quarter and half of those who came back, by spend or by orders; none from too few."""
    if len(known.spend) < LEAST_PEOPLE:
        return []
    return _each_once(each for above in _LOYAL_ABOVE if (each := _loyal(known, above)))


def _loyal(known: Buyers, above: int) -> Candidate | None:
    spend = round_amount(float(np.percentile(known.spend, above)), known.currency_exponent)
    if not spend:
        return None
    orders = max(_LEAST_ORDERS, int(np.percentile(known.orders, above, method="higher")) + 1)
    by_spend, by_orders = known.spend >= float(spend), known.orders >= orders
    figures: dict[str, int | float | Decimal]
    figures = {"by_spend": _percent(by_spend), "people": len(known.spend), "spend": spend}
    figures |= {"by_orders": _percent(by_orders), "orders": orders, "weeks": known.weeks}
    return Candidate(f"spend(6 months) >= {spend:f} or orders({known.weeks} weeks) >= {orders}", Why("loyal", figures))


def vip_rules() -> list[str]:
    """The rules of the top 5, 10 and 20 % of the buyers; they follow the shop as it grows."""
    return [f"spend(ever) > percentile(spend(ever), {100 - top})" for top in _VIP_TOP]


def vip(known: Buyers, amounts: Sequence[float | None]) -> list[Candidate]:
    """Those candidates, with the `amounts` beyond which they lie today; none from too few buyers."""
    if known.count < LEAST_PEOPLE:
        return []
    least = Decimal(1).scaleb(-known.currency_exponent)
    return [
        Candidate(
            rule,
            Why("vip", {"top": top, "amount": Decimal(amount).quantize(least)}),
            amount=round(amount, known.currency_exponent),
        )
        for top, rule, amount in zip(_VIP_TOP, vip_rules(), amounts, strict=True)
        if amount is not None
    ]


# The lateness, in % of all returns, from which somebody is at risk and lapsed; the first is recommended:
# 80 and 90 % kept their promise on later orders in every shop that was tried, and more waits longer.
AT_RISK_USUAL, LAPSED_USUAL = (80, 70), (90, 95)


def usual_rules() -> list[str]:
    """The rules that ask for what is usual."""
    return [f"lateness > usual({p})" for p in (*AT_RISK_USUAL, *LAPSED_USUAL)]


def late(tally: Tally, usual: Mapping[int, float | None], typical: float | None) -> dict[str, list[Candidate]]:
    """Candidates for those who are at risk and lapsed, the recommended one first.

    `usual`: the lateness of each %, None where the history is too young for it: then plain days are recommended.
    `typical`: the gap in days that belongs to it; it may be of an earlier day than `tally`.
    """
    young = any(value is None for value in usual.values())
    own = _own_days(tally)
    soon, gone = (AT_RISK_DAYS, LAPSED_DAYS) if young or own is None else own
    plain = {"at-risk": _between(soon, gone), "lapsed": f"since_last_order >= {gone} days"}
    by_days = {} if own is None else _by_days(tally, own)
    if young:
        found = {name: [Candidate(rule, Why("usual-days"), preferred=True)] for name, rule in plain.items()}
    else:
        found = _by_rhythm(usual, typical or 0, plain)
    return {name: _each_once([*found[name], *by_days.get(name, ())]) for name in plain}


def _by_rhythm(
    usual: Mapping[int, float | None], typical: float, plain: Mapping[str, str]
) -> dict[str, list[Candidate]]:
    """Later than usual, by each customer's own rhythm."""
    at_risk = {p: f"lateness > usual({p}) and lateness <= usual({LAPSED_USUAL[0]}) and {_FLOOR}" for p in AT_RISK_USUAL}
    lapsed = {p: f"lateness > usual({p}) and {_FLOOR}" for p in LAPSED_USUAL}
    return {
        name: [
            Candidate(rule, _why_late(p, usual[p] or 0, typical), plain[name], preferred=at == 0)
            for at, (p, rule) in enumerate(rules.items())
        ]
        for name, rules in {"at-risk": at_risk, "lapsed": lapsed}.items()
    }


def _why_late(p: int, usual: float, typical: float) -> Why:
    gaps = Decimal(usual).quantize(Decimal("0.1"))
    return Why("rhythm", {"p": p, "gaps": gaps, "days": round(usual * typical), "typical": round(typical)})


def _own_days(tally: Tally) -> tuple[int, int] | None:
    """The days within which 80 and 90 % of the gaps were over; None from too few."""
    if tally.gaps < LEAST_GAPS:
        return None
    soon, gone = (round_days(tally.percentile(p)) for p in (80, 90))
    return soon, max(gone, soon + 1)


def _by_days(tally: Tally, days: tuple[int, int]) -> dict[str, list[Candidate]]:
    """The same number of days for everybody."""
    soon, gone = days
    return {
        "at-risk": [Candidate(_between(soon, gone), _why_days(tally, soon))],
        "lapsed": [Candidate(f"since_last_order >= {gone} days", _why_days(tally, gone))],
    }


def _why_days(tally: Tally, days: int) -> Why:
    over = tally.lengths[: days + 1].sum()
    return Why("own-days", {"share": math.floor(100 * over / tally.gaps), "days": days})


def _between(soon: int, gone: int) -> str:
    return f"since_last_order between {soon} days and {gone - 1} days"


def _each_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The first of each rule."""
    found: dict[str, Candidate] = {}
    for each in candidates:
        found.setdefault(each.rule, each)
    return list(found.values())


def smallest_with_half(shares: Sequence[float]) -> int:
    """The place of the smallest share of revenue that is at least a half; else of the largest."""
    enough = [at for at, share in enumerate(shares) if share >= 0.5]
    return min(enough or [shares.index(max(shares))], key=lambda at: shares[at])


def round_amount(value: float, currency_exponent: int) -> Decimal:
    """The nearest amount that a person would write: 250 rather than 247.31. 0 for nothing."""
    if value <= 0:
        return Decimal(0)
    scale = math.floor(math.log10(value)) - 1
    step = min(_ROUND, key=lambda each: abs(math.log(each / (value / 10.0**scale))))
    least = Decimal(1).scaleb(-currency_exponent)
    amount = max(Decimal(step).scaleb(scale).quantize(least), least).normalize()
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount


def round_days(value: float) -> int:
    """So many days or a few more, as a person would write them: 160 rather than 158.2. At least 7."""
    step = 1 if value <= 14 else 5 if value <= 60 else 10
    return max(7, math.ceil(value / step) * step)


def _percent(who: NDArray[np.bool_]) -> float:
    """Their share in per cent: a whole number, or one decimal where it is below 1."""
    share = 100 * float(who.mean())
    return round(share) if share >= 1 else round(share, 1)
