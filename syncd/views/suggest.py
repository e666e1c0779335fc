"""Which numbers fit this shop: each candidate with whom it would select, and the rules to paste."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import Span, date_of
from syncd.lifecycle import gaps, metrics, suggest
from syncd.lifecycle.columns import Batch
from syncd.lifecycle.suggest import Candidate
from syncd.rules import Node, evaluate, judge, lacking, parse_rule
from syncd.rules.rhythm import COMPLETED_GAPS, HISTORY_DAYS
from syncd.rules.scope import TYPICAL_GAP
from syncd.steps.context import Context
from syncd.steps.figures import columns_of, figures_for, figures_on, moment_in
from syncd.views.common import tags_of
from syncd.views.words import Words

Flags = NDArray[np.bool_]
Figures = Mapping[str, float | None]
A_YEAR = Span(12, "months")
ENGLISH = Words("en", "suggest")


@dataclass(frozen=True, slots=True)
class Shop:
    """What suggestions are drawn from: everybody, and who of a batch is in which segment of `rules` now.

    `names`: what the shop's own playbook calls them.
    """

    batches: Sequence[Batch]
    inside: Callable[[Batch], Mapping[str, Flags]]
    figures: Callable[[Sequence[Node]], Figures]
    rules: Mapping[str, str]
    names: Mapping[str, str]


def suggest_thresholds(context: Context, name: str, today: int, language: str = "en") -> dict[str, Any]:
    """Candidates for loyal, vip, at-risk and lapsed, what each would select, and which one is recommended.

    `language`: of the reasons.
    """
    audience, bits = context.settings.audiences[name], tags_of(context, name).bits
    names = {each: other if other in bits and each not in bits else each for each, other in suggest.SEGMENTS.items()}
    playbook, now = audience.playbook.only(names.values()), moment_in(context, audience, today)
    # Everybody is looked at again and again, and reading them takes far longer than looking.
    batches = list(columns_of(context, name, today, None, playbook.needs))
    figures = figures_on(context, name, today, playbook, batches)
    rules = {segment.name: str(segment.when) for segment in playbook.segments}

    def inside(batch: Batch) -> dict[str, Flags]:
        judged = judge(playbook, batch, today, figures, bits, now).inside
        return {each: judged[called] for each, called in names.items() if called in judged}

    shop = Shop(
        batches,
        inside=inside,
        figures=lambda trees: figures | figures_for(context, name, trees, today, batches),
        rules={each: rules[called] for each, called in names.items() if called in rules},
        names=names,
    )
    head = {"audience": name, "as_of": date_of(today).isoformat(), "currency": audience.currency}
    return head | suggested(shop, today, Words(language, "suggest"))


def suggested(shop: Shop, today: int, words: Words = ENGLISH) -> dict[str, Any]:
    """The same of any shop."""
    figures = shop.figures([parse_rule(rule) for rule in (*suggest.usual_rules(), *suggest.vip_rules())])
    candidates = _candidates(shop, today, figures)
    found = _Found.of(shop, today, figures, [each.rule for some in candidates.values() for each in some])
    measured = found.measured()
    segments = [
        {"name": shop.names[name], **_segment(name, some, measured, found, shop.rules.get(name), words)}
        for name, some in candidates.items()
    ]
    lack = lacking(figures)
    return {
        "customers": len(found.money),
        "buyers": int(found.buyer.sum()),
        "orders": int(found.orders.sum()),
        "completed_gaps": int(figures[COMPLETED_GAPS] or 0),
        "days_of_history": int(figures[HISTORY_DAYS] or 0),
        "typical_gap_days": figures[TYPICAL_GAP] and round(figures[TYPICAL_GAP] or 0, 2),
        "too_young": words.lack(*lack) if lack else "",
        "segments": segments,
        "toml": _toml(segments),
    }


def _candidates(shop: Shop, today: int, figures: Figures) -> dict[str, list[Candidate]]:
    usual = {p: figures[f"usual({p})"] for p in (*suggest.AT_RISK_USUAL, *suggest.LAPSED_USUAL)}
    amounts = [figures[rule.removeprefix("spend(ever) > ")] for rule in suggest.vip_rules()]
    typical = figures[TYPICAL_GAP]
    buyers = suggest.buyers(shop.batches, today, typical)
    return {
        "loyal": suggest.loyal(buyers),
        "vip": suggest.vip(buyers, amounts),
        **suggest.late(gaps.tally(shop.batches, today), usual, typical),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Everybody: whom each rule selects, who is in the segments now, and what they brought."""

    selected: dict[str, Flags]
    now: dict[str, Flags]
    buyer: Flags
    subscribed: Flags
    orders: NDArray[np.int64]
    money: NDArray[np.int64]
    money_of_the_year: NDArray[np.int64]

    @classmethod
    def of(cls, shop: Shop, today: int, figures: Figures, rules: Sequence[str]) -> _Found:
        trees = [parse_rule(rule) for rule in rules]
        segments = [name for name in suggest.SEGMENTS if name in shop.rules]
        rows = [
            [
                *(evaluate(tree, batch, today, figures, inside) for tree in trees),
                *(inside[name] for name in segments),
                metrics.orders(batch, "ever", today) > 0,
                batch.subscribed,
                metrics.orders(batch, "ever", today),
                metrics.spend_minor(batch, "ever", today),
                metrics.spend_minor(batch, A_YEAR, today),
            ]
            for batch in shop.batches
            for inside in [shop.inside(batch)]
        ]
        if not rows:
            nobody, nothing = np.zeros(0, bool), np.zeros(0, np.int64)
            rows = [[nobody] * (len(rules) + len(segments) + 2) + [nothing] * 3]
        columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
        cut = len(rules), len(rules) + len(segments)
        selected, now = columns[: cut[0]], columns[cut[0] : cut[1]]
        return cls(dict(zip(rules, selected, strict=True)), dict(zip(segments, now, strict=True)), *columns[cut[1] :])

    def measured(self) -> dict[str, dict[str, Any]]:
        """Of each rule how many it selects and what they are worth."""
        return {rule: self._worth(who) for rule, who in self.selected.items()}

    def _worth(self, who: Flags) -> dict[str, Any]:
        return {
            "customers": int(who.sum()),
            "share_of_buyers": _share((who & self.buyer).sum(), self.buyer.sum()),
            "subscribed": int((who & self.subscribed).sum()),
            "revenue_share_12_months": _share(self.money_of_the_year[who].sum(), self.money_of_the_year.sum()),
            "revenue_share": _share(self.money[who].sum(), self.money.sum()),
        }


def _segment(
    name: str,
    candidates: Sequence[Candidate],
    measured: Mapping[str, dict[str, Any]],
    found: _Found,
    rule: str | None,
    words: Words,
) -> dict[str, Any]:
    now = found.now.get(name)
    chosen = _recommended(name, candidates, measured)
    return {
        "now": None if now is None else {"rule": rule, "customers": int(now.sum())},
        "criterion": words(f"criterion-{name}"),
        "missing": "" if candidates else words(f"missing-{name}", n=suggest.LEAST_PEOPLE),
        "candidates": [
            {"rule": each.rule, "fallback": each.fallback or None}
            | measured[each.rule]
            | {"in_it_now": None if now is None else int((now & found.selected[each.rule]).sum())}
            | {"amount": each.amount, "why": why(each, words), "recommended": each is chosen}
            for each in candidates
        ],
    }


def why(candidate: Candidate, words: Words) -> str:
    """What speaks for its number, in words."""
    figures = {name: words.exact(value) for name, value in candidate.why.figures.items()}
    return words(f"why-{candidate.why.reason}", **figures)


def _recommended(
    name: str, candidates: Sequence[Candidate], measured: Mapping[str, dict[str, Any]]
) -> Candidate | None:
    if not candidates:
        return None
    preferred = [each for each in candidates if each.preferred]
    share = "revenue_share_12_months" if name == "loyal" else "revenue_share"
    shares = [measured[each.rule][share] for each in candidates]
    return preferred[0] if preferred else candidates[suggest.smallest_with_half(shares)]


def _toml(segments: Iterable[dict[str, Any]]) -> str:
    """The recommended rules as they stand in `lifecycle.toml`."""
    return "\n".join("\n".join(_lines(each)) + "\n" for each in segments if each["candidates"])


def _lines(segment: dict[str, Any]) -> Iterator[str]:
    chosen = next(each for each in segment["candidates"] if each["recommended"])
    yield fill(chosen["why"], width=78, initial_indent="# ", subsequent_indent="# ")
    yield f"[segments.{segment['name']}]"
    yield f'when = "{chosen["rule"]}"'
    if chosen["fallback"]:
        yield f'fallback = "{chosen["fallback"]}"'


def _share(part: float, whole: float) -> float:
    return round(float(part / whole), 4) if whole else 0.0
