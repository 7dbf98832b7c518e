"""Figure 6: validation error against test error, both at the end of the T1-T2 run.

The runs are those of Figure 4.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

import pandas as pd
import setups
from scatter import Scatter

from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import FigureScript
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.tables import read_table


def pairs_of_mnist(folder: Path) -> dict[str, pd.DataFrame]:
    """The paper's points on MNIST, which are published against the rerun, row by row with Figure 5's."""
    names = {"x": ("validation_vs_rerun", "validation_error_percent"), "y": ("test_vs_rerun", "test_error_percent")}
    columns = {
        axis: read_table(folder / f"mnist_{name}.csv", numbers=(column,))[column]
        for axis, (name, column) in names.items()
    }
    return {"mnist": pd.DataFrame(columns)}


SCATTER = Scatter(
    x="validation_error",
    y="tuned_error",
    text="Validation error (T2, which tuned the hyperparameters) against test error, both at the end of the T1-T2 run.",
    files={"svhn": "svhn_validation_vs_test.csv"},
    columns=("validation_error_percent", "test_error_percent"),
    more_points=pairs_of_mnist,
)
REPORT = Section(
    "Figure 6: validation error against test error",
    "validation error predicts test error; on MNIST no structure, all errors low. (The paper's points on MNIST are "
    "published against the rerun only.)",
    SCATTER.compare,
    chart=SCATTER.chart,
)
SCRIPT = FigureScript(
    "fig6", __doc__.split("\n\n")[0], setups.runs, SCATTER.draw, setups.reruns, report=REPORT, place=6
)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
