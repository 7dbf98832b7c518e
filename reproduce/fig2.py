"""Figure 2: classification error and cross-entropy over the epochs, fixed (top) and with T1-T2 (bottom).

Both runs start from the same weak regularisation; T1-T2 prevents the overfitting.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import evolution
import numpy as np
import pandas as pd

from t1t2_pt.plotting.parts import Runs
from t1t2_pt.plotting.figure_script import Drawing, FigureScript
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import COLOURS, add_caption, new_figure

# By the columns of a run's history: what is said of them, and the line. T1 is, as in the paper, what training sees.
SETS = {"train": ("T1 (noisy batches)", "-"), "t2": ("T2 (validation)", "--"), "test": ("test", ":")}
COLUMNS = ("train", "t1", "t2", "test")
ROWS = {evolution.FIXED: "fixed hyperparameters", evolution.TUNED: "T1-T2"}
PALE = {"linewidth": 0.9, "alpha": 0.35}


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """Errors on the left, costs on the right; the same scale above and below."""
    figure, panels = new_figure(9.6, 6.6, 2, rows=2)
    table = tabulate(trained)
    shown = [f"{which}_{quantity}" for which in SETS for quantity in ("error", "cost")]
    for axes_row, (part, title) in zip(panels, ROWS.items(), strict=True):
        for axes, quantity in zip(axes_row, ("error", "cost"), strict=True):
            for start, curves in reversed(list(table[table["run"] == part.stage].groupby("start"))):
                for colour, (which, (label, style)) in zip(COLOURS, SETS.items(), strict=False):
                    look = {"linewidth": 1.8, "label": label} if start == 0 else PALE
                    axes.plot(curves["epoch"], curves[f"{which}_{quantity}"], style, color=colour, **look)
            top = 1.2 * np.nanmax(table[[name for name in shown if name.endswith(quantity)]])
            label = "classification error (%)" if quantity == "error" else "cross-entropy (nats)"
            axes.set(xlabel="epoch", ylabel=label, ylim=(0, top), title=title)
            axes.legend(loc="upper right", ncols=3)
    text = (
        "Classification error and cross-entropy on T1, as its noisy training batches saw it, on T2 and on test, with "
        "fixed hyperparameters (top) and with T1-T2 from the same start (bottom); pale: the other splits. "
        f"{evolution.caption(trained, preset)}"
    )
    if reference is not None:
        text += " The paper's own curves of this figure are not published as numbers."
    add_caption(figure, text)
    return figure, table, text


def tabulate(trained: Runs) -> pd.DataFrame:
    """A row for each epoch of each run: errors in percent, and costs; `t1` is T1 without noise, `train` with it."""
    tables = [_rows(part.stage, start, run.history) for part in ROWS for start, run in enumerate(trained[part])]
    return pd.concat(tables, ignore_index=True)


def _rows(run: str, start: int, history: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    columns = {f"{which}_{what}": history[f"{which}_{what}"] for which in COLUMNS for what in ("error", "cost")}
    table = pd.DataFrame({"run": run, "start": start, "epoch": history["epoch"], **columns}).dropna()
    table = table.replace(np.inf, np.nan)  # where a run diverged
    table[[f"{which}_error" for which in COLUMNS]] *= 100
    return table


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """How far the test error ends above that of T1, with and without its noise: a row for each start."""
    rows = []
    for start, of_start in table.groupby("start"):
        ends = of_start.groupby("run").last()
        for which, title in (("train", "noisy batches"), ("t1", "without noise")):
            gap = ends["test_error"] - ends[f"{which}_error"]
            rows.append((start + 1, title, *(f"{gap[part.stage]:.1f}" for part in ROWS)))
    return pd.DataFrame(rows, columns=["start", "T1", "fixed: test error above T1's, points", "with T1-T2"])


REPORT = Section(
    "Figure 2: error and cross-entropy over the epochs, fixed and with T1-T2",
    "T1-T2 prevents otherwise strong overfitting (one run on SVHN; not published as numbers).",
    compare,
)
SCRIPT = FigureScript("fig2", __doc__.split("\n\n")[0], evolution.runs, draw, report=REPORT, place=2)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
