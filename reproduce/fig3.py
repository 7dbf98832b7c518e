"""Figure 3: the hyperparameters of Figure 2's T1-T2 run over the epochs: input noise, L2 of each layer."""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from collections.abc import Iterator
from pathlib import Path

import evolution
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from t1t2_pt.plotting.parts import Runs
from t1t2_pt.plotting.figure_script import Drawing, FigureScript
from t1t2_pt.plotting.scripts import REFERENCE, main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import COLOURS, LABELS, PAPER, add_caption, new_figure
from t1t2_pt.plotting.tables import read_table
from t1t2_pt.runs.record import StoredRun

FILES = tuple(f"svhn_fig3_run{number}.csv" for number in range(4))
LOWEST = 1e-6  # below it the axis of the penalties is linear, down to a 0 that is shown as one
WIDTHS = (6.5, 1.2)  # of the lines of the first and the last layer: where they coincide, all are seen
PALE = {"linewidth": 1.1, "linestyle": ":", "zorder": 2}
NEAR = 0.05  # of the axis' height, within which line ends share a label


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """Input noise above, the L2 penalty of each layer below, the wider the lower."""
    figure, panels = new_figure(6.4, 7.0, 1, rows=2)
    (noise,), (penalty,) = panels
    run, *others = trained[evolution.TUNED]
    epochs, levels = run.history["epoch"], len(run.config.l2)
    penalties = [run.history[f"l2_{layer}"] for layer in range(levels)]
    rows = [row for number, one in enumerate(trained[evolution.TUNED]) for row in _rows(number, one)]
    if reference is not None:
        _draw_reference(noise, penalty, reference, epochs[-1])
    for other in others:
        noise.plot(other.history["epoch"], other.history["input_noise"], color=COLOURS[4], **PALE)
        for layer in range(levels):
            colour = COLOURS[layer % len(COLOURS)]
            penalty.plot(other.history["epoch"], other.history[f"l2_{layer}"], color=colour, **PALE)
    noise.plot(epochs, run.history["input_noise"], color=COLOURS[4], linewidth=2, zorder=3)
    for layer, (strength, width) in enumerate(zip(penalties, np.linspace(*WIDTHS, levels), strict=True)):
        label, colour = _layer(layer, levels), COLOURS[layer % len(COLOURS)]
        penalty.plot(epochs, strength, color=colour, linewidth=width, zorder=3 + layer / levels, label=label)
    noise.set(xlabel="epoch", ylabel="$n_0$, standard deviation\nof the input noise", ylim=(0, None))
    penalty.set_yscale("symlog", linthresh=LOWEST, linscale=0.6)
    penalty.set(xlabel="epoch", ylabel=LABELS["l2"], xlim=noise.get_xlim(), ylim=(-LOWEST / 3, None))
    penalty.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    penalty.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=levels, columnspacing=1.2)
    _label_ends(penalty, [strength[-1] for strength in penalties])
    text = (
        "The hyperparameters during the T1-T2 run: standard deviation of the input noise (top) and the L2 penalty of "
        "each layer (bottom; wide lines lie under narrow ones, and 0 is drawn as 0); dotted: runs with other splits. "
        f"{evolution.caption(trained, preset)}"
    )
    if reference is not None:
        text += (
            " Grey: four runs of the paper on SVHN, their 300 epochs scaled to ours; "
            "values of log10 below -5 and of the noise below 0 left out."
        )
    add_caption(figure, text)
    return figure, pd.DataFrame(rows), text


def _rows(number: int, run: StoredRun) -> Iterator[dict]:
    """Every hyperparameter at every epoch of a run; `value` of a penalty is its logarithm."""
    noise = run.history["input_noise"]
    curves = {("input_noise", 0): (noise, noise)}
    for layer in range(len(run.config.l2)):
        strength = run.history[f"l2_{layer}"]
        curves["log10_l2", layer] = np.log10(np.maximum(strength, LOWEST)).tolist(), strength
    of = {"kind": "ours", "run": number}
    for (name, layer), columns in curves.items():
        for epoch, value, level in zip(run.history["epoch"], *columns, strict=True):
            yield {**of, "hyperparameter": name, "layer": layer, "epoch": epoch, "value": value, "level": level}


def _layer(number: int, levels: int) -> str:
    names = {0: " (input)", levels - 1: " (softmax)"}
    return f"layer {number + 1}{names.get(number, '')}"


def _label_ends(axes: Axes, ends: list[float]) -> None:
    """Beside the end of each line the layers that end there."""
    place = axes.transData + axes.transAxes.inverted()
    heights = [float(place.transform((0, end))[1]) for end in ends]
    groups: list[list[int]] = []
    for layer in sorted(np.flatnonzero(np.isfinite(heights)).tolist(), key=heights.__getitem__):
        if groups and heights[layer] - heights[groups[-1][-1]] < NEAR:
            groups[-1].append(layer)
        else:
            groups.append([layer])
    for group in groups:
        text = f"layer{'s' if len(group) > 1 else ''} {', '.join(str(layer + 1) for layer in sorted(group))}"
        height = float(np.mean([heights[layer] for layer in group]))
        axes.text(1.01, height, text, transform=axes.transAxes, va="center", fontsize=8)


def _draw_reference(noise: Axes, penalty: Axes, folder: Path, epochs: float) -> None:
    """The paper's curves, pale, in the time of our run."""
    for name in FILES:
        table = read_table(folder / name, words=("hyperparameter",), numbers=("curve", "epoch", "value"))
        table = table[(table["hyperparameter"] != "n0") | (table["value"] >= 0)].copy()
        table["epoch"] *= epochs / table["epoch"].max()
        for (kind, _), part in table.groupby(["hyperparameter", "curve"]):
            axes, values = (noise, part["value"]) if kind == "n0" else (penalty, 10 ** part["value"])
            axes.plot(part["epoch"], values, color="0.75", linewidth=0.8, zorder=1, gid=PAPER)


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Where the hyperparameters ended, the paper's and ours."""
    rows = []
    for name, title, kind in (("input_noise", "n0", "n0"), ("log10_l2", "log10 l2", "log10_l2")):
        ours = table[(table["kind"] == "ours") & (table["hyperparameter"] == name)]
        for layer, part in ours.groupby("layer"):
            ends = []
            for file in FILES:
                run = read_table(REFERENCE / file, words=("hyperparameter",), numbers=("curve", "value"))
                curve = run[(run["hyperparameter"] == kind) & (run["curve"] == layer)]
                ends += [f"{curve['value'].iloc[-1]:.2f}"] if len(curve) else []
            of = title if name == "input_noise" else f"{title}, layer {layer + 1}"
            runs = part.groupby("run")["value"]
            found = [", ".join(f"{value:.2f}" for value in values) for values in (runs.max(), runs.last())]
            rows.append((of, ", ".join(ends), f"{part['value'].iloc[0]:.2f}", *found))
    return pd.DataFrame(rows, columns=["", "paper: ends of four runs", "ours: start", "highest of each run", "ends"])


REPORT = Section(
    "Figure 3: the hyperparameters of that run",
    "the noise rises first and falls later; the L2 penalty ends stronger in the higher layers.",
    compare,
)
SCRIPT = FigureScript("fig3", __doc__, evolution.runs, draw, report=REPORT, place=3)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
