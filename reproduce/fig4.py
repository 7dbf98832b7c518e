"""Figure 4: test error with the initial hyperparameters against test error with those T1-T2 found.

Equal markers are one configuration of the network from several random starts; below the diagonal
the hyperparameters found are better. Panels: MNIST, SVHN (or its stand-in), CIFAR-10.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys

import setups
from scatter import Scatter, hyperparameters

from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import FigureScript
from t1t2_pt.plotting.scripts import main

FILES = {"mnist": "mnist_before_vs_rerun.csv", "svhn": "svhn_before_vs_rerun.csv"}
SCATTER = Scatter(
    x="before_error",
    y="rerun_error",
    text="Networks trained with the fixed hyperparameters that T1-T2 found, against the same with the initial ones; "
    "below the diagonal those found are better.",
    files=FILES,
    columns=("before_error_percent", "rerun_error_percent"),
)
REPORT = Section(
    "Figure 4: test error with initial hyperparameters and with those found",
    "no model with hyperparameters found by T1-T2 performs poorly, however poor the start.",
    SCATTER.compare,
    tables={"Hyperparameters at the start and at the end of T1-T2": hyperparameters},
    chart=SCATTER.chart,
)
SCRIPT = FigureScript(
    "fig4", __doc__.split("\n\n")[0], setups.runs, SCATTER.draw, setups.reruns, report=REPORT, place=4
)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
