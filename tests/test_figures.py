"""Figures against baselines and against the numbers they are drawn from."""

import dataclasses
import functools

import fig1
import fig4
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import rerun
import scatter
import setups
from conftest import ROOT
from matplotlib.collections import QuadMesh
from matplotlib.testing.compare import compare_images

from t1t2_pt.config import replace
from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting import scripts as module
from t1t2_pt.plotting import style as plotting
from t1t2_pt.plotting.captions import preset_and_data, smaller
from t1t2_pt.plotting.figure_script import FigureScript, Request
from t1t2_pt.plotting.parts import Part, Stage, within
from t1t2_pt.plotting.scripts import PRESETS, REFERENCE, main, parser
from t1t2_pt.plotting.style import STYLE, save_figure
from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.reruns import untuned

RESULTS = ROOT / "data" / "results"


@functools.cache
def kept(name):
    """Committed runs by digest."""
    return {run.digest: run for run in read_runs(RESULTS / f"{name}.jsonl.gz")}


@functools.cache
def content(dataset):
    """Of data: the embedded ones', or what the committed runs on it used."""
    if dataset in ("mnist", "digits-on-photos"):
        return DATASETS[dataset].fingerprint
    (found,) = {run.config.data for run in kept("laptop").values() if run.config.dataset == dataset}
    return found


def digest(config):
    """Of a committed run."""
    return replace(config, data=content(config.dataset)).digest()


def stored(name, wanted):
    """Committed runs by the parts of a figure."""
    runs = kept(name)
    return {part: [runs[digest(config)] for config in configs] for part, configs in wanted.items()}


def drawn(preset="quick", reference=None):
    runs = stored(preset, fig1.runs(Request(preset)))
    with matplotlib.rc_context(STYLE):
        return fig1.draw(runs, preset, reference)


def curves(axes):
    return [line.get_xydata() for line in axes.lines]


@pytest.mark.mpl_image_compare(filename="fig1.png", savefig_kwargs={"dpi": 60}, style="default", tolerance=2)
def test_fig1_image():
    return drawn(reference=REFERENCE)[0]


def test_another_colour_would_be_seen(tmp_path, monkeypatch):
    """The comparison fails when the background has another colour map."""
    monkeypatch.setattr(plotting, "GRID_COLOURS", "magma")
    drawn(reference=REFERENCE)[0].savefig(tmp_path / "changed.png", dpi=60)
    difference = compare_images(ROOT / "tests" / "baseline" / "fig1.png", tmp_path / "changed.png", tol=2)
    assert difference is not None


def test_fig1_draws_what_its_table_says():
    figure, table, _ = drawn()
    assert table["y"].min() == fig1.NO_L2 < figure.axes[0].get_ylim()[0]  # drawn along the lower edge
    for axes, panel in zip(figure.axes, ("left", "right"), strict=False):
        rows = table[table["panel"] == panel]
        grid = rows[rows["kind"] == "grid"].pivot(index="y", columns="n0", values="test_cost").to_numpy()
        (mesh,) = (c for c in axes.collections if isinstance(c, QuadMesh))
        np.testing.assert_allclose(np.ma.getdata(mesh.get_array()).reshape(grid.shape), grid)
        lines = [line for line in curves(axes) if len(line) > 1]
        wanted = fig1.runs(Request("quick"))[Part(Stage.TUNED, panel)]
        assert rows[rows["kind"] == "tuned"]["run"].nunique() == len(axes.lines) / 4 == len(wanted) > 1
        for number, path in rows[rows["kind"] == "tuned"].groupby("run"):
            edges = np.array([axes.get_xlim(), axes.get_ylim()]).T  # beyond which no path is drawn
            points = np.clip(path[["n0", "y"]].to_numpy(), *edges)
            assert sum(np.array_equal(line, points) for line in lines) == 2  # its outline and itself
            markers = {line.get_marker(): line.get_xydata()[0] for line in axes.lines[4 * number - 4 : 4 * number]}
            np.testing.assert_array_equal(markers["s"], points[0])
            np.testing.assert_array_equal(markers["*"], points[-1])


def test_caption_says_preset_data_and_what_is_missing():
    for preset in ("quick", "laptop"):
        caption = drawn(preset)[2]
        assert f"Preset {preset}: MNIST, T1" in caption
        assert "Smaller than the paper's" in caption
        assert "square: start, star: end" in caption


@pytest.mark.parametrize(
    "said", ["costs $5, or $x^{", r"\frac $\frac$ $", "数据 from 東京 😀", "a\x1b[2J\x00\u202eb", "word" * 120]
)
def test_what_data_are_said_to_be_is_drawn_as_it_is(said, tmp_path):
    """No mathematics, no control characters, in any language: in the figure and in its metadata."""
    values = next(iter(kept("quick").values())).as_dict()
    told = f"{said} (content 0123456789ab); T1 2,500, T2 1,000, split seed 0"
    run = StoredRun.from_dict({**values, "provenance": {**values["provenance"], "data": told}})
    caption = preset_and_data("quick", [run])
    assert caption == f"Preset quick: {said} (content 0123456789ab), T1 2,500, T2 1,000"
    shown = r"a\x1b[2J\x00\u202eb" if "\x1b" in said else said
    figure, _ = plotting.new_figure(3, 2, 1)
    plotting.add_caption(figure, caption)
    save_figure(figure, pd.DataFrame({"x": [1.0]}), tmp_path, "a", caption, [run])
    in_figure = caption.replace(said, shown)
    assert "".join(figure.get_supxlabel().split()) == "".join(in_figure.split())
    read, (row,) = plotting.read_metadata(tmp_path / "a.png")
    assert read == in_figure
    assert row["data"] == f"{shown} (content 0123456789ab)"


def test_runs_on_other_data_do_not_pass_for_the_rest():
    """A run is stored under its config, which names the data set and not its content."""
    one, other = list(kept("quick").values())[:2]
    other = dataclasses.replace(other, provenance={**other.provenance, "data": "drawn by hand; T1 2,500, T2 1,000"})
    assert preset_and_data("quick", [one, one]) == "Preset quick: MNIST, T1 2,500, T2 1,000, test 10,000 samples"
    assert "MNIST, the official files (SHA-256 checked) and drawn by hand, T1" in preset_and_data("quick", [one, other])


def test_reference_is_drawn_when_asked():
    figure, table, caption = drawn(reference=REFERENCE)
    markers = pd.read_csv(REFERENCE / "mnist_fig1_markers.csv")
    assert "the paper's own figure" in caption
    for place, (panel, title) in enumerate(fig1.TITLES.items()):
        ours, theirs = figure.axes[place], figure.axes[2 + place]
        assert (ours.get_title(), theirs.get_title()) == (title, f"the paper's: {title}")
        for kind in ("initial", "final"):
            points = markers[(markers["panel"] == panel) & (markers["kind"] == kind)][["n0", "y"]].to_numpy()
            assert len(points)
            for axes in (ours, theirs):
                assert any(np.array_equal(line, points) for line in curves(axes))
        grid = pd.read_csv(REFERENCE / f"mnist_fig1_{panel}_grid.csv")
        (mesh,) = (c for c in theirs.collections if isinstance(c, QuadMesh))
        assert sorted(np.ma.getdata(mesh.get_array()).ravel()) == sorted(grid["test_cost_arbitrary_units"])
    pd.testing.assert_frame_equal(table, drawn()[1])  # which has ours alone


def test_picture_without_the_papers_numbers_is_the_other_one(tmp_path):
    """What `--no-reference` would draw, but for the room of the legend, and no word of it where there is none."""
    figure, (axes,) = plotting.new_figure(6, 4, 1)
    axes.plot([0, 1], [0, 1])
    axes.plot([0, 1], [1, 0], gid=plotting.PAPER)
    plotting.add_caption(figure, "a caption " * 30)
    paths = save_figure(figure, pd.DataFrame({"x": [0, 1]}), tmp_path, "fig3", "a caption")
    assert [path.name for path in paths] == ["fig3.png", "fig3.pdf", "fig3-ours.png", "fig3.csv"]
    (hidden,) = (artist for artist in figure.findobj() if artist.get_gid() == plotting.PAPER)
    assert not hidden.get_visible()
    assert plotting.read_panels(paths[0]) == plotting.read_panels(paths[2])
    width, height, share = plotting.read_panels(paths[0])
    assert width > height > 500
    assert 0.8 < share < 0.95
    figure, table, caption = drawn()
    assert [path.suffix for path in save_figure(figure, table, tmp_path, "a", caption)] == [".png", ".pdf", ".csv"]


def test_parts_are_named_by_their_fields():
    part = Part(Stage.GRID, "left", 0, figure="fig1", preset="laptop")
    assert part.name() == "laptop fig1 left 0 grid"
    assert part.name("figure", "setup") == "fig1 0"
    assert Part(Stage.TUNED).name() == "tuned"
    parts = {part: 1, part.at(Stage.TUNED): 2, dataclasses.replace(part, preset="quick"): 3}
    assert within(parts, preset="laptop") == {
        Part(Stage.GRID, "left", 0, "fig1"): 1,
        Part(Stage.TUNED, "left", 0, "fig1"): 2,
    }
    assert within(parts, preset="quick", figure="fig1") == {Part(Stage.GRID, "left", 0): 3}
    assert within(parts, figure="fig2") == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_setups_of_the_scatter_figures(preset):
    """Every start is there fixed and tuned; the first setups of MNIST are the starts of Figure 1."""
    request = Request(preset, 3, ("mnist", "digits-on-photos", "cifar10"))
    wanted = setups.runs(request)
    one = fig1.runs(request)
    assert wanted[Part(Stage.TUNED, "mnist", "M0")] == one[Part(Stage.TUNED, "right")]
    assert wanted[Part(Stage.TUNED, "mnist", "M1")] == one[Part(Stage.TUNED, "left")]
    for part, configs in wanted.items():
        assert setups.label(preset, part.panel, part.setup)
        assert len({config.structure() for config in configs}) == 1
        assert len(set(configs)) == len(configs) > 1
        assert all(bool(config.tune) == (part.stage is Stage.TUNED) for config in configs)
        if part.stage is Stage.FIXED:
            assert configs == [untuned(config) for config in wanted[part.at(Stage.TUNED)]]
    assert {config.dataset for config in wanted[Part(Stage.TUNED, "svhn", "S0")]} == {"digits-on-photos"}
    assert setups.panels(Request(preset, 0, ("mnist", "svhn"))) == {"mnist": "mnist", "svhn": "svhn"}


def test_presets_are_the_contracts():
    assert list(PRESETS) == ["quick", "laptop", "overnight", "paper"]
    assert parser("fig1", "").parse_args([]).preset == "quick"
    paper = fig1.runs(Request("paper"))
    assert {part: len(configs) for part, configs in paper.items()} == {
        Part(Stage.GRID, "left"): 88,
        Part(Stage.TUNED, "left"): 10,
        Part(Stage.GRID, "right"): 121,
        Part(Stage.TUNED, "right"): 10,
    }
    for part, configs in paper.items():
        for config in configs:
            assert config.hidden == (1000, 1000, 1000)
            assert (config.t1_samples, config.t2_samples, config.batch_size, config.epochs) == (55_000, 5_000, 100, 250)
            assert config.batch_norm == (part.panel == "right")
            assert (config.noise_learning_rate, config.l2_learning_rate) == (1e-1, 1e-4)
            assert bool(config.tune) == (part.stage is Stage.TUNED)
    grid = {(c.input_noise, round(np.log10(c.l2), 1)) for c in paper[Part(Stage.GRID, "left")]}
    reference = pd.read_csv(ROOT / "data" / "reference" / "mnist_fig1_left_grid.csv")
    assert grid == set(zip(reference["n0"], reference["log10_l2"], strict=True))
    grid = {(c.input_noise, c.hidden_noise) for c in paper[Part(Stage.GRID, "right")]}
    reference = pd.read_csv(ROOT / "data" / "reference" / "mnist_fig1_right_grid.csv")
    assert grid == set(zip(reference["n0"], reference["n1"], strict=True))


def test_script_draws_from_the_store_without_training(tmp_path, monkeypatch, capsys):
    """The whole script on committed runs: three files and the exported runs, twice the same bytes."""
    store = RunStore(tmp_path / "runs.sqlite")
    store.put(read_runs(RESULTS / "quick.jsonl.gz"))
    monkeypatch.setattr("t1t2_pt.sweeps.work.train", None)  # would fail if called
    declaration = FigureScript("fig1", "Figure 1", fig1.runs, fig1.draw)
    contents = []
    for out in (tmp_path / "one", tmp_path / "two"):
        options = ["--store", str(store.path), "--out", str(out), "--export", str(out / "runs.jsonl.gz")]
        assert main(declaration, options) == 0
        files = ["fig1.csv", "fig1.pdf", "fig1.png", "runs.jsonl.gz"]
        assert sorted(path.name for path in out.iterdir()) == files
        contents.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert contents[0] == contents[1]
    assert contents[0]["fig1.png"].startswith(b"\x89PNG")
    assert contents[0]["fig1.pdf"].startswith(b"%PDF")
    assert "84 in the store, 0 to train" in capsys.readouterr().err
    # What is committed is what this draws.
    assert contents[0]["fig1.csv"] == (ROOT / "figures" / "fig1.csv").read_bytes()


def test_pickled_cifar10_does_not_stop_a_figure_of_mnist(tmp_path, monkeypatch, capsys):
    """Nor is it left out in silence: what draws CIFAR-10 is told when it loads."""
    monkeypatch.setenv("T1T2_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / "cifar10" / name).touch()
    asked = []
    monkeypatch.setattr(module.Sweep, "run_parts", lambda self, parts, later: 1 / 0)
    declaration = FigureScript("fig1", "", lambda request: asked.append(request) or {}, None)
    with pytest.raises(ZeroDivisionError):
        main(declaration, ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")])
    assert set(asked[0].datasets) >= {"mnist", "cifar10", "digits-on-photos"}


def test_presets_and_programs_have_folders_of_their_own(tmp_path, monkeypatch):
    """Nothing else overwrites the quick figures; `--out` is taken as it is given."""
    runs = fig1.runs(Request())
    monkeypatch.setattr(module, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(module.Sweep, "run_parts", lambda self, parts, later: {part: [] for part in parts})
    table = pd.DataFrame({"x": [1.0]})
    declaration = FigureScript("fig1", "", lambda request: runs, lambda *arguments: (None, table, ""))
    for options, folder in (
        ([], "figures"),
        (["--preset", "overnight"], "figures/overnight"),
        (["--program", "paper"], "figures/program-paper"),
        (["--preset", "laptop", "--program", "may-2016"], "figures/laptop/program-may-2016"),
        (["--preset", "laptop", "--out", str(tmp_path / "elsewhere")], "elsewhere"),
    ):
        assert main(declaration, [*options, "--store", str(tmp_path / "runs.sqlite"), "--quiet"]) == 0
        assert [path.parent for path in tmp_path.rglob("fig1.csv")] == [tmp_path / folder]
        (tmp_path / folder / "fig1.csv").unlink()


def test_caption_says_what_is_less_than_the_papers():
    paper = fig1.runs(Request("paper"))[Part(Stage.GRID, "left")][0]
    fields = fig1.PRESETS["paper"].base
    assert smaller(paper, fields) == ""
    assert smaller(replace(paper, epochs=40), fields) == " Fewer than the paper's 250 epochs."
    assert smaller(replace(paper, hidden=(900, 1000, 1000)), fields) == " Smaller than the paper's network."
    less = replace(paper, hidden=(9,), t1_samples=300, epochs=3)
    assert smaller(less, fields) == " Smaller than the paper's network, samples and 250 epochs."

    def of_setups(preset):
        wanted = setups.runs(Request(preset, datasets=("mnist", "svhn", "cifar10")))
        (run, *_), *_ = stored("quick", fig1.runs(Request())).values()
        runs = {part: [dataclasses.replace(run, config=c) for c in configs] for part, configs in wanted.items()}
        return scatter._less_than_the_paper(runs)

    assert of_setups("paper") == ""
    assert of_setups("laptop") == (
        " Beside the paper: fewer epochs than its 200 to 300 on MNIST, SVHN, CIFAR-10; "
        "smaller networks on MNIST, SVHN, CIFAR-10; fewer samples on MNIST, CIFAR-10."
    )
    assert of_setups("overnight") == (
        " Beside the paper: fewer epochs than its 200 to 300 on MNIST, CIFAR-10; "
        "smaller networks on SVHN, CIFAR-10; fewer samples on CIFAR-10."
    )


def test_overnight_has_the_papers_networks_on_mnist():
    paper, night = (fig1.runs(Request(preset)) for preset in ("paper", "overnight"))
    for part, configs in night.items():
        fields = {"epochs": 250, "input_noise": None, "hidden_noise": None, "l2": None, "tune": ()}
        (one,) = {replace(config, **fields, seed=0) for config in configs}
        assert one in {replace(config, **fields, seed=0) for config in paper[part]}
    hidden = {
        c.hidden for configs in setups.runs(Request("overnight")).values() for c in configs if c.dataset == "mnist"
    }
    assert hidden == {(1000, 1000, 1000), (4000, 2000, 1000, 500, 250)}


def test_unknown_data_sets_are_told(capsys):
    assert main(FigureScript("fig4", "", setups.runs, fig4.SCATTER.draw), ["--datasets", "mnist,imagenet"]) == 2
    assert "imagenet" in capsys.readouterr().err


def test_saving_leaves_the_old_file_when_drawing_fails(tmp_path, monkeypatch):
    figure, axes = plotting.new_figure(3, 2, 1)
    axes[0].plot([0, 1])
    table = pd.DataFrame({"x": [1.0]})
    save_figure(figure, table, tmp_path, "a", "caption")
    before = (tmp_path / "a.png").read_bytes()
    monkeypatch.setattr(type(figure), "savefig", lambda self, path, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_figure(figure, table, tmp_path, "a", "caption")
    assert (tmp_path / "a.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(("beyond", "top", "extend"), [(0, 30.0, "neither"), (0.5, 2.0, "max")])
def test_diverged_cells_are_grey_and_colours_end_at_the_largest(beyond, top, extend):
    figure, axes = plotting.new_figure(3, 2, 1)
    plotting.draw_grid(axes[0], [0, 1], [0, 1], np.array([[1.0, np.nan], [2.0, 30.0]]), "cost", beyond)
    (mesh,) = axes[0].collections
    figure.canvas.draw()
    np.testing.assert_allclose(mesh.cmap(np.ma.masked), (0.6, 0.6, 0.6, 1))
    assert mesh.get_clim() == (1.0, top)
    assert mesh.colorbar.extend == extend


def test_cells_without_an_error_are_drawn_as_the_smallest():
    _, axes = plotting.new_figure(3, 2, 1)
    plotting.draw_grid(axes[0], [0, 1], [0, 1], np.array([[0.0, 4.0], [2.0, 8.0]]), "error")
    (mesh,) = axes[0].collections
    assert mesh.norm(0.0) == mesh.norm(2.0) == 0


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0.7, 26, [1, 2, 5, 10, 20]), (0.21, 0.56, [0.3, 0.5]), (1e-4, 1e-3, [1e-4, 2e-4, 5e-4, 1e-3])],
)
def test_round_ticks(low, high, wanted):
    ticks = plotting.round_ticks(low, high)
    assert len(ticks) >= 4
    assert set(wanted) <= set(ticks)
    assert low <= min(ticks) < max(ticks) <= high


def test_rerun_table():
    wanted = rerun.runs(Request())
    runs = stored("rerun-quick", wanted)
    runs |= stored("rerun-quick", setups.reruns(runs))
    table = rerun.tabulate(runs)
    assert len(table) == 60
    written = pd.read_csv(ROOT / "figures" / "rerun.csv")
    pd.testing.assert_frame_equal(written, table, check_dtype=False, rtol=1e-5)
    with matplotlib.rc_context(STYLE):
        figure, drawn_table, _ = rerun.draw(runs, "quick", None)
    pd.testing.assert_frame_equal(drawn_table, table)
    points = np.concatenate([line for axes in figure.axes for line in curves(axes)[1:]])
    expected = table[["before_error", "rerun_error"]].to_numpy()
    np.testing.assert_allclose(points[np.lexsort(points.T)], expected[np.lexsort(expected.T)])
    plt.close("all")
