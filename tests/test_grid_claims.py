"""Grids as surfaces, and the claims that compare runs with them or across seeds."""

import dataclasses

import claims
import claims_of_grids
import grids
import numpy as np
import pandas as pd
import pytest
import rerun
import setups
from conftest import ROOT
from grids import Grid
from test_figures import stored

from t1t2_pt.plotting.claims import FAILS, OPEN, read_claims
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.parts import Stage
from t1t2_pt.plotting.scripts import REFERENCE

REGISTERED = read_claims(claims.REGISTERED)
GRID = Grid(np.array([0.0, 1.0]), np.array([0.0, 2.0, 4.0]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]]))
OF = {"preset": "quick", "data": "MNIST"}


class TestGrid:
    def test_between_and_beyond_the_cells(self):
        assert GRID.at(0.5, 1.0) == 2.5
        assert GRID.at(0.0, 1.5) == 2.5
        assert GRID.at(-1.0, -7.0) == 1.0
        assert np.isnan(GRID.at(0.9, 3.9))

    def test_what_diverged_is_no_cell(self):
        assert GRID.lowest() == 1
        assert GRID.lowest_cell() == (0, 0)
        assert GRID.share_below(3.5) == 3 / 5
        assert len(GRID.cells()) == 6
        assert GRID.cells()[1.0, 2.0] == 4

    @pytest.mark.parametrize(("panel", "cells"), [("left", 88), ("right", 121)])
    def test_published(self, panel, cells):
        grid = grids.published(REFERENCE, panel)
        assert grid.values.size == cells
        table = pd.read_csv(ROOT / "data" / "reference" / f"mnist_fig1_{panel}_grid.csv")
        n0, y, cost = table.iloc[40]
        assert grid.at(n0, y) == pytest.approx(cost)


def test_ends_are_counted_where_the_grid_says():
    """An end in a good place, one in a bad place, and one that diverged, which is no good place either."""
    ends = [(0.0, 0.0), (0.5, 1.0), (np.nan, np.nan)]
    rows = list(claims_of_grids._of_ends(REGISTERED, [(GRID, ends)], OF))
    assert [row.claim for row in rows] == [REGISTERED[name].claim for name in ("all-converge", "within-optimal-region")]
    assert rows[0].estimate.value == pytest.approx(2 / 3)
    assert rows[0].verdict == FAILS
    assert rows[1].estimate.value == 2 / 5
    assert rows[1].verdict == OPEN


class TestMinima:
    def grid(self, values):
        return Grid(np.arange(2.0), np.arange(2.0), np.array(values, float).reshape(2, 2))

    def test_seed_held_out_does_not_choose(self):
        """One seed's own lowest cells count for nothing in its own comparison."""
        costs = [self.grid([1, 2, 3, 4])] * 3
        errors = [self.grid([0.3, 0.1, 0.4, 0.5]), self.grid([0.4, 0.1, 0.4, 0.5]), self.grid([0.0, 0.1, 0.4, 0.5])]
        row = claims_of_grids._of_minima(REGISTERED, costs, errors, OF)
        assert row.estimate.value == pytest.approx(np.mean([20, 30, -10]))
        assert row.verdict == OPEN

    def test_one_seed_is_undecided(self):
        row = claims_of_grids._of_minima(REGISTERED, [self.grid([1, 2, 3, 4])], [self.grid([4, 3, 2, 1])], OF)
        assert "one seed: undecided" in row.ours
        assert row.verdict == OPEN


def test_poor_starts_are_not_chosen_by_the_error_that_is_compared():
    """Another error of a start itself leaves it poor or not; other errors of the other seeds do not."""
    runs = stored("rerun-quick", rerun.runs(Request()))
    runs |= stored("rerun-quick", setups.reruns(runs))
    poor = rerun.tabulate(runs)["poor"]
    part = next(part for part in runs if part.stage is Stage.FIXED)

    def worse(some):
        return [dataclasses.replace(run, final={**run.final, "test_error": 0.9}) for run in some]

    assert rerun.tabulate({**runs, part: worse(runs[part])})["poor"].equals(poor)
    own = {one: worse(some) for one, some in runs.items() if one == part.at(Stage.GRID)}
    changed = rerun.tabulate({**runs, **own})
    of_seed = (changed["panel"] == part.panel) & (changed["seed"] == part.setup)
    assert changed["poor"][of_seed].equals(poor[of_seed])
    half = {
        one: [*worse(some[:18]), *some[18:]] for one, some in runs.items() if one.stage is Stage.GRID and one != part
    }
    assert not rerun.tabulate({**runs, **half})["poor"].equals(poor)
