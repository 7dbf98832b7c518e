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
from t1t2_pt.plotting.scripts import Drawing, FigureScript, main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import COLOURS, add_caption, new_figure

SETS = {"t1": ("T1", "-"), "t2": ("T2 (validation)", "--"), "test": ("test", ":")}
ROWS = {evolution.FIXED: "fixed hyperparameters", evolution.TUNED: "T1-T2"}


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """Errors on the left, costs on the right; the same scale above and below."""
    figure, panels = new_figure(9.6, 6.6, 2, rows=2)
    table = pd.concat([_rows(part.stage, trained[part][0].history) for part in ROWS], ignore_index=True)
    for axes_row, (part, title) in zip(panels, ROWS.items(), strict=True):
        curves = table[table["run"] == part.stage]
        for axes, quantity in zip(axes_row, ("error", "cost"), strict=True):
            for colour, (which, (label, style)) in zip(COLOURS, SETS.items(), strict=False):
                axes.plot(
                    curves["epoch"], curves[f"{which}_{quantity}"], style, color=colour, label=label, linewidth=1.8
                )
            top = 1.2 * np.nanmax(table[[f"{which}_{quantity}" for which in SETS]])
            label = "classification error (%)" if quantity == "error" else "cross-entropy (nats)"
            axes.set(xlabel="epoch", ylabel=label, ylim=(0, top), title=title)
            axes.legend(loc="upper right", ncols=3)
    text = (
        "Classification error and cross-entropy on T1, T2 and test with fixed hyperparameters (top) and with T1-T2 "
        f"from the same start (bottom). {evolution.caption(trained, preset)}"
    )
    if reference is not None:
        text += " The paper's own curves of this figure are not published as numbers."
    add_caption(figure, text)
    return figure, table, text


def _rows(run: str, history: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    columns = {
        f"{which}_{quantity}": history[f"{which}_{quantity}"] for which in SETS for quantity in ("error", "cost")
    }
    table = pd.DataFrame({"run": run, "epoch": history["epoch"], **columns}).dropna()
    table = table.replace(np.inf, np.nan)  # where a run diverged
    table[[f"{which}_error" for which in SETS]] *= 100
    return table


REPORT = Section(
    "Figure 2: error and cross-entropy over the epochs, fixed and with T1-T2",
    "T1-T2 prevents otherwise strong overfitting (one run on SVHN; not published as numbers).",
)
SCRIPT = FigureScript("fig2", __doc__.split("\n\n")[0], evolution.runs, draw, report=REPORT, place=2)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
