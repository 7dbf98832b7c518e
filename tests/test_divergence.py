"""Divergence is a result: stored with its epoch and reason, and drawn as such."""

import dataclasses
import math

import everything
import matplotlib
import numpy as np
import pytest
from conftest import TINY, make_tiny_split
from matplotlib.collections import QuadMesh
from test_all_figures import TIMING, trained

from t1t2_pt.backends import get_backend
from t1t2_pt.config import replace, run_config
from t1t2_pt.plotting.parts import Part, Stage
from t1t2_pt.plotting.style import STYLE
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps import work
from t1t2_pt.sweeps.sweep import Sweep

SCRIPTS = {script.name: script for script in everything.SCRIPTS}
PARTS = {
    "fig1": Part(Stage.GRID, "left"),
    "fig2": Part(Stage.TUNED),
    "fig4": Part(Stage.RERUN, "mnist", "M0"),
    "fig7": Part(Stage.GRID, "left"),
    "cost": Part(Stage.TUNED, setup=10),
    "spacetime": Part(Stage.FIXED),
}


def lost(run, epoch=3):
    """The run as it would be stored if it had diverged."""
    history = {}
    for name, column in run.history.items():
        kept = column[: epoch + 1]
        history[name] = [*kept[:-1], math.inf] if "cost" in name else kept
    final = {name: column[-1] for name, column in history.items()} | {"diverged_at": float(epoch)}
    return dataclasses.replace(run, status="diverged", history=history, final=final)


def drawn(name):
    """A figure with one diverged run."""
    runs = dict(trained(name))
    part = PARTS[name]
    runs[part] = [lost(runs[part][0]), *runs[part][1:]]
    timing = [TIMING] if SCRIPTS[name].timed else []
    with matplotlib.rc_context(STYLE):
        figure, table, caption = SCRIPTS[name].draw(runs, "quick", None, *timing)
        figure.canvas.draw()
    return figure, table, caption


@pytest.mark.parametrize("name", PARTS)
def test_caption_says_so(name):
    caption = drawn(name)[2]
    assert "1 of " in caption
    assert "runs diverged (" in caption
    assert "diverged" not in SCRIPTS[name].draw(trained(name), "quick", None, *[TIMING] * bool(SCRIPTS[name].timed))[2]


@pytest.mark.parametrize(("name", "meshes"), [("fig1", 1), ("fig7", 2)])
def test_cells_are_grey(name, meshes):
    figure, table, _ = drawn(name)
    cells = [
        c for axes in figure.axes for c in axes.collections if isinstance(c, QuadMesh) and c.get_array().size == 36
    ]
    hidden = [int(np.ma.getmaskarray(np.ma.masked_invalid(mesh.get_array())).sum()) for mesh in cells]
    assert sorted(hidden)[-meshes:] == [1] * meshes
    assert sum(hidden) == meshes
    assert table["test_cost"][table["kind"] == "grid"].isna().sum() == 1


def test_start_is_crossed():
    figure, table, _ = drawn("fig4")
    (cross,) = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert len(cross.get_xdata()) == 1
    assert cross.get_ydata()[0] == figure.axes[0].get_ylim()[1]
    assert table["y"].isna().sum() == 1


def test_curves_end():
    _, table, _ = drawn("fig2")
    lengths = table.groupby(["run", "start"])["epoch"].max()
    assert lengths["tuned"].tolist().count(3) == 1
    assert set(lengths["fixed"]) == {150}


@pytest.mark.xdist_group("sweep")
def test_sweep_goes_on_and_stores_epoch_and_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "make_split", lambda *key: make_tiny_split())
    sound = run_config(**TINY, input_noise=0.1, optimizer="sgd", gradient_norm=None, batch_norm=False)
    broken = replace(sound, learning_rate=1e38)
    runs = Sweep(RunStore(tmp_path / "runs.sqlite"), get_backend("auto"), quiet=True).run([broken, sound])
    again = RunStore(tmp_path / "runs.sqlite").get_all([broken, sound])
    assert [run.status for run in runs] == ["diverged", "finished"]
    stored = again[broken]
    assert stored.final["diverged_at"] in (1, 2)
    assert stored.provenance["diverged"].startswith("train_cost was ")
    assert stored.provenance["diverged"].endswith(f"in epoch {stored.final['diverged_at']:g}")
    assert sum(stored.history["repaired_gradients"][1:]) > 0
