"""Costs, errors and hyperparameters of any stored runs over their epochs: what `t1t2 runs plot` draws."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from t1t2_pt.plotting.captions import data_name
from t1t2_pt.plotting.style import COLOURS, STYLE, add_caption, new_figure
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.system.files import make_folder, replacing
from t1t2_pt.system.readable import one_line

SETS = {"t1": ":", "t2": "--", "test": "-"}
LONG = 3  # hyperparameters in a row of panels


def draw_curves(runs: Sequence[StoredRun]) -> Figure:
    """A panel of costs, one of errors, and one for each hyperparameter; a colour a run."""
    used = [name for name in HYPERPARAMETERS if any(name in run.config.hyperparameters for run in runs)]
    rows = 1 + -(-len(used) // LONG)
    figure, axes = new_figure(9.6, 2.6 * rows + 0.4, LONG, rows)
    panels = list(axes.flat)
    for place, run in enumerate(runs):
        colour = COLOURS[place % len(COLOURS)]
        for name, style in SETS.items():
            for panel, kind, scale in ((panels[0], "cost", 1), (panels[1], "error", 100)):
                column = [scale * value for value in run.history[f"{name}_{kind}"]]
                panel.plot(run.history["epoch"], column, style, color=colour)
        for panel, name in zip(panels[LONG:], used, strict=False):
            _draw_levels(panel, run, name, colour)
    panels[0].set(xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log")
    panels[1].set(xlabel="epoch", ylabel="error (%)")
    for panel, name in zip(panels[LONG:], used, strict=False):
        panel.set(xlabel="epoch", ylabel=HYPERPARAMETERS[name].symbol, title=name.replace("_", " "))
    for panel in [panels[2], *panels[LONG + len(used) :]]:
        panel.axis("off")
    _add_legend(panels[2], runs)
    add_caption(figure, "; ".join(dict.fromkeys(map(data_name, runs))))
    return figure


def _draw_levels(panel: Axes, run: StoredRun, name: str, colour: str) -> None:
    if name not in run.config.hyperparameters:
        return
    columns = run.config.levels(name).columns
    for number, column in enumerate(columns):
        panel.plot(run.history["epoch"], run.history[column], color=colour, alpha=1 - 0.7 * number / len(columns))


def _add_legend(panel: Axes, runs: Sequence[StoredRun]) -> None:
    """What colours and lines are, in a panel of its own."""
    for name, style in SETS.items():
        panel.plot([], [], style, color="0.3", label=name.replace("t1", "T1").replace("t2", "T2"))
    for place, run in enumerate(runs):
        tuned = "+".join(HYPERPARAMETERS[name].symbol for name in run.config.tune) or "fixed"
        label = one_line(f"{run.digest[:10]} {tuned}, seed {run.config.seed}").replace("$", "")
        panel.plot([], [], color=COLOURS[place % len(COLOURS)], label=label)
    panel.legend(loc="upper left")


def save_curves(runs: Sequence[StoredRun], path: Path) -> None:
    """Draw runs into a file, whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    make_folder(path.absolute().parent)
    with matplotlib.rc_context(STYLE), replacing(path) as partial:
        draw_curves(runs).savefig(partial)
