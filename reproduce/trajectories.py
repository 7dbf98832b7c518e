"""Figure 1's T1-T2 runs alone, over the paper's own grids: where ours go in the landscape of the paper.

They take a few hours at the paper's scale, the grids of Figure 1 a night. The colours are the authors' published test
costs; without them (`--no-reference`) the paths stand by themselves.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

import fig1
import grids
import numpy as np
import pandas as pd

from t1t2_pt.plotting.captions import diverged, network_name, preset_and_data, smaller
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import REFERENCE, main
from t1t2_pt.plotting.style import add_caption, new_figure, trajectory_legend

PLAIN = {"left": ((0.0, 1.0), (-5.6, -2.0)), "right": ((0.0, 1.0), (0.0, 1.0))}  # axes where no grid is drawn


def runs(request: Request) -> Configs:
    """The T1-T2 runs of Figure 1."""
    return {part: configs for part, configs in fig1.runs(request).items() if part.stage is Stage.TUNED}


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """Both panels, the table of the paths with the test error of each end, and the caption."""
    figure, panels = new_figure(9.6, 4.6, 2)
    rows = []
    for axes, (panel, vertical) in zip(panels, fig1.PANELS.items(), strict=True):
        edges = PLAIN[panel]
        if reference is not None:
            fig1.draw_cells(axes, fig1.paper_grid(reference, panel), "the paper's test cost, its unit")
            edges = axes.get_xlim(), axes.get_ylim()
            fig1.outline_paper(axes, reference, panel)
        tuned = trained[Part(Stage.TUNED, panel)]
        paths = [fig1.path_rows(panel, vertical, number, run) for number, run in enumerate(tuned, start=1)]
        fig1.draw_paths(axes, paths, edges)
        for path, run in zip(paths, tuned, strict=True):
            path[-1]["test_error"] = 100 * run.final["test_error"] if run.final else np.nan
            rows += path
        fig1.finish(axes, panel, edges, fig1.TITLES[panel])
    trajectory_legend(figure)
    caption = _caption(trained, preset, reference is not None)
    add_caption(figure, caption)
    return figure, pd.DataFrame(rows), caption


def _caption(trained: Runs, preset: str, with_reference: bool) -> str:
    every = [run for part in trained.values() for run in part]
    config = every[0].config
    text = "T1-T2 runs (white paths, square: start, star: end)"
    text += " over the test costs that the paper's authors published" if with_reference else ""
    text += f". {preset_and_data(preset, every)}; {network_name(config)} ReLU network, {config.epochs} epochs, "
    text += f"{len(every)} runs."
    text += diverged(every, "paths that end where they did")
    text += smaller(config, fig1.PRESETS["paper"].base)
    if with_reference:
        text += " Outlines: the starts and ends of the paper's own runs, of 250 epochs."
        text += " Beyond its grid our paths run along the edge."
    return text


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Where the paths of the paper and ours end, and how good such a place is in the paper's grid."""
    rows = []
    for panel, title in fig1.TITLES.items():
        grid = grids.published(REFERENCE, panel)
        ours = table[table["panel"] == panel].rename(columns={"n0": "x"}).groupby("run").last()
        for who, ends in (("the paper's", fig1.paper_markers(REFERENCE, panel)["ends"]), ("ours", ours)):
            below = [grid.share_below(grid.at(x, y)) for x, y in zip(ends["x"], ends["y"], strict=True)]
            error = f"{ours['test_error'].median():.2f}" if who == "ours" else "–"
            spread = [_spread(ends[axis]) for axis in ("x", "y")]
            rows.append((title, f"{who}, {len(ends)} runs", *spread, f"{np.median(below):.2f}", error))
    names = ("n0 at the end", "vertical axis at the end", "cells of the paper's grid with a lower cost, median")
    return pd.DataFrame(rows, columns=["panel", "runs", *names, "test error (%), median"])


def _spread(values: pd.Series) -> str:
    return f"{values.median():.2f} ({values.min():.2f} to {values.max():.2f})"


REPORT = Section(
    "Figure 1's runs in the paper's own grids",
    "T1-T2 ends where the paper's authors found the test cost low (the same claim as Figure 1's).",
    compare,
)
SCRIPT = FigureScript("trajectories", __doc__.split("\n\n")[0], runs, draw, report=REPORT, place=1.5)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
