"""L2 penalties of neighbouring layers part by terms of the biases, and by nothing else (docs/l2-hypergradients.md).

Left, the penalties of all layers while T1-T2 tunes them, in a ReLU network without batch normalisation; right, the
gaps between neighbours, beside what the biases add up to; and what a limit on the gradient of C2 makes of it.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

import fig1
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from t1t2_pt.plotting.captions import diverged, preset_and_data
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.style import COLOURS, add_caption, new_figure
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.steps.monitoring import PREFIX

FREE, LIMITED = Part(Stage.TUNED, "without a limit"), Part(Stage.TUNED, "with a limit")
START, STEP, LIMIT = 1e-4, 1e-4, 0.5  # of the penalties; the largest norm of a gradient
LINES = ("-", "--", "-.", ":")


def runs(request: Request) -> Configs:
    """The same run without a limit on gradients and with one, watched after every epoch."""
    base = fig1.PRESETS[request.preset].base
    shared = {
        **base,
        "batch_norm": False,
        "initialization": "fan-in",
        "schedule": "linear",
        "hyper_schedule": "constant",  # the sums of the biases are made with one step size
        "interval": 1,
        "l2": (START,) * (len(base["hidden"]) + 1),
        "tune": ("l2",),
        "l2_learning_rate": STEP,
        "hypergradient_norm": None,
        "hypergradient_clip": None,
        "monitor": True,
        "evaluate_every": 0,
        "seed": request.seed,
        "split_seed": request.seed,
    }
    return {
        FREE: [request.config(**shared, gradient_norm=None)],
        LIMITED: [request.config(**shared, gradient_norm=LIMIT)],
    }


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """The penalties without a limit, the gaps, the penalties with a limit."""
    figure, (free, gaps, limited) = new_figure(11.4, 4.4, 3)
    table = pd.concat([_rows(part.panel, trained[part][0]) for part in (FREE, LIMITED)], ignore_index=True)
    for axes, part in ((free, FREE), (limited, LIMITED)):
        _draw_levels(axes, table[table["run"] == part.panel], part.panel)
    top = table["l2"].max() * 1.08
    free.set_ylim(0, top)
    limited.set_ylim(0, top)
    of_free = table[table["run"] == FREE.panel]
    for layer, rows in of_free.dropna(subset="gap").groupby("layer"):
        colour = COLOURS[int(layer)]
        gaps.plot(
            rows["epoch"],
            rows["gap"],
            color=colour,
            label=f"{_layer(layer, of_free)} less {_layer(layer - 1, of_free)}",
            linewidth=1.8,
        )
        gaps.plot(rows["epoch"], rows["biases"], ":", color="black", linewidth=1.2)
    gaps.plot([], [], ":", color="black", linewidth=1.2, label="what the biases add up to")
    gaps.set(xlabel="epoch", ylabel="difference of $l_2$ between layers", title="the gaps, without a limit")
    gaps.legend(loc="upper left")
    caption = _caption(trained, table, preset)
    add_caption(figure, caption)
    return figure, table, caption


def _draw_levels(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    for layer, of_layer in rows.groupby("layer"):
        label = _layer(layer, rows)
        style = LINES[int(layer) % len(LINES)]
        axes.plot(of_layer["epoch"], of_layer["l2"], style, color=COLOURS[int(layer)], label=label, linewidth=1.8)
    axes.set(xlabel="epoch", ylabel="$l_2$, strength of the L2 penalty", title=f"{title} on the gradient")
    axes.legend(loc="upper left")


def _layer(number: int, rows: pd.DataFrame) -> str:
    return "softmax layer" if number == rows["layer"].max() else f"layer {number + 1}"


def _rows(name: str, run: StoredRun) -> pd.DataFrame:
    """Each layer's penalty, its distance to the layer below, and the sum of what the biases moved it by."""
    config, history = run.config, run.history
    steps = config.steps_per_epoch / config.interval
    parts = []
    for layer in range(len(config.hidden) + 1):
        values = {"run": name, "layer": layer, "epoch": history["epoch"], "l2": history[f"l2_{layer}"]}
        if layer:
            values["gap"] = np.subtract(history[f"l2_{layer}"], history[f"l2_{layer - 1}"])
            levels = np.array([history[f"l2_{number}"] for number in (layer - 1, layer)])
            moved = 2 * config.l2_learning_rate * steps * np.array(history[f"{PREFIX}validation_bias_{layer - 1}"])
            values["biases"] = _added_up(values["gap"], moved, held=(levels == 0).any(axis=0))
        parts.append(pd.DataFrame(values))
    return pd.concat(parts, ignore_index=True)


def _added_up(gap: np.ndarray, moved: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The gap where one of the levels was last held at 0, and from there the sum of what the biases moved it by.

    `moved` is as if the gradient were through an epoch what it is at its end; an epoch gets the mean of both ends.
    """
    start = int(np.flatnonzero(held).max(initial=0))
    between = (moved[start:-1] + moved[start + 1 :]) / 2 if start else (np.append(0.0, moved[1:-1]) + moved[1:]) / 2
    return np.concatenate([np.full(start, np.nan), gap[start] + np.append(0.0, np.cumsum(between))])


def _caption(trained: Runs, table: pd.DataFrame, preset: str) -> str:
    every = [run for part in trained.values() for run in part]
    config = trained[FREE][0].config
    ends = table[(table["run"] == FREE.panel) & (table["epoch"] == table["epoch"].max())].dropna()
    pairs = ", ".join(f"{row.gap:.2g} and {row.biases:.2g}" for row in ends.itertuples())
    text = (
        "L2 penalties that T1-T2 tunes in a ReLU network without batch normalisation: their hypergradients differ by "
        "terms of the biases alone, so that the gaps between neighbouring layers are what those add up to (dotted, "
        "from where a penalty was last held at 0, by the gradient of C2 at the ends of the epochs); at the end the "
        f"gaps and their sums are {pairs}. Right: a limit of {LIMIT:g} on the norm of each parameter's gradient parts "
        "the softmax layer from the others. "
        f"{preset_and_data(preset, every)}; {'-'.join(map(str, config.hidden))} units, {config.epochs} epochs, a T1-T2 "
        "step at every update; one run each."
    )
    text += diverged(every, "curves end where they did")
    return text if preset == "paper" else text + " Smaller than the paper's networks."


REPORT = Section(
    "Beside the paper: why the layers' penalties move alike",
    "the paper notes that the penalties of Figure 3 rise and fall together; docs/l2-hypergradients.md has the proof.",
)
SCRIPT = FigureScript("layers", __doc__.split("\n\n")[0], runs, draw, report=REPORT, place=9)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
