"""Points against equal logarithmic axes as plain SVG on the page, each of which says what it is when pointed at."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from t1t2_pt.plotting.style import COLOURS, round_ticks

SIZE, LEFT, TOP = 300, 62, 26  # of the square inside the axes, and where it lies, in units of the view box
WIDTH, HEIGHT = LEFT + SIZE + 12, TOP + SIZE + 46
# Outlines about (0, 0) of the markers of the figures, by matplotlib's names of them.
SHAPES = {
    "o": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "^": "m0-5l4.6 8.4h-9.2z",
    "s": "m-3.7-3.7h7.4v7.4h-7.4z",
    "D": "m0-5l5 5-5 5-5-5z",
    "v": "m0 5l4.6-8.4h-9.2z",
    "P": "m-1.7-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
    "*": "m0-6l1.5 4h4.3l-3.4 2.6 1.3 4.1-3.7-2.5-3.7 2.5 1.3-4.1-3.4-2.6h4.3z",
    "X": "m-5-2.6l2.4-2.4 2.6 2.6 2.6-2.6 2.4 2.4-2.6 2.6 2.6 2.6-2.4 2.4-2.6-2.6-2.6 2.6-2.4-2.4 2.6-2.6z",
}


@dataclasses.dataclass(frozen=True)
class Point:
    """A marker in units of the view box, from its left and upper edge, and what it says."""

    x: float
    y: float
    says: str


@dataclasses.dataclass(frozen=True)
class Group:
    """Points with one marker, by their name in the legend."""

    label: str
    shape: str
    colour: str
    points: tuple[Point, ...]


@dataclasses.dataclass(frozen=True)
class Panel:
    """A square of points with its axes; `paper` are the paper's own."""

    title: str
    x: str
    y: str
    ticks: tuple[tuple[str, float], ...]
    groups: tuple[Group, ...]
    paper: tuple[Point, ...]


def panel(
    title: str, labels: tuple[str, str], groups: Mapping[str, pd.DataFrame], markers: Iterable[str], paper: pd.DataFrame
) -> Panel:
    """A panel of points in percent.

    Parameters
    ----------
    labels
        Of the axes.
    groups
        By the name in the legend the points, as columns `x`, `y` (NaN: diverged, drawn at the ends of the axes) and
        `says`.
    paper
        The paper's own points, likewise.
    """
    whole = [table for table in (*groups.values(), paper) if len(table)]
    values = pd.concat([table[["x", "y"]] for table in whole]).to_numpy(float)
    low, high = 0.9 * float(values[values > 0].min()), 1.1 * float(values[values < math.inf].max())

    def along(value: float) -> float:
        inside = min(max(value, low), high) if value == value else high
        return round(SIZE * math.log(inside / low) / math.log(high / low), 1)

    def points(table: pd.DataFrame) -> tuple[Point, ...]:
        rows: Sequence = list(zip(table["x"], table["y"], table["says"], strict=True))
        return tuple(Point(round(LEFT + along(x), 1), round(TOP + SIZE - along(y), 1), says) for x, y, says in rows)

    return Panel(
        title,
        *labels,
        ticks=tuple((f"{tick:g}", along(tick)) for tick in round_ticks(low, high)),
        groups=tuple(
            Group(name, SHAPES[marker], COLOURS[place], points(table))
            for place, ((name, table), marker) in enumerate(zip(groups.items(), markers, strict=False))
        ),
        paper=points(paper),
    )
