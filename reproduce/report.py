"""The report: one static page, figures/index.html, of every figure that has been drawn, with the claims."""

import require_environment  # noqa: F401, I001  (must come first)

import sys

import pandas as pd

from t1t2_pt.cli.commands import OneLineParser, told
from t1t2_pt.plotting.scripts import PRESETS, REFERENCE
from t1t2_pt.cli.options import usable_path
from t1t2_pt.plotting.report import Section, write_report
from t1t2_pt.runs.provenance import REPOSITORY
from t1t2_pt.system.streams import show
from t1t2_pt.plotting.tables import read_table

LEAD = (
    'Luketina, Berglund, Greff and Raiko, "Scalable Gradient-Based Tuning of Continuous Regularization '
    'Hyperparameters" (2016): each figure as this program draws it, what the paper says of its own, and what '
    "produced ours. Captions say where data, networks and epochs fall short of the paper's, and where data are a "
    "stand-in."
)
PANELS = {"left": "noise and L2", "right": "noise at input and hidden layers"}
SCATTERS = {
    "fig4": ("before_vs_rerun", "before_error_percent", "rerun_error_percent"),
    "fig5": ("test_vs_rerun", "test_error_percent", "rerun_error_percent"),
    "fig6": ("validation_vs_test", "validation_error_percent", "test_error_percent"),
}


def paths(table: pd.DataFrame) -> pd.DataFrame:
    """Figure 1: medians of starts and ends."""
    markers = read_table(REFERENCE / "mnist_fig1_markers.csv", words=("panel", "kind"), numbers=("n0", "y"))
    rows = []
    for panel, title in PANELS.items():
        ours = table[(table["panel"] == panel) & (table["kind"] == "tuned")].groupby("run")
        theirs = markers[markers["panel"] == panel].groupby("kind")
        for which, points, paper in (("start", ours.first(), "initial"), ("end", ours.last(), "final")):
            found = theirs.get_group(paper)
            rows.append((title, which, *_ranges(found), *_ranges(points)))
    names = ("n0, middle half", "vertical axis, middle half")
    columns = ["panel", "of the", *(f"{who}: {name}" for who in ("paper", "ours") for name in names)]
    return pd.DataFrame(rows, columns=columns)


def _ranges(points: pd.DataFrame) -> list[str]:
    quartiles = points[["n0", "y"]].quantile([0.25, 0.75])
    return [f"{quartiles[axis].iloc[0]:.2f} to {quartiles[axis].iloc[1]:.2f}" for axis in ("n0", "y")]


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """Figure 3: where the hyperparameters ended."""
    rows = []
    for name, title in (("input_noise", "n0"), ("log10_l2", "log10 l2")):
        ours = table[(table["kind"] == "ours") & (table["hyperparameter"] == name)]
        for layer, part in ours.groupby("layer"):
            ends = []
            for number in range(4):
                path = REFERENCE / f"svhn_fig3_run{number}.csv"
                run = read_table(path, words=("hyperparameter",), numbers=("curve", "value"))
                kind = "n0" if name == "input_noise" else "log10_l2"
                curve = run[(run["hyperparameter"] == kind) & (run["curve"] == layer)]
                ends += [f"{curve['value'].iloc[-1]:.2f}"] if len(curve) else []
            of = title if name == "input_noise" else f"{title}, layer {layer + 1}"
            values = part["value"]
            rows.append((of, ", ".join(ends), f"{values.iloc[0]:.2f}", f"{values.max():.2f}", f"{values.iloc[-1]:.2f}"))
    return pd.DataFrame(rows, columns=["", "paper: ends of four runs", "ours: start", "highest", "end"])


def points(name: str):
    """Figures 4 to 6: medians, the worst, and how many lie below the diagonal."""
    suffix, x, y = SCATTERS[name]

    def compare(table: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for panel, part in table[table["kind"] == "ours"].groupby("panel", sort=False):
            rows.append((f"ours, {part['dataset'].iloc[0]}", *_of(part["x"], part["y"])))
            path = REFERENCE / f"{panel}_{suffix}.csv"
            if path.is_file():
                paper = read_table(path, numbers=(x, y))
                rows.append((f"the paper's, {panel}", *_of(paper[x], paper[y])))
        return pd.DataFrame(
            rows, columns=["points", "number", "median x", "median y", "highest y", "below the diagonal"]
        )

    return compare


def _of(x: pd.Series, y: pd.Series) -> tuple[str, ...]:
    return str(len(x)), f"{x.median():.2f}%", f"{y.median():.2f}%", f"{y.max():.2f}%", str(int((y < x).sum()))


SECTIONS = (
    Section(
        "fig1",
        "Figure 1: hyperparameters during training, over the test cost of fixed ones",
        "all runs reach a reasonable region whatever the start, moving towards lower cost.",
        paths,
    ),
    Section(
        "fig2",
        "Figure 2: error and cross-entropy over the epochs, fixed and with T1-T2",
        "T1-T2 prevents otherwise strong overfitting (one run on SVHN; not published as numbers).",
    ),
    Section(
        "fig3",
        "Figure 3: the hyperparameters of that run",
        "the noise rises first and falls later; the L2 penalty ends stronger in the higher layers.",
        curves,
    ),
    Section(
        "fig4",
        "Figure 4: test error with initial hyperparameters and with those found",
        "no model with hyperparameters found by T1-T2 performs poorly, however poor the start.",
        points("fig4"),
    ),
    Section(
        "fig5",
        "Figure 5: hysteresis, the T1-T2 run against its rerun",
        "strong correlation; reruns somewhat better in most cases.",
        points("fig5"),
    ),
    Section(
        "fig6",
        "Figure 6: validation error against test error",
        "validation error predicts test error; on MNIST no structure, all errors low. (The paper's points on MNIST are "
        "published against the rerun only.)",
        points("fig6"),
    ),
    Section(
        "fig7",
        "Figure 7: grid search, test log-likelihood and test error",
        "the two have their optimum at different hyperparameters (not published as numbers).",
    ),
    Section(
        "cost",
        "Section 2.2: what a hypergradient costs",
        "around 3 times a backpropagation; about 30% when taken at every tenth step, which did not change the result.",
    ),
    Section(
        "spacetime",
        "Beside the paper: input noise over time and place",
        "a picture by its authors that it does not have.",
    ),
)


def main(arguments=None) -> int:
    """Write the page; returns the exit code, see `told`."""
    parser = OneLineParser(prog="report.py", description=__doc__)
    parser.add_argument(
        "--out",
        type=usable_path,
        default=REPOSITORY / "figures",
        help="folder of the figures: those of the quick preset, of others in laptop/ and paper/ (default: %(default)s)",
    )

    def command() -> int:
        show(write_report(parser.parse_args(arguments).out, list(PRESETS), SECTIONS, LEAD))
        return 0

    return told("report.py", command)


if __name__ == "__main__":
    sys.exit(main())
