"""`--plan`: what is counted, what is measured, and that nothing is trained."""

import contextlib
import dataclasses
import json
import sqlite3

import depth
import fig1
import fig4
import fig7
import pytest
import setups
from conftest import need
from test_figures import stored

from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.plotting import planned as shown
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.parts import Part, Stage
from t1t2_pt.plotting.scripts import main
from t1t2_pt.steps.step import make_network
from t1t2_pt.sweeps import planning as module
from t1t2_pt.sweeps.planning import Planned, StepTimes, measure, plan
from t1t2_pt.sweeps.reruns import rerun_config
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.system.errors import InputError

TIMES = StepTimes(t1=1.0, t1t2=3.0, sample=0.001)
pytestmark = pytest.mark.xdist_group("planning")


@pytest.fixture
def sweep(store, monkeypatch):
    """One that trains nothing, with times that nobody measured; `measured` has the sizes of the populations."""
    monkeypatch.setattr("t1t2_pt.sweeps.work.train", None)  # would fail if called
    found = Sweep(store, get_backend("auto"), quiet=True)
    found.measured = []
    monkeypatch.setattr(module, "busy", lambda: False)

    def measured(config, network, size, backend):
        found.measured.append(size)
        return TIMES

    monkeypatch.setattr(module, "measure", measured)
    return found


def flat(parts):
    return [config for configs in parts.values() for config in configs]


def tuned(parts):
    return [config for part, configs in parts.items() if part.stage is Stage.TUNED for config in configs]


def test_counts_of_a_figure(sweep):
    """Fixed, tuned, and as many reruns, in the populations that would train."""
    wanted = setups.runs(Request(datasets=("mnist",)))
    rows, known = plan(sweep, flat(wanted), tuned(wanted))
    assert known == 0
    each = len(tuned(wanted))
    assert sum(row.runs for row in rows) == 3 * each == 90
    assert sum(row.updates for row in rows) == sum(config.steps for config in flat(wanted)) * 3 // 2
    assert set(sweep.measured) == {6}
    assert sweep.store.all() == []


def test_time_of_a_run(sweep):
    """By hand: a second for each step, two more for each of the tuned, and a millisecond for each sample evaluated."""
    config = run_config(
        hidden=(5,),
        t1_samples=1000,
        t2_samples=500,
        epochs=6,
        interval=5,
        tune_after=2,
        input_noise=0.1,
        tune=["input_noise"],
    )
    (row,), _ = plan(sweep, [config], [])
    assert row.seconds == pytest.approx(60 * 1 + 40 / 5 * 2 + 6 * 11.5)
    (row,), _ = plan(sweep, [dataclasses.replace(config, evaluate_every=0)], [])
    assert row.seconds == pytest.approx(60 * 1 + 40 / 5 * 2 + 11.5)
    (row,), _ = plan(sweep, [dataclasses.replace(config, tune=())], [])
    assert row.seconds == pytest.approx(60 + 6 * 11.5)


def test_backend_that_trains_one_after_another(sweep, monkeypatch):
    monkeypatch.setattr(type(sweep.backend), "together", False)
    configs = [run_config(hidden=(5,), t1_samples=1000, epochs=2, evaluate_every=0, seed=seed) for seed in range(3)]
    (row,), _ = plan(sweep, configs, [])
    assert row.seconds == pytest.approx(3 * (20 + 16))
    assert sweep.measured == [1]


def test_what_is_stored_is_not_planned(sweep):
    wanted = setups.runs(Request(datasets=("mnist",)))
    runs = stored("quick", wanted)
    sweep.store.put([run for some in runs.values() for run in some])
    again = [rerun_config(run) for part, some in runs.items() if part.stage is Stage.TUNED for run in some]
    rows, known = plan(sweep, flat(wanted), tuned(wanted))
    assert (sum(row.runs for row in rows), known) == (len(again), 60)
    sweep.store.put(stored("quick", {Part(Stage.RERUN): again})[Part(Stage.RERUN)])
    assert plan(sweep, flat(wanted), tuned(wanted)) == ([], 90)


def test_is_measured_once(sweep):
    config = run_config(hidden=(5,), t1_samples=1000, epochs=2)
    for _ in range(2):
        plan(sweep, [config], [])
    assert len(sweep.measured) == 1
    with contextlib.closing(sqlite3.connect(sweep.store.path)) as connection:
        ((text,),) = connection.execute("SELECT times FROM step_times").fetchall()
    assert StepTimes(**json.loads(text)) == TIMES
    sweep.recompute = True
    plan(sweep, [config], [])
    assert len(sweep.measured) == 2


def test_times_of_a_busy_machine_are_not_kept(sweep, monkeypatch, capsys):
    monkeypatch.setattr(module, "busy", lambda: True)
    monkeypatch.setattr(shown, "busy", lambda: True)
    for _ in range(2):
        planned = plan(sweep, [run_config(hidden=(5,), t1_samples=1000, epochs=2)], [])
    assert len(sweep.measured) == 2
    shown.show_plan("quick", *planned)
    assert capsys.readouterr().out.splitlines()[-1] == "Others use its cores now: alone it would take less."


def test_more_takes_more(sweep):
    def one(**fields):
        (row,), _ = plan(sweep, [run_config(hidden=(50,), **fields)], [])
        return row

    assert one(epochs=200).seconds < one().seconds
    assert one(t1_samples=10_000).size < one().size
    assert one().size < one(hidden_noise=None, batch_size=3000).size


def test_runs_that_do_not_fit_are_told(sweep, monkeypatch):
    monkeypatch.setattr(type(sweep.backend), "available_memory", lambda self: 1000)
    with pytest.raises(InputError, match=r"of memory, where 1 kB can be had"):
        plan(sweep, [run_config()], [])


@pytest.mark.parametrize("name", ["jax", pytest.param("numba", marks=pytest.mark.slow)])
@pytest.mark.parametrize("tune", [(), ("input_noise",)])
def test_measures_on_a_backend(name, tune):
    config = run_config(hidden=(8,), input_noise=0.1, tune=tune)
    found = measure(config, make_network(config, (12,), 3), 2, need(name), turn=0.01)
    assert min(found.t1, found.t1t2, found.sample) > 0
    assert tune or found.t1 == found.t1t2


def test_scripts_show_it(sweep, tmp_path, monkeypatch, capsys):
    """Nothing is trained or drawn."""
    monkeypatch.setattr(module, "measure", lambda *arguments: TIMES)
    options = [
        "--plan",
        "--store",
        str(tmp_path / "runs.sqlite"),
        "--out",
        str(tmp_path / "out"),
        "--datasets",
        "mnist",
    ]
    for script, runs in ((fig7.SCRIPT, 72), (fig1.SCRIPT, 84), (fig4.SCRIPT, 90)):
        assert main(script, options) == 0
        out = capsys.readouterr().out
        assert f"Preset quick: {runs} runs to train, {runs * 1000:,} updates; 0 are in the store." in out
        assert "nothing was trained" in out
        assert "64-64-64, batch norm" in out
    assert not (tmp_path / "out").exists()


def test_runs_of_depth(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("t1t2_pt.sweeps.depth_sweep.step_times", lambda config, program: (0.5, 1.0))
    assert main(depth.SCRIPT, ["--plan", "--store", str(tmp_path / "runs.sqlite")]) == 0
    out = capsys.readouterr().out
    runs = depth.runs(Request())
    steps = runs[depth.GRID][0].steps
    assert f"Preset quick: {len(flat(runs)) + 6} runs to train, {93 * steps:,} updates" in out
    assert shown.duration((87 * 0.5 + 6) * steps) in out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 seconds"), (89, "89 seconds"), (90, "1.5 minutes"), (5400, "1.5 hours"), (129600, "1.5 days")],
)
def test_durations(seconds, text):
    assert shown.duration(seconds) == text


def test_nothing_to_do(capsys):
    shown.show_plan("quick", [], 3)
    assert capsys.readouterr().out == "Preset quick: 0 runs to train, 0 updates; 3 are in the store.\n"
    shown.show_plan("quick", [Planned(("mnist", "1", "5", "2"), 2, 4, 8.0, 10**9)], 0)
    assert "2e+03" in capsys.readouterr().out
