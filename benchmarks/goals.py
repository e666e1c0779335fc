"""What was measured against what it has to reach: the rows, the table, the verdict.

Pure: it measures nothing. Ratios are what counts, for every figure of a row is of the same run on the same machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

HEAD = ("work", "size", "ours", "wall", "peer", "floor or limit", "ratio", "goal", "")


class Row(Struct, frozen=True, kw_only=True):
    """One figure of ours, in `unit`, beside the same of a peer, and a floor or limit.

    The ratio is ours to the peer's, or where none does the work to the floor or limit. One of `at_most` and `at_least`
    says which ratio is the goal; none where the row only tells. `wall_seconds` is what ours took by the clock, where
    that was measured.
    """

    work: str
    size: str
    unit: str
    ours: float
    peer: float | None = None
    limit: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    wall_seconds: float | None = None

    @property
    def ratio(self) -> float:
        """Ours to what it is compared with. Zero of nothing is as it should be."""
        against = self.limit if self.peer is None else self.peer
        assert against is not None
        return self.ours / against if against else float(self.ours > 0)

    @property
    def has_goal(self) -> bool:
        """Whether the row can be missed."""
        return self.at_most is not None or self.at_least is not None

    @property
    def goal(self) -> str:
        """In signs: `≤ 0.25`."""
        if not self.has_goal:
            return ""
        return f"≥ {self.at_least:.3g}" if self.at_most is None else f"≤ {self.at_most:.3g}"

    @property
    def reached(self) -> bool:
        """Whether the ratio is as good as the goal, or better."""
        if self.at_most is not None:
            return self.ratio <= self.at_most
        return self.at_least is None or self.ratio >= self.at_least

    def cells(self) -> tuple[str, ...]:
        """The row as the table shows it."""
        ours, wall = figure(self.ours, self.unit), figure(self.wall_seconds, "s")
        others = (figure(self.peer, self.unit), figure(self.limit, self.unit))
        return (
            self.work,
            self.size,
            ours,
            wall,
            *others,
            f"{self.ratio:.2f}",
            self.goal,
            "" if not self.has_goal else "reached" if self.reached else "MISSED",
        )


def figure(value: float | None, unit: str) -> str:
    """The figure with three digits that count, and its unit; nothing for none."""
    if value is None:
        return ""
    places = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{places}f} {unit}"


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown, so that it reads well on a terminal and in the docs."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([shown[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *shown[1:]])


def summary(rows: Sequence[Row]) -> str:
    """The last line: `9 of 12 goals reached`."""
    goals = [row for row in rows if row.has_goal]
    return f"{sum(row.reached for row in goals)} of {len(goals)} goals reached"


def document(rows: Sequence[Row], machine: dict[str, Any]) -> dict[str, Any]:
    """All of it, to be written as JSON."""
    shown = [asdict(row) | {"ratio": row.ratio, "goal": row.goal, "reached": row.reached} for row in rows]
    return {"machine": machine, "rows": shown, "summary": summary(rows)}
