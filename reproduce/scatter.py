"""The scatter plots of Figures 4 to 6: one quantity of every start against another, a panel per data set."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import setups
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting.captions import data_names, diverged, preset_words, split_sizes
from t1t2_pt.plotting.parts import Runs, Stage
from t1t2_pt.plotting.scripts import REFERENCE, Drawing
from t1t2_pt.plotting.style import COLOURS, add_caption, new_figure
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
        """The paper's points of a panel that has a file."""
        table = read_table(folder / self.files[panel], numbers=self.columns)
        return pd.DataFrame({"x": table[self.columns[0]], "y": table[self.columns[1]]})

    def reference(self, folder: Path) -> dict[str, pd.DataFrame]:
        """All of the paper's points, by panel."""
        return {**self.more_points(folder), **{panel: self.published(folder, panel) for panel in self.files}}

    def compare(self, table: pd.DataFrame) -> pd.DataFrame:
        """Our points beside the paper's: medians, the worst, and how many lie below the diagonal."""
        rows = []
        for panel, part in table[table["kind"] == "ours"].groupby("panel", sort=False):
            rows.append((f"ours, {part['dataset'].iloc[0]}", *_summary(part)))
            if panel in self.files:
                rows.append((f"the paper's, {panel}", *_summary(self.published(REFERENCE, panel))))
        return pd.DataFrame(
            rows, columns=["points", "number", "median x", "median y", "highest y", "below the diagonal"]
        )

    def draw(self, trained: Runs, preset: str, reference: Path | None) -> Drawing:
        """A panel for each data set, the table of the points, and the caption."""
        table = tabulate(trained, preset)
        table["x"], table["y"] = table[self.x], table[self.y]
        paper = {} if reference is None else self.reference(reference)
        panels = list(dict.fromkeys(table["panel"]))
        figure, axes_of = new_figure(max(4.9 * len(panels), 6), 5.6, len(panels))
        rows = [table[["kind", "panel", "dataset", "setup", "label", "start", "x", "y"]]]
        for axes, panel in zip(axes_of, panels, strict=True):
            points = table[table["panel"] == panel]
            theirs = paper.get(panel)
            if theirs is not None:
                axes.plot(theirs["x"], theirs["y"], ".", color="0.75", zorder=1, label="the paper's")
                rows.append(theirs.assign(kind="paper", panel=panel))
            _draw_setups(axes, points)
            _frame(axes, pd.concat([points[["x", "y"]], theirs]))  # which leaves out None
            _mark_diverged(axes, points)
            axes.set(xlabel=QUANTITIES[self.x], ylabel=QUANTITIES[self.y])
            axes.set_title(DATASETS[points["dataset"].iloc[0]].title)
            axes.legend(loc="upper left")
        caption = _caption(self.text, trained, preset, bool(paper))
        add_caption(figure, caption)
        return figure, pd.concat(rows, ignore_index=True), caption


def tabulate(trained: Runs, preset: str) -> pd.DataFrame:
    """A row for each start: its errors in percent fixed, tuned and in the rerun, and on T2 when tuned."""
    rows = []
    for part, starts in setups.by_start(trained).items():
        label = setups.label(preset, part.panel, part.setup)
        for start, found in enumerate(starts):
            tuned = found[Stage.TUNED]
            errors = setups.errors_by_stage(found) | {"validation_error": 100 * tuned.final["t2_error"]}
            of = {"panel": part.panel, "dataset": tuned.config.dataset, "setup": part.setup, "label": label}
            rows.append({"kind": "ours", **of, "start": start, **errors})
    return pd.DataFrame(rows)


def _summary(points: pd.DataFrame) -> tuple[str, ...]:
    x, y = points["x"], points["y"]
    return str(len(x)), f"{x.median():.2f}%", f"{y.median():.2f}%", f"{y.max():.2f}%", str(int((y < x).sum()))


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
    ticks = _ticks(*bounds)
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _ticks(low: float, high: float) -> list[float]:
    """At least four round numbers within the bounds, of the coarsest steps that have so many."""
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [step * scale for scale in (0.1, 1, 10) for step in steps if low <= step * scale <= high]
        if len(ticks) >= 4:
            return ticks
    return [tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]


def _caption(text: str, trained: Runs, preset: str, with_reference: bool) -> str:
    panels: dict[str, list] = {}
    for part, found in trained.items():
        panels.setdefault(part.panel, []).extend(found)
    data = []
    for runs in panels.values():
        config = runs[-1].config
        data.append(f"{data_names(runs)} ({split_sizes(config)}, {config.epochs} epochs)")
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
