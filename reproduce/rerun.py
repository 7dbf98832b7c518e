"""Does tuning help? Test error with the initial hyperparameters, after T1-T2, and of the rerun.

From the random starts of Figure 1, over five seeds: each start is trained with its hyperparameters
fixed, tuned by T1-T2, and trained anew with those that T1-T2 ended with. A start counts as poor when it
lies in the worse half of its panel's grid, by the mean test error of the other seeds: chosen by its own
error, which is compared here, it would look better in any second run (regression to the mean).
"""

import require_environment  # noqa: F401, I001  (must come first)

import dataclasses
import sys
from pathlib import Path

import fig1
import grids
import numpy as np
import pandas as pd
import setups

from t1t2_pt.plotting.captions import network_name, preset_and_data
from t1t2_pt.plotting.parts import Configs, Runs, Stage
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.style import COLOURS, add_caption, new_figure
from t1t2_pt.sweeps.reruns import untuned
from t1t2_pt.system.streams import show

SEEDS = 5
NAMES = {"left": "input noise and L2", "right": "input and hidden noise"}


def runs(request: Request) -> Configs:
    """The runs of Figure 1 for each seed, and its starts with hyperparameters fixed."""
    wanted = {}
    for number in range(request.seed, request.seed + SEEDS):
        for part, configs in fig1.runs(dataclasses.replace(request, seed=number * 1000)).items():
            of_seed = dataclasses.replace(part, setup=number)
            wanted[of_seed] = configs
            if part.stage is Stage.TUNED:
                wanted[of_seed.at(Stage.FIXED)] = [untuned(config) for config in configs]
    return wanted


def tabulate(trained: Runs) -> pd.DataFrame:
    """A row for each start: its errors in percent, and whether it is poor by the grids of the other seeds."""
    rows = []
    for part, starts in setups.by_start(trained).items():
        others = grids.average(
            [
                grids.of_runs(part.panel, some, "test_error")
                for other, some in trained.items()
                if (other.stage, other.panel) == (Stage.GRID, part.panel) and other.setup != part.setup
            ]
        )
        median = np.nanmedian(others.values)
        for start, found in enumerate(starts):
            errors = setups.errors_by_stage(found)
            place = found[Stage.FIXED].config
            height = np.log10(place.l2) if part.panel == "left" else place.hidden_noise
            poor = bool(others.at(place.input_noise, height) > median)
            rows.append({"panel": part.panel, "seed": part.setup, "start": start, **errors, "poor": poor})
    return pd.DataFrame(rows)


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the poor starts of each pair of hyperparameters, and over the others."""
    rows = []
    for panel, title in NAMES.items():
        for poor, kind in ((True, "poor"), (False, "other")):
            part = table[(table["panel"] == panel) & (table["poor"] == poor)]
            means = [f"{part[name].mean():.2f}%" for name in setups.ERRORS.values()]
            lower = int((part["rerun_error"] < part["before_error"]).sum())
            rows.append((title, f"{len(part)} {kind}", *means, f"{lower} of {len(part)}"))
    means = ["mean test error: fixed at the start", "after T1-T2", "rerun"]
    return pd.DataFrame(rows, columns=["hyperparameters", "starts", *means, "lower in the rerun"])


def summary(table: pd.DataFrame) -> str:
    """The same for the README, in Markdown."""
    found = compare(table)
    rows = [list(found.columns), ["---"] * len(found.columns), *found.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """Rerun against fixed, a point for each start; below the diagonal the rerun is better."""
    table = tabulate(trained)
    figure, panels = new_figure(9.6, 4.8, 2)
    for axes, (panel, name) in zip(panels, NAMES.items(), strict=True):
        points = table[table["panel"] == panel]
        top = 1.05 * points[["before_error", "rerun_error"]].to_numpy().max()
        axes.plot([0, top], [0, top], color="0.6", linewidth=0.8, zorder=0)
        for poor, marker, colour, label in ((True, "o", COLOURS[1], "poor start"), (False, "^", COLOURS[0], "other")):
            part = points[points["poor"] == poor]
            axes.plot(part["before_error"], part["rerun_error"], marker, color=colour, alpha=0.8, label=label)
        axes.set(xlim=(0, top), ylim=(0, top), aspect="equal", title=name)
        axes.set(xlabel="test error with initial hyperparameters (%)", ylabel="test error with those T1-T2 found (%)")
        axes.legend(loc="upper left")
    every = [run for part in trained.values() for run in part]
    config = every[0].config
    caption = (
        f"Networks retrained with the hyperparameters that T1-T2 found, against those trained with the initial ones. "
        f"{preset_and_data(preset, every)}; "
        f"{network_name(config)} ReLU network, {config.epochs} epochs; "
        f"{len(table)} starts over {table['seed'].nunique()} seeds."
    )
    add_caption(figure, caption)
    show(*summary(table).splitlines())
    return figure, table, caption


REPORT = Section(
    "Does tuning help: poor starts, what T1-T2 made of them, and the rerun",
    "no such comparison over seeds; its Figure 4 has one point for each start.",
    compare,
)
SCRIPT = FigureScript("rerun", __doc__, runs, draw, setups.reruns, report=REPORT, place=4.5, alone=True)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
