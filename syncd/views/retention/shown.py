"""The retention report as a person reads it: sentences and tables in their language, for terminal and page alike.

It puts the document's figures into words; it knows neither the history nor how a table is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from syncd.views.words import Words

Document = dict[str, Any]

# Until when a second order is expected, where one figure shall say it.
SECOND_DAYS = 90
YEAR_DAYS = 365

# What stands in the place of a rate that cannot be told; the notes say why.
SIGNS = {"unfinished": "…", "early": "–"}


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and cells as text, the first column being the row's name; notes say how to read it.

    `heat`, where there is any, says of each cell how strongly it shall glow, from 0 to 1.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    heat: Sequence[Sequence[float]] = ()


def subtitle(document: Document, words: Words) -> str:
    """Whose figures these are, and of when."""
    text = words(
        "subtitle",
        audience=document["audience"],
        as_of=words.day(document["as_of"]),
        customers=words.number(document["customers"]),
        since=words.day(document["since"]),
    )
    left_out = document["wholesale_left_out"]
    return text + (" " + words("wholesale", n=words.number(left_out)) if left_out else "")


def _span(days: int, words: Words) -> str:
    return words("a-year") if days == YEAR_DAYS else words("days", n=days)


def last_whole(document: Document) -> list[dict[str, Any]]:
    """The last period that has a rate, and the one before it if that has one, too; newest first."""
    whole = [each for each in document["periods"] if each["crr"] is not None]
    return whole[-1:-3:-1]


def second_share(document: Document) -> float | None:
    """The share that orders again within `SECOND_DAYS`, if that is known yet."""
    shares: dict[int, float | None] = {each["days"]: each["share"] for each in document["second_order"]["within"]}
    return shares[SECOND_DAYS]


def headlines(document: Document, words: Words) -> list[str]:
    """What the figures say, in sentences."""
    if not document["customers"]:
        return [words("nobody")]
    found = []
    for each in last_whole(document)[:1]:
        period = words.period(each["period"])
        beginning, reactivated = words.number(each["beginning"]), words.number(each["reactivated"])
        found.append(words("stayed", beginning=beginning, period=period, share=words.share(each["retained_share"])))
        found.append(words("crr", crr=words.share(each["crr"]), reactivated=reactivated))
    second = document["second_order"]
    found = found or [words("no-period")]
    if (share := second_share(document)) is not None:
        found.append(words("second", share=words.share(share), days=SECOND_DAYS))
    if half := second["half_of_returning"]:
        found.append(words("half", days=half["days"], within=_span(half["of_days"], words)))
    if len(document["cohorts_average"]) > 1:
        found.append(words("next-month", share=words.share(document["cohorts_average"][1])))
    return found


def periods_table(document: Document, words: Words) -> Table:
    """B, what became of it, E and both rates, period by period."""
    keys, rates = ("beginning", "retained", "new", "reactivated", "ending"), ("crr", "retained_share")
    columns = [words(document["by"]), *map(words, keys), words("crr-short"), words("retained-share")]
    rows = [
        [
            words.period(each["period"]),
            *(words.number(each[key]) for key in keys),
            *(words.share(each[rate]) if each["crr"] is not None else SIGNS.get(each["state"], "–") for rate in rates),
        ]
        for each in document["periods"]
    ]
    return Table(words("periods"), columns, rows, [words("periods-note"), words("periods-signs")])


def cohorts_table(document: Document, words: Words, *, ages: int, pattern: str) -> Table:
    """The share of each cohort that bought again 1, 2, 3 … months later, and all cohorts together.

    `ages`: how many months later at most; `pattern`: how a share is written, without its sign.
    """
    cohorts, unfinished = document["cohorts"], document["unfinished_month"]
    ages = min(ages, max((len(each["shares"]) for each in cohorts), default=1) - 1)
    longest = max((share for each in cohorts for share in each["shares"][1:]), default=0.0) or 1.0
    rows, heat = [], []
    for each in cohorts:
        shares = each["shares"][1 : ages + 1]
        cells = [_bare(share, words, pattern) for share in shares]
        if unfinished and len(each["shares"]) - 1 == len(shares) and cells:
            cells[-1] += "…"
        rows.append([words.period(each["cohort"]), words.number(each["customers"][0]), *_filled(cells, ages)])
        heat.append([0.0, 0.0, *(share / longest for share in shares), *[0.0] * (ages - len(shares))])
    average = [_bare(share, words, pattern) for share in document["cohorts_average"][1 : ages + 1]]
    total = words.number(sum(each["customers"][0] for each in cohorts))
    rows.append([words("all-cohorts"), total, *_filled(average, ages)])
    notes = [words("cohorts-note")]
    if unfinished:
        notes.append(words.sentence("cohorts-unfinished", month=words.period(unfinished)))
    columns = [words("cohort"), words("customers"), *map(str, range(1, ages + 1))]
    return Table(words("cohorts-chart"), columns, rows, notes, [*heat, [0.0] * len(columns)])


def _bare(share: float, words: Words, pattern: str) -> str:
    """A share in per cent without the sign: it would be in every cell."""
    return words.share(share, pattern).rstrip("%").rstrip("\u00a0")


def _filled(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def second_table(document: Document, words: Words) -> Table:
    """The share that orders again within 30, 60, 90 … days."""
    second = document["second_order"]
    rows = [
        [
            words("days", n=each["days"]),
            words("not-known") if each["share"] is None else words.share(each["share"]),
        ]
        for each in second["within"]
    ]
    customers, returned = words.number(second["customers"]), words.number(second["returned"])
    note = words("second-note", customers=customers, returned=returned)
    return Table(words("second-order"), [words("within"), words("ordered-again")], rows, [note])


def flow_to_tell(document: Document) -> Document | None:
    """The movement that covers the most days: the last whole period, as soon as all of it was watched."""

    def days(flow: Document) -> int:
        return (date.fromisoformat(flow["to"]) - date.fromisoformat(flow["from"])).days

    return max(document["flows"], key=days, default=None)


def flow_title(flow: Document, words: Words) -> str:
    """The period of a movement, with its days."""
    return words.sentence(
        "flows-period",
        period=words.period(flow["period"]),
        begin=words.day(flow["from"]),
        end=words.day(flow["to"]),
    )


def segments_table(flow: Document, words: Words) -> Table:
    """How many were in each segment, joined, left, and were in it at the end."""
    columns = [words(key) for key in ("segment", "flow-beginning", "joined", "left", "flow-ending")]
    rows = [
        [
            each["name"],
            words.number(each["beginning"]),
            f"+{words.number(each['joined'])}",
            f"−{words.number(each['left'])}",
            words.number(each["ending"]),
        ]
        for each in flow["segments"]
    ]
    return Table(flow_title(flow, words), columns, rows)


def ladder_tables(flow: Document, words: Words) -> list[Table]:
    """For each ladder, from which segment to which so many customers moved."""
    return [_ladder_table(ladder, words, is_last=ladder is flow["ladders"][-1]) for ladder in flow["ladders"]]


def _ladder_table(ladder: Document, words: Words, *, is_last: bool) -> Table:
    names = [words.segment(rung) for rung in ladder["rungs"]]
    rows = [
        [name, *(words.number(count) if count else "·" for count in counts)]
        for name, counts in zip(names, ladder["customers"], strict=True)
    ]
    columns = [f"{words('from')} ↓  {words('to')} →", *names]
    return Table(words("ladder"), columns, rows, [words("ladder-note")] if is_last else [])
