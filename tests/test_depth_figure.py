"""The figure of Section 4: what it trains, and that it draws its table."""

import dataclasses
import math

import depth
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from test_all_figures import drawn, trained

from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.scripts import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_runs_of_the_figure(preset):
    wanted = depth.runs(Request(preset, 3))
    assert len(set(wanted[depth.GRID])) == len(depth.MEANS) * len(depth.LOG10_SPREADS)
    assert [dataclasses.replace(config, tune=()) for config in wanted[depth.TUNED]] == wanted[depth.FIXED]
    assert {config.seed for configs in wanted.values() for config in configs} == {3}
    assert all(0 <= config.mean <= 7 and abs(config.log_spread) < 3.3 for config in wanted[depth.FIXED])


def test_figure_draws_its_table():
    figure, table, caption = drawn("depth")
    grids = [axes for axes in figure.axes if any(isinstance(c, QuadMesh) for c in axes.collections) and axes.lines]
    paths = table[table["kind"] == "path"].groupby("run")
    assert paths.ngroups == len(trained("depth")[depth.TUNED])
    for axes, quantity in zip(grids, depth.QUANTITIES, strict=True):
        cells = table[table["kind"] == "grid"].pivot(index="log10_v", columns="m", values=quantity).to_numpy()
        (mesh,) = (c for c in axes.collections if isinstance(c, QuadMesh))
        np.testing.assert_allclose(np.ma.getdata(mesh.get_array()).reshape(cells.shape), cells)
        lines = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) > 1]
        for (_, path), line in zip(paths, lines[::2], strict=True):
            np.testing.assert_allclose(line, path[["m", "log10_v"]])
    strength = next(axes for axes in figure.axes if axes.get_xlabel() == "epoch")
    for (_, path), line in zip(paths, strength.lines, strict=True):
        np.testing.assert_allclose(line.get_xydata(), path[["epoch", "largest"]])
    compared = depth.compare(table)
    tuned = table[table["kind"] == "tuned by T1-T2"]
    assert compared["highest"][1] == f"{tuned['test_error'].max():.2f}%"
    assert f"{tuned['test_error'].median():.1f}% tuned" in caption


def test_run_that_diverged_is_grey_and_is_not_trained_anew():
    runs = dict(trained("depth"))
    for part in (depth.GRID, depth.TUNED):
        lost = runs[part][0]
        ends = {name: math.nan if name.endswith("cost") else value for name, value in lost.final.items()}
        runs[part] = [dataclasses.replace(lost, final=ends), *runs[part][1:]]
    assert len(depth.reruns(runs)[depth.RERUN]) == len(runs[depth.TUNED]) - 1
    figure, table, caption = depth.draw(runs, "quick", None)
    assert "2 of 93 runs diverged (grey" in caption
    assert table[table["kind"] == "grid"]["test_error"].isna().sum() == 1
    meshes = [
        c for axes in figure.axes for c in axes.collections if isinstance(c, QuadMesh) and c.get_array().size == 75
    ]
    assert [int(np.ma.getmaskarray(np.ma.masked_invalid(mesh.get_array())).sum()) for mesh in meshes] == [1, 1]
