"""Grids of fixed hyperparameters as surfaces: what a quantity is between the cells, ours and the paper's."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import fig1
import numpy as np
import pandas as pd
from scipy.interpolate import RegularGridInterpolator

from t1t2_pt.runs.record import StoredRun


@dataclasses.dataclass(frozen=True)
class Grid:
    """A quantity in cells: `values` [len(y), len(n0)], NaN where a run diverged."""

    n0: np.ndarray
    y: np.ndarray
    values: np.ndarray

    def at(self, n0: float, y: float) -> float:
        """Between the cells, linearly in both directions; beyond the grid what its edge has.

        NaN beside a run that diverged, and for NaN.
        """
        place = np.clip(y, self.y[0], self.y[-1]), np.clip(n0, self.n0[0], self.n0[-1])
        return float(RegularGridInterpolator((self.y, self.n0), self.values, bounds_error=False)(place).item())

    def lowest(self) -> float:
        """The lowest value of a cell."""
        return float(np.nanmin(self.values))

    def lowest_cell(self) -> tuple[int, int]:
        """Row and column of that cell."""
        row, column = divmod(int(np.nanargmin(self.values)), self.values.shape[1])
        return row, column

    def share_below(self, value: float) -> float:
        """The share of cells with a lower value, of those that did not diverge."""
        known = self.values[np.isfinite(self.values)]
        return float((known < value).mean())

    def cells(self) -> dict[tuple[float, float], float]:
        """Values by (n0, y)."""
        table = pd.DataFrame(self.values, index=self.y, columns=self.n0)
        return {(n0, y): float(table.loc[y, n0]) for y in table.index for n0 in table.columns}


def of_runs(panel: str, runs: Sequence[StoredRun], quantity: str = "test_cost") -> Grid:
    """The grid of a panel of Figure 1, of `test_cost` or `test_error`."""
    table = pd.DataFrame(fig1.grid_rows(panel, fig1.PANELS[panel], runs))
    return _grid(table.pivot(index="y", columns="n0", values=quantity))


def published(folder: Path, panel: str) -> Grid:
    """The paper's grid of that panel; costs in the unit of its colour bar."""
    return _grid(fig1.paper_grid(folder, panel))


def average(grids: Sequence[Grid]) -> Grid:
    """The mean of grids on the same axes, of the runs that did not diverge."""
    return dataclasses.replace(grids[0], values=np.nanmean([grid.values for grid in grids], axis=0))


def _grid(cells: pd.DataFrame) -> Grid:
    return Grid(cells.columns.to_numpy(float), cells.index.to_numpy(float), cells.to_numpy(float))
