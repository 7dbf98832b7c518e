"""Section 4: a continuous depth, tuned by T1-T2; the softmax layer reads all hidden layers, weighted by a bump.

The paper proposes it and tries nothing: logits sum_i a(i) W_i h_i over the hidden layers i, with a(i) =
exp(-(i - m)^2 / v), in which m says how deep the network is and v how many layers beside that one are read.
"""

import require_environment  # noqa: F401, I001  (must come first)

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from t1t2_pt.networks.depth import DEPTH
from t1t2_pt.plotting.captions import diverged, preset_and_data, smaller
from t1t2_pt.plotting.parts import Part, Stage
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.style import COLOURS, add_caption, draw_grid, draw_trajectory, new_figure, trajectory_legend
from t1t2_pt.sweeps.depth_sweep import DepthRun, DepthSweep, rerun_depth_config
from t1t2_pt.training.depth_training import DepthConfig

PRESETS = {
    "quick": {"hidden": (64,) * 6, "t1_samples": 2_500, "t2_samples": 1_000, "epochs": 30},
    "laptop": {"hidden": (200,) * 6, "t1_samples": 10_000, "t2_samples": 5_000, "epochs": 20},
    "overnight": {"hidden": (1000,) * 6, "t1_samples": 55_000, "t2_samples": 5_000, "epochs": 10},
    "paper": {"hidden": (1000,) * 6, "t1_samples": 55_000, "t2_samples": 5_000, "epochs": 250},
}
MEANS = tuple(0.5 * number for number in range(15))
LOG10_SPREADS = (-1.0, -0.4, 0.2, 0.8, 1.4)
LOG_10 = math.log(10)
STARTS = {"quick": 6, "laptop": 10, "overnight": 6, "paper": 10}
GRID, FIXED, TUNED, RERUN = Part(Stage.GRID), Part(Stage.FIXED), Part(Stage.TUNED), Part(Stage.RERUN)
ENDS = {FIXED: "fixed at the start", TUNED: "tuned by T1-T2", RERUN: "rerun with what was found"}
QUANTITIES = {"t2_cost": "validation cross-entropy (nats)", "test_error": "test error (%)"}
BEYOND = 0.1  # share of the cells whose colours need not differ: some networks do not learn
WEAK = 0.1  # where all a(i) are below it, they have become a factor that makes all logits small
UNTRAINED = 50  # percent of errors above which a network has not learnt

DepthConfigs = dict[Part, list[DepthConfig]]
DepthRuns = Mapping[Part, Sequence[DepthRun]]


def runs(request: Request) -> DepthConfigs:
    """The grid of fixed m and v, and random starts within it, fixed and tuned; all have the same initial weights."""
    base = DepthConfig(**PRESETS[request.preset], mean=0, log_spread=0, seed=request.seed, split_seed=request.seed)
    low, high = (MEANS[0], LOG10_SPREADS[0]), (MEANS[-1], LOG10_SPREADS[-1])
    starts = np.random.default_rng(request.seed).uniform(low, high, (STARTS[request.preset], 2)).tolist()
    fixed = [_with(base, *start) for start in starts]
    return {
        GRID: [_with(base, mean, log10_spread) for log10_spread in LOG10_SPREADS for mean in MEANS],
        FIXED: fixed,
        TUNED: [dataclasses.replace(config, tune=DEPTH) for config in fixed],
    }


def reruns(trained: DepthRuns) -> DepthConfigs:
    """Every tuned run again, from the start, with the m and v that it ended with."""
    return {RERUN: [rerun_depth_config(run) for run in trained[TUNED] if run.status == "finished"]}


def _with(config: DepthConfig, mean: float, log10_spread: float) -> DepthConfig:
    return dataclasses.replace(config, mean=mean, log_spread=log10_spread * LOG_10)


def draw(trained: DepthRuns, preset: str, reference: Path | None) -> Drawing:
    """Paths over the validation cost and the test error of the grid, and how much is read along them."""
    figure, (*grids, strength) = new_figure(12.6, 4.6, 3)
    table = tabulate(trained)
    cells, paths = table[table["kind"] == "grid"], table[table["kind"] == "path"]
    for axes, (quantity, label) in zip(grids, QUANTITIES.items(), strict=True):
        values = cells.pivot(index="log10_v", columns="m", values=quantity)
        draw_grid(axes, values.columns.to_numpy(), values.index.to_numpy(), values.to_numpy(), label, BEYOND)
        for _, path in paths.groupby("run"):
            draw_trajectory(axes, path["m"].to_numpy(), path["log10_v"].to_numpy())
        axes.set(xlabel="$m$, the layer that is read most", ylabel=r"$\log_{10}\,v$, how far others are read")
    for _, path in paths.groupby("run"):
        strength.plot(path["epoch"], path["largest"], color=COLOURS[0], alpha=0.8)
    strength.set(yscale="log", xlabel="epoch", ylabel="largest $a(i)$ of a hidden layer")
    trajectory_legend(figure)
    caption = _caption(trained, table, preset)
    add_caption(figure, caption)
    return figure, table, caption


def tabulate(trained: DepthRuns) -> pd.DataFrame:
    """A row for each cell of the grid, for each epoch of each path, and for each end of the runs of a start."""
    rows = []
    for run in trained[GRID]:
        rows.append({"kind": "grid", "run": 0, **_row(run.config.mean, run.config.log_spread), **_end(run)})
    for number, run in enumerate(trained[TUNED], start=1):
        layers = np.arange(1, len(run.config.hidden) + 1)
        for place, epoch in enumerate(run.history["epoch"]):
            mean, log_spread = (run.history[name][place] for name in DEPTH)
            largest = np.exp(-((layers - mean) ** 2) * np.exp(-log_spread)).max()
            derivatives = {f"{part}_of_m": run.history[f"mean/{part}"][place] for part in ("direct", "through")}
            of = {"kind": "path", "run": number, "epoch": int(epoch)}
            rows.append({**of, **_row(mean, log_spread), "largest": largest, **derivatives})
    for part, kind in ENDS.items():
        for number, run in enumerate(trained[part], start=1):
            rows.append({"kind": kind, "run": number, **_row(*(run.final[name] for name in DEPTH)), **_end(run)})
    return pd.DataFrame(rows)


def _row(mean: float, log_spread: float) -> dict[str, float]:
    return {"m": mean, "log10_v": round(log_spread / LOG_10, 6)}


def _end(run: DepthRun) -> dict[str, float]:
    sound = run.status == "finished"
    return {
        "t2_cost": run.final["t2_cost"] if sound else np.nan,
        "test_error": 100 * run.final["test_error"] if sound else np.nan,
    }


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """How the runs of the starts end; the paper has no numbers to lay beside."""
    rows = []
    for kind in ENDS.values():
        costs, errors = (table.loc[table["kind"] == kind, name] for name in QUANTITIES)
        untrained = f"{int((errors > UNTRAINED).sum())} of {len(errors)}"
        rows.append((kind, f"{costs.median():.3f}", f"{errors.median():.2f}%", f"{errors.max():.2f}%", untrained))
    columns = ["ours", "median validation cost", "median test error", "highest", "have not learnt"]
    return pd.DataFrame(rows, columns=columns)


def _caption(trained: DepthRuns, table: pd.DataFrame, preset: str) -> str:
    every = [run for part in trained.values() for run in part]
    config = trained[TUNED][0].config
    text = (
        "A softmax layer that reads every hidden layer i, weighted by a(i) = exp(-(i - m)²/v); m and v tuned by T1-T2 "
        "(white paths, square: start, star: end) over validation cost and test error with them fixed; right: the "
        f"largest a(i) along each path. {preset_and_data(preset, every)}; {'-'.join(map(str, config.hidden))} ReLU "
        f"network, {config.epochs} epochs; {len(every)} runs of one seed. {_found(table)}"
    )
    text += diverged(every, "grey, or left out")
    return text + smaller(config, PRESETS["paper"], hidden="networks", t1_samples="samples", epochs="250 epochs")


def _found(table: pd.DataFrame) -> str:
    """What came out, whatever that is."""
    ends = {kind: table[table["kind"] == kind] for kind in ("grid", *ENDS.values())}
    fixed, tuned, rerun = (ends[kind] for kind in ENDS.values())
    paths = table[(table["kind"] == "path") & (table["epoch"] > 0)]
    ratio = (paths["direct_of_m"] / paths["through_of_m"]).median()
    weak = int((paths.groupby("run")["largest"].last() < WEAK).sum())
    lowest = ends["grid"]["t2_cost"].min()
    errors = [f"{some['test_error'].median():.1f}%" for some in (fixed, tuned, rerun)]
    lost = [int((some["test_error"] > UNTRAINED).sum()) for some in (fixed, tuned, rerun)]
    return (
        f"Median validation cost: {fixed['t2_cost'].median():.2f} fixed at the start, {tuned['t2_cost'].median():.2f} "
        f"tuned (lowest of the grid: {lowest:.2f}). Median test error: {errors[0]} fixed, {errors[1]} tuned, "
        f"{errors[2]} trained anew with what was found; {lost[0]}, {lost[1]} and {lost[2]} of {len(tuned)} do not "
        f"learn. m ends at a median of {tuned['m'].median():.1f}; in {weak} of {len(tuned)} runs all a(i) end below "
        f"{WEAK:g}, which makes the logits "
        "smaller as a temperature does and is no depth. The derivative of the validation cost by m itself is "
        f"{ratio:.0f} times the part through the weights, Eq. 3's (median)."
    )


REPORT = Section(
    "Section 4: a continuous depth",
    "proposed and not tried; m and v could in principle be trained by T1-T2.",
    compare,
)
SCRIPT = FigureScript(
    "depth", __doc__.split("\n\n")[0], runs, draw, reruns, trainer=DepthSweep(), report=REPORT, place=9
)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
