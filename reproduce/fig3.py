"""Figure 3: the hyperparameters of Figure 2's T1-T2 run over the epochs: input noise, L2 of each layer."""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

import evolution
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from t1t2_pt.plotting.parts import Runs
from t1t2_pt.plotting.scripts import REFERENCE, Drawing, FigureScript, main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import COLOURS, LABELS, add_caption, new_figure
from t1t2_pt.plotting.tables import read_table

FILES = tuple(f"svhn_fig3_run{number}.csv" for number in range(4))
STYLES = ("-", (0, (7, 1)), (0, (4, 2)), (0, (3, 1, 1, 1)), (0, (1, 1.5)), (0, (1, 4)))
LOWEST = 1e-6  # where the logarithmic axis shows a penalty of 0


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """Input noise above, the L2 penalty of each layer below, solid for the input layer."""
    figure, panels = new_figure(6.4, 7.0, 1, rows=2)
    (noise,), (penalty,) = panels
    run = trained[evolution.TUNED][0]
    epochs, levels = run.history["epoch"], len(run.config.l2)
    curves = {("input_noise", 0): run.history["input_noise"]}
    for layer in range(levels):
        curves["log10_l2", layer] = np.log10(np.maximum(run.history[f"l2_{layer}"], LOWEST)).tolist()
    rows = [
        {"kind": "ours", "run": 0, "hyperparameter": name, "layer": layer, "epoch": epoch, "value": value}
        for (name, layer), values in curves.items()
        for epoch, value in zip(epochs, values, strict=True)
    ]
    if reference is not None:
        rows += _draw_reference(noise, penalty, reference, epochs[-1])
    noise.plot(epochs, curves["input_noise", 0], color=COLOURS[2], linewidth=2, zorder=3)
    for layer in range(levels):
        label = f"layer {layer + 1}" + (" (input)" if layer == 0 else "")
        style = STYLES[layer * (len(STYLES) - 1) // (levels - 1)]
        penalty.plot(epochs, curves["log10_l2", layer], linestyle=style, color=COLOURS[1], linewidth=1.8, label=label)
    noise.set(xlabel="epoch", ylabel="$n_0$, standard deviation\nof the input noise", ylim=(0, None))
    penalty.set(xlabel="epoch", ylabel=LABELS["log10_l2"])
    penalty.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=4, columnspacing=1)
    text = (
        "The hyperparameters during the T1-T2 run: standard deviation of the input noise (top) and the L2 penalty of "
        f"each layer (bottom; solid: input layer). {evolution.caption(trained, preset)}"
    )
    if reference is not None:
        text += (
            " Grey: four runs of the paper on SVHN, their 300 epochs scaled to ours; "
            "values of log10 below -5 and of the noise below 0 left out."
        )
    add_caption(figure, text)
    return figure, pd.DataFrame(rows), text


def _draw_reference(noise: Axes, penalty: Axes, folder: Path, epochs: float) -> list[dict]:
    """The paper's curves, pale, in the time of our run."""
    rows = []
    for run, name in enumerate(FILES, start=1):
        table = read_table(folder / name, words=("hyperparameter",), numbers=("curve", "epoch", "value"))
        table = table[(table["hyperparameter"] != "n0") | (table["value"] >= 0)].copy()
        table["epoch"] *= epochs / table["epoch"].max()
        for (kind, curve), part in table.groupby(["hyperparameter", "curve"]):
            axes, layer = (noise, 0) if kind == "n0" else (penalty, curve)
            axes.plot(part["epoch"], part["value"], color="0.8", linewidth=0.8, zorder=1)
            of = {
                "kind": "paper",
                "run": run,
                "hyperparameter": "input_noise" if kind == "n0" else kind,
                "layer": layer,
            }
            rows += [{**of, "epoch": e, "value": v} for e, v in zip(part["epoch"], part["value"], strict=True)]
    return rows


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
            values = part["value"]
            rows.append((of, ", ".join(ends), f"{values.iloc[0]:.2f}", f"{values.max():.2f}", f"{values.iloc[-1]:.2f}"))
    return pd.DataFrame(rows, columns=["", "paper: ends of four runs", "ours: start", "highest", "end"])


REPORT = Section(
    "Figure 3: the hyperparameters of that run",
    "the noise rises first and falls later; the L2 penalty ends stronger in the higher layers.",
    compare,
)
SCRIPT = FigureScript("fig3", __doc__, evolution.runs, draw, report=REPORT, place=3)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
