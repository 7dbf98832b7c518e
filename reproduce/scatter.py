"""The scatter plots of Figures 4 to 6: one quantity of every start against another, a panel per data set."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import setups
from matplotlib.axes import Axes

from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting import charts, statistics
from t1t2_pt.plotting.captions import data_names, diverged, network_names, preset_words, split_sizes
from t1t2_pt.plotting.claims import share_words, words
from t1t2_pt.plotting.figure_script import Drawing
from t1t2_pt.plotting.hyperparameter_paths import path_text, read_path
from t1t2_pt.plotting.parts import Runs, Stage
from t1t2_pt.plotting.scripts import REFERENCE
from t1t2_pt.plotting.style import COLOURS, add_caption, new_figure, round_ticks
from t1t2_pt.plotting.tables import read_table

MARKERS = "o^sDvP*X"
QUANTITIES = {
    "before_error": "test error with initial hyperparameters (%)",
    "tuned_error": "test error after the T1-T2 run (%)",
    "rerun_error": "test error with those T1-T2 found (%)",
    "validation_error": "validation error after the T1-T2 run (%)",
}


@dataclasses.dataclass(frozen=True)
class Scatter:
    """Which quantity lies on which axis, what the caption says of it, and the paper's own points.

    `files` has the paper's points by panel, with x and y in the two `columns`; `more_points(folder)` gives
    those of other panels, which are drawn but not compared with, by panel as tables of `x` and `y`.
    """

    x: str
    y: str
    text: str
    files: Mapping[str, str]
    columns: tuple[str, str]
    more_points: Callable[[Path], Mapping[str, pd.DataFrame]] = lambda folder: {}

    def published(self, folder: Path, panel: str) -> pd.DataFrame:
        """The paper's points of a panel that has a file, with their setups."""
        table = read_table(folder / self.files[panel], words=("setup",), numbers=self.columns)
        return pd.DataFrame({"x": table[self.columns[0]], "y": table[self.columns[1]], "setup": table["setup"]})

    def reference(self, folder: Path) -> dict[str, pd.DataFrame]:
        """All of the paper's points, by panel."""
        known = {panel: self.published(folder, panel)[["x", "y"]] for panel in self.files}
        return {**self.more_points(folder), **known}

    def compare(self, table: pd.DataFrame) -> pd.DataFrame:
        """Our points beside the paper's: medians, the worst, how many lie below the diagonal, rank correlation."""
        rows = []
        for panel, part in table[table["kind"] == "ours"].groupby("panel", sort=False):
            rows.append((f"ours, {part['dataset'].iloc[0]}", *_summary(part)))
            if panel in self.files:
                rows.append((f"the paper's, {panel}", *_summary(self.published(REFERENCE, panel))))
        names = ("number", "median x", "median y", "highest y", "below the diagonal (95%)", "rank correlation (95%)")
        return pd.DataFrame(rows, columns=["points", *names])

    def draw(self, trained: Runs, preset: str, reference: Path | None) -> Drawing:
        """A panel for each data set, the table of the points, and the caption."""
        table = tabulate(trained, preset)
        table["x"], table["y"] = table[self.x], table[self.y]
        paper = {} if reference is None else self.reference(reference)
        panels = list(dict.fromkeys(table["panel"]))
        figure, axes_of = new_figure(max(4.9 * len(panels), 6), 5.6, len(panels))
        for axes, panel in zip(axes_of, panels, strict=True):
            points = table[table["panel"] == panel]
            theirs = paper.get(panel)
            if theirs is not None:
                axes.plot(theirs["x"], theirs["y"], ".", color="0.65", zorder=1, label="the paper's")
            _draw_setups(axes, points)
            _frame(axes, pd.concat([points[["x", "y"]], theirs]))  # which leaves out None
            _mark_diverged(axes, points)
            axes.set(xlabel=QUANTITIES[self.x], ylabel=QUANTITIES[self.y])
            axes.set_title(DATASETS[points["dataset"].iloc[0]].title)
            axes.legend(loc="upper left")
        caption = _caption(self.text, trained, preset, bool(paper))
        add_caption(figure, caption)
        return figure, table[["kind", "panel", "dataset", "setup", "label", "start", "x", "y", "path"]], caption

    def chart(self, table: pd.DataFrame) -> list[charts.Panel]:
        """The points of a table as the page shows them, over the paper's."""
        paper = self.reference(REFERENCE)
        panels = []
        for panel, part in table.groupby("panel", sort=False):
            groups = {
                str(some["label"].iloc[0]): some.assign(says=[_says(row) for row in some.to_dict("records")])
                for _, some in part.groupby("setup")
            }
            theirs = paper.get(str(panel), pd.DataFrame(columns=["x", "y"]))
            title = DATASETS[part["dataset"].iloc[0]].title
            labels = QUANTITIES[self.x], QUANTITIES[self.y]
            panels.append(charts.panel(title, labels, groups, MARKERS, theirs.assign(says="the paper's")))
        return panels


def _says(row: Mapping) -> str:
    """What a point says of itself."""
    place = f"({row['x']:.2f}%, {row['y']:.2f}%)"
    return f"{row['setup']}, {row['label']}; start {row['start']}: {row['path']}; {place}"


def hyperparameters(table: pd.DataFrame) -> pd.DataFrame:
    """Where the hyperparameters of each setup began and ended: the middle and the range over starts and layers."""
    rows = []
    for (_, _), part in table.groupby(["panel", "setup"], sort=False):
        paths = [read_path(text) for text in part["path"]]
        for symbol in paths[0]:
            ends = zip(*(path[symbol] for path in paths), strict=True)
            of = DATASETS[part["dataset"].iloc[0]].title, part["label"].iloc[0], symbol, str(len(part))
            rows.append((*of, *(_middle_and_range(np.concatenate(some)) for some in ends)))
    columns = ["data", "setup", "hyperparameter", "starts", "at the start: median (range)", "at the end"]
    return pd.DataFrame(rows, columns=columns)


def _middle_and_range(values: np.ndarray) -> str:
    return f"{np.nanmedian(values):.2g} ({np.nanmin(values):.2g} to {np.nanmax(values):.2g})"


def tabulate(trained: Runs, preset: str) -> pd.DataFrame:
    """A row for each start: its errors in percent fixed, tuned and in the rerun, and on T2 when tuned."""
    rows = []
    for part, starts in setups.by_start(trained).items():
        label = setups.label(preset, part.panel, part.setup)
        for start, found in enumerate(starts):
            tuned = found[Stage.TUNED]
            errors = setups.errors_by_stage(found) | {"validation_error": 100 * tuned.final["t2_error"]}
            of = {"panel": part.panel, "dataset": tuned.config.dataset, "setup": part.setup, "label": label}
            rows.append({"kind": "ours", **of, "start": start, **errors, "path": path_text(tuned)})
    return pd.DataFrame(rows)


def _summary(points: pd.DataFrame) -> tuple[str, ...]:
    points = points.dropna(subset=["x", "y"])
    x, y, setup = points["x"], points["y"], points["setup"]
    medians = f"{x.median():.2f}%", f"{y.median():.2f}%"
    below, correlation = statistics.share(y < x, setup), statistics.rank_correlation(x, y, setup)
    return str(len(x)), *medians, f"{y.max():.2f}%", share_words(below), words(correlation)


def _draw_setups(axes: Axes, points: pd.DataFrame) -> None:
    for number, (_, part) in enumerate(points.groupby("setup")):
        style = {"marker": MARKERS[number], "color": COLOURS[number], "linestyle": "none", "alpha": 0.85}
        style |= {"markeredgecolor": "0.2", "markeredgewidth": 0.5}
        axes.plot(part["x"], part["y"], label=part["label"].iloc[0], zorder=2, **style)


def _mark_diverged(axes: Axes, points: pd.DataFrame) -> None:
    """A cross at the end of the axes for each start with a run that diverged, at the other quantity if it has one."""
    top = axes.get_xlim()[1]
    lost = points[points[["x", "y"]].isna().any(axis=1)][["x", "y"]].fillna(top)
    if len(lost):
        axes.plot(lost["x"], lost["y"], "x", color="black", clip_on=False, zorder=3, label="diverged")


def _frame(axes: Axes, points: pd.DataFrame) -> None:
    """Equal logarithmic axes around all points, and the diagonal."""
    bounds = (0.9 * float(np.nanmin(points)), 1.1 * float(np.nanmax(points)))
    axes.plot(bounds, bounds, color="0.6", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=bounds, ylim=bounds, aspect="equal")
    ticks = round_ticks(*bounds)
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _caption(text: str, trained: Runs, preset: str, with_reference: bool) -> str:
    panels: dict[str, list] = {}
    for part, found in trained.items():
        panels.setdefault(part.panel, []).extend(found)
    data = []
    for runs in panels.values():
        config = runs[-1].config
        sizes = f"{split_sizes(config)}, {config.epochs} epochs, networks {network_names(runs)}"
        data.append(f"{data_names(runs)} ({sizes})")
    every = [run for runs in panels.values() for run in runs]
    text += (
        f" Equal markers: equal configurations. {preset_words(preset, every)}: {'; '.join(data)}; {len(every)} runs."
    )
    text += diverged(every, "crosses at the ends of the axes")
    text += _less_than_the_paper(trained)
    return text + (" Grey: the paper's own points." if with_reference else "")


def _less_than_the_paper(trained: Runs) -> str:
    """A sentence on what networks, samples and epochs are smaller than the paper's, and in which panels."""
    less: dict[str, dict[str, None]] = {"networks": {}, "samples": {}, "epochs": {}}
    titles = {}
    for part, found in trained.items():
        config, paper = found[0].config, setups.paper_fields(part.panel, part.setup)
        title = titles[part.panel] = DATASETS[config.dataset].title
        if (sum(config.hidden), config.width) < (sum(paper["hidden"]), paper["width"]):
            less["networks"][title] = None
        less["samples"] |= {title: None} if config.t1_samples < paper["t1_samples"] else {}
        less["epochs"] |= {title: None} if config.epochs < paper["epochs"] else {}
    if all(len(some) == len(titles) for some in less.values()):
        return " Smaller than the paper's networks and samples, and fewer epochs than its 200 to 300."
    words = {"epochs": "fewer epochs than its 200 to 300", "networks": "smaller networks", "samples": "fewer samples"}
    parts = [f"{text} on {', '.join(less[name])}" for name, text in words.items() if less[name]]
    return f" Beside the paper: {'; '.join(parts)}." if parts else ""
