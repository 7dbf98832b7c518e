"""Grids of fixed hyperparameters and the paths of tuned ones over them, as plain SVG with a slider of the epochs.

Every cell says its value when pointed at. Without a script the whole paths are shown.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, to_hex

from t1t2_pt.plotting.style import GRID_COLOURS

SIZE, LEFT, TOP = 300, 56, 26  # of the square inside the axes, and where it lies, in units of the view box
WIDTH, HEIGHT = LEFT + SIZE + 12, TOP + SIZE + 46
DIVERGED = "#999999"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A rectangle in units of the view box, and what it says."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    says: str


@dataclasses.dataclass(frozen=True)
class Path:
    """Places by epoch, in units of the view box."""

    epochs: tuple[int, ...]
    places: tuple[tuple[float, float], ...]
    says: str


@dataclasses.dataclass(frozen=True)
class Landscape:
    """A square of cells with paths over it and its axes; a tick is its text and its place along the axis."""

    title: str
    x: str
    y: str
    x_ticks: tuple[tuple[str, float], ...]
    y_ticks: tuple[tuple[str, float], ...]
    cells: tuple[Cell, ...]
    paths: tuple[Path, ...]
    starts: tuple[tuple[float, float], ...] = ()
    ends: tuple[tuple[float, float], ...] = ()
    of_paper: bool = False


def landscape(
    title: str,
    labels: tuple[str, str],
    grid: pd.DataFrame,
    paths: Mapping[str, pd.DataFrame],
    markers: Mapping[str, pd.DataFrame],
    of_paper: bool = False,
) -> Landscape:
    """A panel, coloured by the logarithm of its cells.

    Parameters
    ----------
    labels
        Of the axes.
    grid
        Values by `y` (rows) and `x` (columns); NaN: diverged.
    paths
        By what is said of them, columns `epoch`, `x` and `y`.
    markers
        Of the paper's runs, columns `x` and `y`, as `starts` and `ends`; or none.
    of_paper
        Whether the whole panel is the paper's own.
    """
    across, up = _edges(grid.columns), _edges(grid.index)
    values = grid.to_numpy(float)
    norm = LogNorm(float(np.min(values[values > 0])), float(np.nanmax(values)), clip=True)
    colours = matplotlib.colormaps[GRID_COLOURS]

    def place(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + _along(x, across), 1), round(TOP + SIZE - _along(y, up), 1)

    cells = []
    for row, y in enumerate(grid.index):
        for column, x in enumerate(grid.columns):
            left, top = place(across[column], up[row + 1])
            right, bottom = place(across[column + 1], up[row])
            value = values[row, column]
            colour = to_hex(colours(norm(value))) if math.isfinite(value) else DIVERGED
            says = f"{x:g}, {y:g}: {value:.3g}" if math.isfinite(value) else f"{x:g}, {y:g}: diverged"
            size = round(right - left, 1), round(bottom - top, 1)
            cells.append(Cell(left, top, *size, colour, says))

    def places(table: pd.DataFrame) -> tuple[tuple[float, float], ...]:
        return tuple(place(x, y) for x, y in zip(table["x"], table["y"], strict=True))

    return Landscape(
        title,
        *labels,
        x_ticks=tuple((f"{x:g}", _along(x, across)) for x in _few(grid.columns)),
        y_ticks=tuple((f"{y:g}", _along(y, up)) for y in _few(grid.index)),
        cells=tuple(cells),
        paths=tuple(
            Path(tuple(int(epoch) for epoch in table["epoch"]), places(table), says) for says, table in paths.items()
        ),
        starts=places(markers["starts"]) if markers else (),
        ends=places(markers["ends"]) if markers else (),
        of_paper=of_paper,
    )


def _edges(centres: Sequence[float] | pd.Index) -> np.ndarray:
    """Where cells end that have these centres, half-way between them."""
    middle = np.asarray(centres, float)
    between = (middle[1:] + middle[:-1]) / 2
    return np.concatenate([[2 * middle[0] - between[0]], between, [2 * middle[-1] - between[-1]]])


def _along(value: float, edges: np.ndarray) -> float:
    """How far along an axis, which nothing leaves."""
    inside = min(max(float(value), edges[0]), edges[-1])
    return round(SIZE * float((inside - edges[0]) / (edges[-1] - edges[0])), 1)


def _few(values: Sequence[float] | pd.Index) -> list[float]:
    """At most six of an axis' values."""
    step = math.ceil(len(values) / 6)
    return [float(value) for value in list(values)[::step]]
