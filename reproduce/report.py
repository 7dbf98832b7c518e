"""The report: one static page, figures/index.html, of every figure that has been drawn, with the claims."""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from collections.abc import Sequence
from pathlib import Path

from t1t2_pt.cli.commands import OneLineParser, run_command
from t1t2_pt.cli.plain_options import usable_path
from t1t2_pt.plotting.found_scripts import scripts_in
from t1t2_pt.plotting.report import write_report
from t1t2_pt.plotting.scripts import PRESETS
from t1t2_pt.system.repository import REPOSITORY
from t1t2_pt.system.streams import show

LEAD = (
    'Luketina, Berglund, Greff and Raiko, "Scalable Gradient-Based Tuning of Continuous Regularization '
    'Hyperparameters" (2016): each figure as this program draws it, what the paper says of its own, and what '
    "produced ours. Captions say where data, networks and epochs fall short of the paper's, and where data are a "
    "stand-in."
)
# The paper's runs on MNIST, as the rows of ours in the table of what verdicts rest on.
PAPER = ("the paper", "MNIST, T1 55,000", "10 and more a figure", "", "250", "13,750")
SECTIONS = {script.name: script.report for script in scripts_in(Path(__file__).parent) if script.report is not None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; returns the exit code, see `told`."""
    parser = OneLineParser(prog="report.py", description=__doc__)
    parser.add_argument(
        "--out",
        type=usable_path,
        default=REPOSITORY / "figures",
        help="folder of the figures: those of the quick preset, of others in laptop/ and paper/ (default: %(default)s)",
    )

    def command() -> int:
        show(write_report(parser.parse_args(arguments).out, list(PRESETS), SECTIONS, LEAD, PAPER))
        return 0

    return run_command("report.py", command)


if __name__ == "__main__":
    sys.exit(main())
