"""Every figure from the stored quick runs: image, table, caption, and what was committed."""

import functools
import importlib
import json
from dataclasses import replace

import cost
import everything
import evolution
import fig3
import matplotlib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.collections import QuadMesh
from scipy.stats import spearmanr
from test_figures import curves, digest, kept, stored

from t1t2_pt.backends import get_backend
from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.hyperparameter_paths import read_path
from t1t2_pt.plotting.parts import Part, Stage
from t1t2_pt.plotting.scripts import REFERENCE, main_of_all
from t1t2_pt.plotting.style import PAPER, STYLE, new_figure
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.depth_sweep import DEPTH_RUNS
from t1t2_pt.sweeps.timing import Timing, store_timing

TIMING = Timing.from_dict(json.loads((ROOT / "data" / "results" / "timing.json").read_text()))
DEPTHS = ROOT / "data" / "results" / "depth"
SCRIPTS = {script.name: script for script in everything.SCRIPTS}
PICTURES = [name for name, script in SCRIPTS.items() if not script.only_stored]
SCATTERS = {
    "fig4": (Stage.FIXED, Stage.RERUN),
    "fig5": (Stage.TUNED, Stage.RERUN),
    "fig6": (Stage.TUNED, Stage.TUNED),
}


@functools.cache
def trained(name, preset="quick"):
    """The committed runs of a figure, by part; at the laptop preset MNIST's, or SVHN's where the figure is of one."""
    script = SCRIPTS[name]
    if script.only_stored:
        return {
            replace(part, preset=one): runs
            for one in ("quick", "laptop", "overnight")
            for part, runs in there(script, one).items()
        }
    dataset = "svhn" if name in ("fig2", "fig3") else "mnist"
    request = Request(preset) if preset == "quick" else at(preset, dataset)
    known = stored if script.trainer is None else kept_depths
    runs = known(preset, script.runs(request))
    if script.reruns is not None:
        runs |= known(preset, script.reruns(runs))
    return runs


def at(preset, *datasets):
    """A request for a preset, with as many samples as the committed runs used."""
    used = [run.config for run in kept(preset).values()]
    datasets = [name for name in datasets if name in {config.dataset for config in used}]
    samples = {name: max(c.t1_samples + c.t2_samples for c in used if c.dataset == name) for name in datasets}
    return Request(preset, datasets=tuple(datasets), samples=samples)


def kept_depths(preset, wanted):
    """As `stored`, of runs of continuous depth."""
    runs = {run.digest: run for run in DEPTH_RUNS.read(DEPTHS / f"{preset}.jsonl.gz")}
    return {
        part: [runs[replace(config, data=DATASETS[config.dataset].fingerprint).digest()] for config in configs]
        for part, configs in wanted.items()
    }


def there(script, preset):
    """The parts of a preset whose runs are committed."""
    known = kept(preset) | (kept("rerun-quick") if preset == "quick" else {})

    def whole(parts):
        wanted = {part: [digest(config) for config in some] for part, some in parts.items()}
        return {part: [known[one] for one in some] for part, some in wanted.items() if set(some) <= set(known)}

    requests = [Request(preset)] if preset == "quick" else [at(preset, "mnist"), at(preset, "svhn")]
    found = {}
    for request in requests:
        found |= whole(script.runs(request))
    if preset == "laptop":
        found = {part: found[part] for part in script.runs(at("laptop", "mnist", "svhn")) if part in found}
    return found | whole(script.reruns(found))


def drawn(name, preset="quick", reference=None):
    with matplotlib.rc_context(STYLE):
        timing = [TIMING] if SCRIPTS[name].timed is not None else []
        return SCRIPTS[name].draw(trained(name, preset), preset, reference, *timing)


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "fig1"])
@pytest.mark.mpl_image_compare(savefig_kwargs={"dpi": 60}, style="default", tolerance=2)
def test_image(name):
    return drawn(name, reference=REFERENCE)[0]


@pytest.mark.parametrize("name", SCRIPTS)
def test_committed_table_is_drawn_from_committed_runs(name):
    written = pd.read_csv(ROOT / "figures" / f"{name}.csv")
    pd.testing.assert_frame_equal(written, drawn(name)[1], check_dtype=False, rtol=1e-5)


LARGER = [
    (preset, path.stem) for preset in ("laptop", "overnight") for path in (ROOT / "figures" / preset).glob("*.csv")
]


@pytest.mark.parametrize(("preset", "name"), sorted(LARGER))
def test_committed_tables_of_larger_presets_are_drawn_from_committed_runs(preset, name):
    written = pd.read_csv(ROOT / "figures" / preset / f"{name}.csv")
    pd.testing.assert_frame_equal(written, drawn(name, preset)[1], check_dtype=False, rtol=1e-5)


@pytest.mark.parametrize("name", PICTURES)
def test_caption_says_preset_data_and_runs(name):
    caption = drawn(name)[2]
    assert "Preset quick: " in caption
    assert "T1 2," in caption
    assert "run" in caption
    assert "maller than the paper's" in caption
    assert "SVHN" not in caption  # the stand-in is never called so


def has_line(axes, x, y):
    wanted = np.column_stack([x, y])
    return any(line.shape == wanted.shape and np.allclose(line, wanted) for line in curves(axes))


def test_fig2_draws_its_table():
    figure, table, _ = drawn("fig2")
    for row, kind in enumerate(("fixed", "tuned")):
        for column, quantity in enumerate(("error", "cost")):
            axes = figure.axes[2 * row + column]
            assert len(axes.lines) == 3 * evolution.STARTS
            for start in range(evolution.STARTS):
                part = table[(table["run"] == kind) & (table["start"] == start)]
                assert len(part) == evolution.PRESETS["quick"]["epochs"]
                for which in ("train", "t2", "test"):
                    assert has_line(axes, part["epoch"], part[f"{which}_{quantity}"])
    for start, run in enumerate(trained("fig2")[Part(Stage.TUNED)]):
        of_run = table[(table["run"] == "tuned") & (table["start"] == start)]
        assert of_run["test_error"].iloc[-1] == 100 * run.final["test_error"]
        assert of_run["train_error"].iloc[-1] == 100 * run.final["train_error"]


@pytest.mark.parametrize("reference", [None, REFERENCE])
def test_fig3_draws_its_table(reference):
    figure, table, _ = drawn("fig3", reference=reference)
    assert set(table["kind"]) == {"ours"}
    assert table.groupby("hyperparameter")["layer"].nunique().to_dict() == {"input_noise": 1, "log10_l2": 4}
    for (_, name, _), part in table.groupby(["run", "hyperparameter", "layer"]):
        assert has_line(figure.axes[name == "log10_l2"], part["epoch"], part["level"])
    noise, penalty = figure.axes
    paper = [line for line in (*noise.lines, *penalty.lines) if line.get_gid() == PAPER]
    assert len(noise.lines) + len(penalty.lines) == evolution.STARTS * (1 + 4) + 1 + len(paper)  # one marks 0
    files = [] if reference is None else sorted(reference.glob("svhn_fig3_run*.csv"))
    curves_of = pd.read_csv(files[0]).groupby(["hyperparameter", "curve"]).ngroups if files else 0
    assert len(paper) == len(files) * curves_of == (0 if reference is None else 24)


def test_fig3_shows_zeros_and_lines_that_coincide():
    figure, table, _ = drawn("fig3")
    penalty = figure.axes[1]
    zeros = table[(table["hyperparameter"] == "log10_l2") & (table["level"] == 0)]
    assert len(zeros)
    assert (zeros["value"] == -6).all()  # where the logarithm in the table ends
    bottom, top = penalty.get_ylim()
    assert bottom < 0 < top
    assert "0" in [label.get_text().strip("$").removeprefix("\\mathdefault{").rstrip("}") for label in ticks(penalty)]
    layers = [line for line in penalty.lines if str(line.get_label()).startswith("layer")]
    widths, orders = [[getattr(line, f"get_{name}")() for line in layers] for name in ("linewidth", "zorder")]
    assert widths == sorted(widths, reverse=True)
    assert orders == sorted(orders)
    assert len(set(widths)) == len(set(orders)) == 4
    assert [text.get_text() for text in penalty.texts] == ["layers 1, 2, 3, 4"]


def test_fig3_names_layers_that_end_apart():
    figure, (axes,) = new_figure(4, 3, 1)
    axes.set(yscale="log", ylim=(1e-6, 1e-1))
    fig3._label_ends(axes, [1e-3, 1.1e-3, 1e-3, 1e-4, float("nan")])
    assert [text.get_text() for text in axes.texts] == ["layer 4", "layers 1, 2, 3"]
    assert figure.axes == [axes]


def ticks(axes):
    axes.figure.canvas.draw()
    return axes.get_yticklabels()


@pytest.mark.parametrize("reference", [None, REFERENCE])
@pytest.mark.parametrize("name", SCATTERS)
def test_scatter_draws_its_table(name, reference):
    figure, table, _ = drawn(name, reference=reference)
    pd.testing.assert_frame_equal(table, drawn(name)[1])
    paper = {} if reference is None else importlib.import_module(name).SCATTER.reference(reference)
    for axes, (panel, part) in zip(figure.axes, table.groupby("panel", sort=True), strict=True):
        points = np.concatenate([line.get_xydata() for line in axes.lines if line.get_linestyle() == "None"])
        expected = pd.concat([part[["x", "y"]], paper.get(panel)]).to_numpy()
        assert len(expected) > len(part) or reference is None
        np.testing.assert_array_equal(points[np.lexsort(points.T)], expected[np.lexsort(expected.T)])


@pytest.mark.parametrize(("name", "stages"), SCATTERS.items())
def test_scatter_has_every_start(name, stages):
    ours = drawn(name)[1]
    runs = trained(name)
    for (panel, setup), part in ours.groupby(["panel", "setup"]):
        x, y = (runs[Part(stage, panel, setup)] for stage in stages)
        which = "t2_error" if name == "fig6" else "test_error"
        np.testing.assert_allclose(part["x"], [100 * run.final[which] for run in x])
        np.testing.assert_allclose(part["y"], [100 * run.final["test_error"] for run in y])
        assert part["label"].nunique() == 1
        for run, text in zip(runs[Part(Stage.TUNED, panel, setup)], part["path"], strict=True):
            path = read_path(text)
            assert list(path) == [HYPERPARAMETERS[tuned].symbol for tuned in run.config.tune]
            start, end = path["n0"]
            assert start == pytest.approx([run.config.input_noise], rel=5e-3)
            assert end == pytest.approx([run.final["input_noise"]], rel=5e-3)
    assert set(ours["panel"]) == {"mnist", "svhn"}
    assert set(ours["dataset"]) == {"mnist", "digits-on-photos"}


def test_fig7_draws_its_table_and_marks_the_minima():
    figure, table, _ = drawn("fig7")
    panels = [axes for axes in figure.axes if any(isinstance(c, QuadMesh) for c in axes.collections) and axes.lines]
    wanted = [(panel, quantity) for panel in ("left", "right") for quantity in ("test_cost", "test_error")]
    for axes, (panel, quantity) in zip(panels, wanted, strict=True):
        part = table[table["panel"] == panel]
        grid = part.pivot(index="y", columns="n0", values=quantity).to_numpy()
        (mesh,) = (c for c in axes.collections if isinstance(c, QuadMesh))
        np.testing.assert_allclose(np.ma.getdata(mesh.get_array()).reshape(grid.shape), grid)
        best = part.loc[part[quantity].idxmin()]
        assert has_line(axes, [best["n0"]], [best["y"]])
        assert part[part[f"lowest_{quantity}"]].index.tolist() == [best.name]


def test_spacetime_draws_its_table():
    figure, table, _ = drawn("spacetime")
    axes = figure.axes[0]
    fixed = table[table["kind"] == "fixed"].pivot(index="n0", columns="epoch", values="test_error").to_numpy()
    (mesh,) = (c for c in axes.collections if isinstance(c, QuadMesh))
    np.testing.assert_allclose(np.ma.getdata(mesh.get_array()).reshape(fixed.shape), fixed)
    paths = table[table["kind"] == "tuned"].groupby("run")
    assert paths.ngroups == len(axes.lines) / 3 == 9
    for _, path in paths:
        assert has_line(axes, path["epoch"], path["n0"])
        assert path["n0"].iloc[0] == pytest.approx(path["start"].iloc[0])


@pytest.mark.slow
def test_all_at_once_share_runs(tmp_path, monkeypatch, capsys):
    """The whole command on committed runs: nothing is trained, every file is written, runs are exported once."""
    store = RunStore(tmp_path / "runs.sqlite")
    store.put(kept("quick").values())
    store_timing(TIMING, cost.timed_run(Request()), get_backend("auto"), store)
    DEPTH_RUNS.store(DEPTH_RUNS.read(DEPTHS / "quick.jsonl.gz"), store)
    for training in ("work.train", "depth_sweep.train_depth"):
        monkeypatch.setattr(f"t1t2_pt.sweeps.{training}", None)  # would fail if called
    options = ["--store", str(store.path), "--out", str(tmp_path / "out"), "--datasets", "mnist,digits-on-photos"]
    scripts = list(SCRIPTS.values())
    assert main_of_all("everything", "", scripts, [*options, "--export", str(tmp_path / "all.jsonl")]) == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"{name}.{kind}" for name in PICTURES for kind in ("png", "pdf", "csv")} | {
        *("claims.csv", "fig3-ours.png")
    }
    exported = read_runs(tmp_path / "all.jsonl")
    assert {run.digest for run in exported} == set(kept("quick"))
    assert len(exported) == len(kept("quick"))
    assert repr(DEPTH_RUNS.read(tmp_path / "depth.jsonl.gz")) == repr(DEPTH_RUNS.read(DEPTHS / "quick.jsonl.gz"))
    assert " 0 to train" in capsys.readouterr().err


def test_cost_draws_its_table():
    figure, table, _ = drawn("cost")
    parts, overhead, result = figure.axes
    values = table[table["panel"] == "parts"]["value"]
    np.testing.assert_allclose([bar.get_width() for bar in parts.patches], values)
    assert values.iloc[1] + values.iloc[2] == pytest.approx(values.iloc[3])
    for name in ("ours", "paper"):
        part = table[(table["panel"] == "overhead") & (table["name"] == name)]
        assert has_line(overhead, part["interval"], part["backpropagations"])
    assert has_line(overhead, [10], [0.3])
    added = table[table["name"] == "ours"].set_index("interval")["backpropagations"]
    assert added[1] == values.iloc[3]  # one unit on the left and in the middle
    assert TIMING.environment["processor"] in drawn("cost")[2]
    ours = table[table["name"] == "ours"].set_index("interval")["value"]
    assert ours[10] == pytest.approx(100 * (TIMING.t1t2 - TIMING.t1) / TIMING.t1 / 10)
    part = table[table["panel"] == "result"]
    assert has_line(result, part["interval"], part["value"])
    assert len(part) == sum(map(len, trained("cost").values()))


def test_claims_are_drawn_from_runs():
    """Some rows computed again from the runs themselves."""
    table = drawn("claims")[1]
    runs = trained("fig4")
    quick = table[(table["preset"] == "quick") & (table["data"] == "MNIST")].set_index("claim")
    tuned, rerun = (
        [
            100 * run.final["test_error"]
            for part, found in runs.items()
            if (part.panel, part.stage) == ("mnist", stage)
            for run in found
        ]
        for stage in (Stage.TUNED, Stage.RERUN)
    )
    row = quick.loc["the T1-T2 run and its rerun correlate strongly (weak hysteresis)"]
    assert row["value"] == pytest.approx(spearmanr(tuned, rerun).statistic)
    assert row["low"] < row["value"] < row["high"]
    assert row["runs"] == len(tuned) == 30
    row = quick.loc["in most cases the rerun is somewhat better than the T1-T2 run"]
    assert row["value"] == pytest.approx(np.mean(np.less(rerun, tuned)))
    assert {"quick", "laptop", "any"} <= set(table["preset"])
    assert table.groupby("preset")["claim"].nunique()["quick"] >= 10
    assert set(table["verdict"]) <= {
        *("holds", "does not hold", "undecided", "not at this scale", "cheaper here", "dearer here")
    }
