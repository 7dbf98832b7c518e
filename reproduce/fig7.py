"""Figure 7: test log-likelihood (left) and test error (right) over a grid of fixed hyperparameters.

Both pairs of hyperparameters; a white cross marks each minimum. The runs are Figure 1's grids.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

import fig1
import pandas as pd

from t1t2_pt.plotting.captions import diverged, network_name, preset_and_data, smaller
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import LABELS, add_caption, draw_grid, new_figure

VALUES = {
    "test_cost": ("negative test log-likelihood", "cross-entropy (nats)"),
    "test_error": ("test error", "test error (%)"),
}


def runs(request: Request) -> Configs:
    """The grids of Figure 1."""
    return {part: configs for part, configs in fig1.runs(request).items() if part.stage is Stage.GRID}


def draw(trained: Runs, preset: str, reference: Path | None) -> Drawing:
    """A row of panels for each pair, the table of their cells, and the caption."""
    figure, panels = new_figure(9.6, 7.6, 2, rows=2)
    whole = tabulate(trained)
    for row, (pair, vertical) in zip(panels, fig1.PANELS.items(), strict=True):
        table = whole[whole["panel"] == pair]
        for axes, (quantity, (title, label)) in zip(row, VALUES.items(), strict=True):
            cells = table.pivot(index="y", columns="n0", values=quantity)
            draw_grid(axes, cells.columns.to_numpy(), cells.index.to_numpy(), cells.to_numpy(), label)
            best = table.loc[table[quantity].idxmin()]
            axes.plot(best["n0"], best["y"], "X", markersize=11, color="white", markeredgecolor="black", clip_on=False)
            axes.set(xlabel=LABELS["input_noise"], ylabel=LABELS[vertical], title=title)
    caption = _caption(trained, preset)
    if reference is not None:
        caption += " The paper's own numbers of this figure are not published."
    add_caption(figure, caption)
    return figure, whole, caption


def tabulate(trained: Runs) -> pd.DataFrame:
    """A row for each cell of both grids, its test error in percent, and whether it is the lowest."""
    tables = []
    for pair, vertical in fig1.PANELS.items():
        table = pd.DataFrame(fig1.grid_rows(pair, vertical, trained[Part(Stage.GRID, pair)]))
        table["test_error"] *= 100
        for quantity in VALUES:
            table[f"lowest_{quantity}"] = table.index == table[quantity].idxmin()
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _caption(trained: Runs, preset: str) -> str:
    every = [run for part in trained.values() for run in part]
    config = trained[Part(Stage.GRID, "left")][0].config
    text = (
        "Grid search without tuning: negative test log-likelihood (left) and test error (right) at the end of training "
        "with fixed hyperparameters; crosses: the lowest cell. Top: input noise and L2 penalty, without batch "
        f"normalisation; bottom: input and hidden noise, with it. {preset_and_data(preset, every)}; "
        f"{network_name(config)} ReLU network, {config.epochs} epochs; {len(every)} runs, one seed."
    )
    text += diverged(every, "grey")
    return text + smaller(config, fig1.PRESETS["paper"].base)


REPORT = Section(
    "Figure 7: grid search, test log-likelihood and test error",
    "the two have their optimum at different hyperparameters (not published as numbers).",
)
SCRIPT = FigureScript("fig7", __doc__.split("\n\n")[0], runs, draw, report=REPORT, place=7)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
