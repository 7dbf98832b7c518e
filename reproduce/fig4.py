"""Figure 4: test error with the initial hyperparameters against test error with those T1-T2 found.

Equal markers are one configuration of the network from several random starts; below the diagonal
the hyperparameters found are better. Panels: MNIST, SVHN (or its stand-in), CIFAR-10.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import setups

from t1t2_pt.figures import FigureScript, Runs, main
from t1t2_pt.plotting import COLOURS, add_caption, new_figure

MARKERS = "o^sDvP*X"
REFERENCES = {"mnist": "mnist_before_vs_rerun.csv", "svhn": "svhn_before_vs_rerun.csv"}


def tabulate(trained: Runs) -> pd.DataFrame:
    """A row for each start: errors in percent of the run fixed at the start, tuned, and of the rerun."""
    rows = []
    for part in trained:
        if not part.endswith("/tuned"):
            continue
        panel, setup, _ = part.split("/")
        stages = {stage: trained[f"{panel}/{setup}/{stage}"] for stage in setups.STAGES}
        for start, found in enumerate(zip(*stages.values(), strict=True)):
            errors = {f"{name}_error": 100 * run.final["test_error"] for name, run in zip(stages, found, strict=True)}
            of = {"panel": panel, "dataset": found[0].config.dataset, "setup": setup, "start": start}
            rows.append({"kind": "ours", **of, **errors})
    return pd.DataFrame(rows)


def draw(trained: Runs, preset: str, reference: Path | None):
    """A panel for each data set, the table of the points, and the caption."""
    table = tabulate(trained)
    panels = list(dict.fromkeys(table["panel"]))
    figure, axes_of = new_figure(4.9 * len(panels), 5.4, len(panels))
    rows = [table]
    for axes, panel in zip(axes_of, panels, strict=True):
        if reference is not None and panel in REFERENCES:
            points = pd.read_csv(reference / REFERENCES[panel]).rename(
                columns=lambda name: name.removesuffix("_percent")
            )
            axes.plot(points["before_error"], points["rerun_error"], ".", color="0.75", zorder=1, label="the paper's")
            rows.append(points.assign(kind="paper", panel=panel))
        ours = table[table["panel"] == panel]
        for number, (setup, label) in enumerate(setups.labels(preset, panel).items()):
            part = ours[ours["setup"] == setup]
            if len(part):
                style = {"marker": MARKERS[number], "color": COLOURS[number], "linestyle": "none", "alpha": 0.85}
                axes.plot(part["before_error"], part["rerun_error"], label=label, zorder=2, **style)
        shown = pd.concat([part[part["panel"] == panel] for part in rows])[["before_error", "rerun_error"]]
        bounds = (0.9 * float(np.nanmin(shown)), 1.1 * float(np.nanmax(shown)))
        axes.plot(bounds, bounds, color="0.6", linewidth=0.8, zorder=0)
        axes.set(xscale="log", yscale="log", xlim=bounds, ylim=bounds, aspect="equal")
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if bounds[0] <= tick <= bounds[1]]
        axes.set_xticks(ticks, map(str, ticks))
        axes.set_yticks(ticks, map(str, ticks))
        axes.minorticks_off()
        axes.set(xlabel="test error with initial hyperparameters (%)", ylabel="test error with those T1-T2 found (%)")
        axes.set_title(ours["dataset"].iloc[0])
        axes.legend(loc="upper left")
    caption = _caption(trained, preset, reference is not None)
    add_caption(figure, caption)
    return figure, pd.concat(rows, ignore_index=True), caption


def _caption(trained: Runs, preset: str, with_reference: bool) -> str:
    data = {}
    for part, found in trained.items():
        config = found[0].config
        name = found[0].provenance["data"].split("; T1")[0]
        sizes = f"T1 {config.t1_samples:,}, T2 {config.t2_samples:,}, {config.epochs} epochs"
        data[part.split("/")[0]] = f"{name} ({sizes})"
    text = (
        "Networks trained with the hyperparameters that T1-T2 found, against those trained with the initial ones; "
        f"equal markers are equal configurations. Preset {preset}: {'; '.join(data.values())}; "
        f"{sum(map(len, trained.values()))} runs."
    )
    if preset != "paper":
        text += " Smaller than the paper's networks, samples and 200 to 300 epochs."
    return text + (" Grey: the paper's own points." if with_reference else "")


if __name__ == "__main__":
    sys.exit(main(FigureScript("fig4", __doc__.split("\n\n")[0], setups.runs, draw, setups.reruns)))
