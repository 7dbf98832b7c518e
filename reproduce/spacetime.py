"""Input noise over the epochs of T1-T2, over the test error that each fixed level has at that epoch.

The picture is one of the authors' that the paper does not have: paths for several step sizes and
starts, on the time and the place where they are.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

import fig1
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from t1t2_pt.plotting.captions import diverged, preset_and_data, smaller
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import COLOURS, LABELS, add_caption, draw_grid, new_figure

STEPS = {0.03: (COLOURS[5], ":"), 0.1: (COLOURS[1], "--"), 0.3: (COLOURS[3], "-")}  # colour and line by step size
STARTS = (0.05, 0.5, 0.95)
FIXED, TUNED = Part(Stage.FIXED), Part(Stage.TUNED)


def runs(request: Request) -> Configs:
    """A run at each fixed level, evaluated every epoch, and the tuned runs."""
    scale = fig1.PRESETS[request.preset]
    base = {**scale.base, "seed": request.seed, "split_seed": request.seed}
    tuned = {"tune": ("input_noise",), "evaluate_every": 0, "interval": scale.interval}
    return {
        FIXED: [request.config(**base, input_noise=level) for level in scale.n0],
        TUNED: [
            request.config(**base, **tuned, input_noise=start, noise_learning_rate=step)
            for step in STEPS
            for start in STARTS
        ],
    }


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """The paths over the background, the table of both, and the caption."""
    figure, (axes,) = new_figure(7.6, 5.2, 1)
    rows = []
    for run in trained[FIXED]:
        of = {"kind": "fixed", "run": 0, "step_size": np.nan, "start": run.config.input_noise}
        ends = zip(run.history["epoch"][1:], run.history["test_error"][1:], strict=True)
        rows += [{**of, "epoch": e, "n0": run.config.input_noise, "test_error": 100 * error} for e, error in ends]
    cells = pd.DataFrame(rows).pivot(index="n0", columns="epoch", values="test_error")
    draw_grid(axes, cells.columns.to_numpy(), cells.index.to_numpy(), cells.to_numpy(), "test error (%)")
    for number, run in enumerate(trained[TUNED], start=1):
        step, start = run.config.noise_learning_rate, run.config.input_noise
        colour, style = STEPS[step]
        path = run.history["epoch"], run.history["input_noise"]
        axes.plot(*path, color="black", linewidth=3.6, solid_capstyle="round")
        axes.plot(*path, color="white", linewidth=2.4, solid_capstyle="round")
        axes.plot(*path, color=colour, linestyle=style, linewidth=1.8)
        of = {"kind": "tuned", "run": number, "step_size": step, "start": start}
        rows += [{**of, "epoch": epoch, "n0": n0} for epoch, n0 in zip(*path, strict=True)]
    axes.set(xlabel="epoch", ylabel=LABELS["input_noise"], xlim=(0, None))
    handles = [Line2D([], [], color=colour, linestyle=style, linewidth=1.8) for colour, style in STEPS.values()]
    labels = [f"step size {step:g}" for step in STEPS]
    axes.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(STEPS))
    caption = _caption(trained, preset)
    add_caption(figure, caption)
    return figure, pd.DataFrame(rows), caption


def _caption(trained: Runs, preset: str) -> str:
    every = [run for part in trained.values() for run in part]
    config = trained[FIXED][0].config
    text = (
        "Input noise during T1-T2 from three starts with three step sizes, over the test error that a network trained "
        f"with that noise fixed has at that epoch. {preset_and_data(preset, every)}; "
        f"{'-'.join(map(str, config.hidden))} ReLU network with batch "
        f"normalisation, {config.epochs} epochs; {len(trained[FIXED])} fixed and {len(trained[TUNED])} tuned runs."
    )
    text += diverged(every, "grey; paths end where they did")
    return text + smaller(config, fig1.PRESETS["paper"].base)


REPORT = Section("Beside the paper: input noise over time and place", "a picture by its authors that it does not have.")
SCRIPT = FigureScript("spacetime", __doc__.split("\n\n")[0], runs, draw, report=REPORT, place=10)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
