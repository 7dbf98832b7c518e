"""Figure 5: hysteresis. Test error after the T1-T2 run against that of the rerun with what it found.

The runs are those of Figure 4.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys

import setups
from scatter import Scatter

from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import FigureScript
from t1t2_pt.plotting.scripts import main

FILES = {"mnist": "mnist_test_vs_rerun.csv", "svhn": "svhn_test_vs_rerun.csv"}
SCATTER = Scatter(
    x="tuned_error",
    y="rerun_error",
    text="Hysteresis: networks at the end of the T1-T2 run, against those trained anew with the hyperparameters it "
    "ended with, fixed; below the diagonal the rerun is better.",
    files=FILES,
    columns=("test_error_percent", "rerun_error_percent"),
)
REPORT = Section(
    "Figure 5: hysteresis, the T1-T2 run against its rerun",
    "strong correlation; reruns somewhat better in most cases.",
    SCATTER.compare,
    chart=SCATTER.chart,
)
SCRIPT = FigureScript(
    "fig5", __doc__.split("\n\n")[0], setups.runs, SCATTER.draw, setups.reruns, report=REPORT, place=5
)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
