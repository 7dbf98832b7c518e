"""Figure 1: hyperparameters during T1-T2 training, over the test cost of a grid of fixed ones.

Left: input noise n0 and the L2 penalty, without batch normalisation. Right: input noise n0 and
hidden noise n1, with batch normalisation. A square marks the start, a star the end (the caption's
reading; the paper's text has them the other way round).
"""

import require_environment  # noqa: F401, I001  (must come first)

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes

from t1t2_pt.plotting.captions import diverged, preset_and_data, smaller
from t1t2_pt.config import RunConfig
from t1t2_pt.plotting.landscapes import Landscape, landscape
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import REFERENCE, main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import (
    END_MARKER,
    LABELS,
    START_MARKER,
    add_caption,
    draw_grid,
    draw_trajectory,
    new_figure,
    trajectory_legend,
)
from t1t2_pt.plotting.tables import read_table
from t1t2_pt.runs.record import StoredRun


@dataclasses.dataclass(frozen=True)
class Preset:
    """Scale of the experiment.

    `base` is what all runs share, `left` and `right` what those of a panel share besides; then the
    axes of the two grids, the number of trajectories in each panel, and their updates from one of the
    hyperparameters to the next.
    """

    base: dict
    left: dict
    right: dict
    n0: tuple[float, ...]
    n1: tuple[float, ...]
    log10_l2: tuple[float, ...]
    starts: int
    interval: int


def _axis(first: float, last: float, number: int) -> tuple[float, ...]:
    return tuple(round(float(v), 6) for v in np.linspace(first, last, number))


OF_PAPER = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)  # of the paper's eleven levels, so that cells can be compared

# Every preset follows the program that the published pictures came from (`Request.program`). Below the paper's scale
# there are fewer updates, so every second one moves the hyperparameters, and the left panel takes smaller steps than
# the paper's 0.1 and 1e-4, too much for a small network. With few samples and many epochs hidden noise helps, as there.
PRESETS = {
    "quick": Preset(
        base={"hidden": (64, 64, 64), "t1_samples": 2_500, "t2_samples": 1_000, "epochs": 40},
        left={"noise_learning_rate": 3e-2, "l2_learning_rate": 3e-5},
        right={"noise_learning_rate": 1e-1},
        n0=_axis(0, 1, 6),
        n1=_axis(0, 1, 6),
        log10_l2=_axis(-5, -2, 6),
        starts=6,
        interval=2,
    ),
    "laptop": Preset(
        base={"hidden": (200, 200, 200), "t1_samples": 5_000, "t2_samples": 5_000, "epochs": 60},
        left={"noise_learning_rate": 3e-2, "l2_learning_rate": 3e-5},
        right={"noise_learning_rate": 1e-1},
        n0=OF_PAPER,
        n1=OF_PAPER,
        log10_l2=_axis(-5, -2.9, 8),
        starts=8,
        interval=2,
    ),
    "overnight": Preset(
        base={"hidden": (1000, 1000, 1000), "t1_samples": 55_000, "t2_samples": 5_000, "epochs": 40},
        left={"noise_learning_rate": 1e-1, "l2_learning_rate": 1e-4},
        right={"noise_learning_rate": 1e-1},
        n0=_axis(0, 1, 6),
        n1=_axis(0, 1, 6),
        log10_l2=_axis(-5, -2.9, 6),
        starts=8,
        interval=10,
    ),
    "paper": Preset(
        base={"hidden": (1000, 1000, 1000), "t1_samples": 55_000, "t2_samples": 5_000, "epochs": 250},
        left={"noise_learning_rate": 1e-1, "l2_learning_rate": 1e-4},
        right={"noise_learning_rate": 1e-1},
        n0=_axis(0, 1, 11),
        n1=_axis(0, 1, 11),
        log10_l2=_axis(-5, -2.9, 8),
        starts=10,
        interval=10,
    ),
}
NO_L2 = -5.6  # the logarithm that stands for weaker penalties, and for 0, which has none
MARKERS = {"starts": START_MARKER, "ends": END_MARKER}
PANELS = {"left": "log10_l2", "right": "hidden_noise"}
TITLES = {"left": "noise and L2 penalty", "right": "noise at input and hidden layers"}


def runs(request: Request) -> Configs:
    """Grid of fixed hyperparameters and T1-T2 runs from random starts, for both panels."""
    scale, seed = PRESETS[request.preset], request.seed
    wanted = {}
    for number, (panel, vertical) in enumerate(PANELS.items()):
        axis = getattr(scale, "n1" if vertical == "hidden_noise" else vertical)
        grid = [(n0, y) for y in axis for n0 in scale.n0]
        wanted[Part(Stage.GRID, panel)] = [_config(request, panel, n0, y, seed) for n0, y in grid]
        rng = np.random.default_rng([seed, number])
        starts = rng.uniform((scale.n0[0], axis[0]), (scale.n0[-1], axis[-1]), (scale.starts, 2)).tolist()
        wanted[Part(Stage.TUNED, panel)] = [
            _config(request, panel, n0, y, seed + start, tuned=True) for start, (n0, y) in enumerate(starts)
        ]
    return wanted


def _config(request: Request, panel: str, n0: float, y: float, seed: int, tuned: bool = False) -> RunConfig:
    name, value = ("l2", 10.0**y) if panel == "left" else ("hidden_noise", y)
    scale = PRESETS[request.preset]
    fields = {"split_seed": request.seed, "seed": seed, "tune": ("input_noise", name) if tuned else ()}
    fields |= {"batch_norm": panel == "right", "input_noise": n0, name: value, "evaluate_every": 0}
    fields |= {"interval": scale.interval} if tuned else {}
    return request.config(**scale.base, **getattr(scale, panel), **fields)


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """Both panels, with the paper's own below them, the table of ours, and the caption."""
    rows_of_panels = 1 if reference is None else 2
    figure, panels = new_figure(9.6, 4.6 if reference is None else 8.4, 2, rows=rows_of_panels)
    above, below = (panels, []) if reference is None else panels
    rows = []
    for axes, (panel, vertical) in zip(above, PANELS.items(), strict=True):
        grid = grid_rows(panel, vertical, trained[Part(Stage.GRID, panel)])
        draw_cells(axes, pd.DataFrame(grid).pivot(index="y", columns="n0", values="test_cost"), LABELS["test_cost"])
        tuned = trained[Part(Stage.TUNED, panel)]
        paths = [path_rows(panel, vertical, number, run) for number, run in enumerate(tuned, start=1)]
        edges = axes.get_xlim(), axes.get_ylim()
        draw_paths(axes, paths, edges)
        rows += [*grid, *(row for path in paths for row in path)]
        if reference is not None:
            outline_paper(axes, reference, panel)
        finish(axes, panel, edges, TITLES[panel])
    for axes, panel in zip(below, PANELS, strict=reference is not None):
        draw_cells(axes, paper_grid(reference, panel), "test cost, in the paper's unit")
        edges = axes.get_xlim(), axes.get_ylim()
        for which, marker in MARKERS.items():
            points = paper_markers(reference, panel)[which]
            axes.plot(points["x"], points["y"], clip_on=False, zorder=4, **marker)
        finish(axes, panel, edges, f"the paper's: {TITLES[panel]}")
    trajectory_legend(figure)
    caption = _caption(trained, preset, reference is not None)
    add_caption(figure, caption)
    return figure, pd.DataFrame(rows), caption


def draw_cells(axes: Axes, table: pd.DataFrame, label: str) -> None:
    draw_grid(axes, table.columns.to_numpy(), table.index.to_numpy(), table.to_numpy(), label)


def finish(axes: Axes, panel: str, edges: tuple, title: str) -> None:
    axes.set(xlabel=LABELS["input_noise"], ylabel=LABELS[PANELS[panel]], xlim=edges[0], ylim=edges[1], title=title)
    if PANELS[panel] == "log10_l2":
        axes.set_yticks(np.arange(np.ceil(edges[1][0]), edges[1][1]))


def grid_rows(panel: str, vertical: str, grid: Sequence[StoredRun]) -> list[dict]:
    """A row for each cell of a grid: its hyperparameters and how it ended."""
    rows = []
    for run in grid:
        y = np.log10(run.config.l2) if vertical == "log10_l2" else run.config.hidden_noise
        row = {"panel": panel, "kind": "grid", "run": 0, "epoch": run.config.epochs, "n0": run.config.input_noise}
        sound = run.status == "finished"
        costs = {name: run.final[name] if sound else np.nan for name in ("test_cost", "test_error")}
        rows.append({**row, "y_axis": vertical, "y": round(float(y), 6), **costs})
    return rows


def path_rows(panel: str, vertical: str, number: int, run: StoredRun) -> list[dict]:
    heights = run.history["l2" if vertical == "log10_l2" else vertical]
    if vertical == "log10_l2":
        heights = np.log10(np.maximum(heights, 10**NO_L2)).tolist()
    return [
        {"panel": panel, "kind": "tuned", "run": number, "epoch": int(epoch), "n0": n0, "y_axis": vertical, "y": y}
        for epoch, n0, y in zip(run.history["epoch"], run.history["input_noise"], heights, strict=True)
    ]


def draw_paths(axes: Axes, paths: Sequence[Sequence[dict]], edges: tuple[tuple, tuple]) -> None:
    """Paths as `path_rows` gives them; what is beyond the edges of x and y runs along them."""
    for path in paths:
        inside = [np.clip([row[name] for row in path], *edge) for name, edge in zip(("n0", "y"), edges, strict=True)]
        draw_trajectory(axes, *inside)


def outline_paper(axes: Axes, folder: Path, panel: str) -> None:
    """The starts and ends of the paper's runs as outlines."""
    for which, marker in MARKERS.items():
        points = paper_markers(folder, panel)[which]
        axes.plot(points["x"], points["y"], zorder=2, **_hollow(marker))


def _hollow(marker: dict) -> dict:
    """A marker as an outline, white within black so that it is seen on any colour."""
    outline = [patheffects.withStroke(linewidth=2.4, foreground="black")]
    hollow = {"markerfacecolor": "none", "markeredgecolor": "white", "markeredgewidth": 1, "path_effects": outline}
    return {**marker, **hollow, "markersize": 0.8 * marker["markersize"]}


def paper_grid(folder: Path, panel: str) -> pd.DataFrame:
    """The test cost of the paper's cells in the unit of its colour bar, by vertical axis (rows) and n0 (columns)."""
    vertical = {"left": "log10_l2", "right": "n1"}[panel]
    columns = ("n0", vertical, "test_cost_arbitrary_units")
    table = read_table(folder / f"mnist_fig1_{panel}_grid.csv", numbers=columns)
    return table.pivot(index=vertical, columns="n0", values=columns[-1])


def paper_markers(folder: Path, panel: str) -> dict[str, pd.DataFrame]:
    """Starts and ends of the paper's runs, as columns `x` and `y`."""
    markers = read_table(folder / "mnist_fig1_markers.csv", words=("panel", "kind"), numbers=("n0", "y")).rename(
        columns={"n0": "x"}
    )
    found = markers[markers["panel"] == panel].groupby("kind")
    return {"starts": found.get_group("initial")[["x", "y"]], "ends": found.get_group("final")[["x", "y"]]}


def chart(table: pd.DataFrame) -> list[Landscape]:
    """The panels of the page: ours with their paths, the paper's with their starts and ends."""
    panels = []
    for panel, vertical in PANELS.items():
        labels = (
            "n0, standard deviation of the input noise",
            {"log10_l2": "log10 of the L2 penalty"}.get(vertical, "n1, standard deviation of the hidden noise"),
        )
        part = table[table["panel"] == panel].rename(columns={"n0": "x"})
        grid = part[part["kind"] == "grid"].pivot(index="y", columns="x", values="test_cost")
        paths = {f"run {int(run)}": path for run, path in part[part["kind"] == "tuned"].groupby("run")}
        markers = paper_markers(REFERENCE, panel)
        panels.append(landscape(TITLES[panel], labels, grid, paths, markers))
        theirs = paper_grid(REFERENCE, panel)
        panels.append(landscape(f"the paper's: {TITLES[panel]}", labels, theirs, {}, markers, True))
    return panels


def _caption(trained: Runs, preset: str, with_reference: bool) -> str:
    every = [run for part in trained.values() for run in part]
    config = every[0].config
    tuned = sum(bool(run.config.tune) for run in every)
    backends = " and ".join(sorted({run.provenance["backend"] for run in every}))
    widths = "×".join(map(str, config.hidden))
    text = (
        f"T1-T2 tuning (white paths, square: start, star: end) over the test cost of fixed hyperparameters; "
        "along the lower edge on the left: an L2 penalty weaker than those of the grid, or 0. "
        f"{preset_and_data(preset, every)}; "
        f"{widths} ReLU network, {config.epochs} epochs; {len(every) - tuned} fixed and {tuned} tuned runs; "
        f"backend {backends}."
    )
    text += diverged(every, "grey cells; paths end where they did")
    words = {"t1_samples": "55,000 samples", "hidden": "1000×1000×1000 units", "epochs": "250 epochs"}
    text += smaller(trained[Part(Stage.GRID, "left")][0].config, PRESETS["paper"].base, **words)
    if with_reference:
        text += " Outlines, and below: the starts and ends in the paper's own figure, of 250 epochs."
    return text


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Where the paths of the paper and ours start and end: the middle half of them."""
    rows = []
    for panel, title in TITLES.items():
        ours = table[(table["panel"] == panel) & (table["kind"] == "tuned")].rename(columns={"n0": "x"}).groupby("run")
        theirs = paper_markers(REFERENCE, panel)
        for which, points, paper in (("start", ours.first(), "starts"), ("end", ours.last(), "ends")):
            rows.append((title, which, *_middle_half(theirs[paper]), *_middle_half(points)))
    names = ("n0, middle half", "vertical axis, middle half")
    columns = ["panel", "of the", *(f"{who}: {name}" for who in ("paper", "ours") for name in names)]
    return pd.DataFrame(rows, columns=columns)


def _middle_half(points: pd.DataFrame) -> list[str]:
    quartiles = points[["x", "y"]].quantile([0.25, 0.75])
    return [f"{quartiles[axis].iloc[0]:.2f} to {quartiles[axis].iloc[1]:.2f}" for axis in ("x", "y")]


REPORT = Section(
    "Figure 1: hyperparameters during training, over the test cost of fixed ones",
    "all runs reach a reasonable region whatever the start, moving towards lower cost.",
    compare,
    chart=chart,
)
SCRIPT = FigureScript("fig1", __doc__.split("\n\n")[0], runs, draw, report=REPORT, place=1)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
