"""The claims about Figures 4 to 6: test errors of every start before, after and with what T1-T2 found.

Ours and the points that the paper's authors published go through the same statistics.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import fig6
import numpy as np
import pandas as pd
import rerun
import setups

from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting import statistics
from t1t2_pt.plotting.claims import Claim, Row, share_words, words
from t1t2_pt.plotting.parts import Runs, Stage, within
from t1t2_pt.plotting.statistics import Estimate
from t1t2_pt.plotting.tables import read_table

BEFORE, AFTER, RERUN = setups.ERRORS.values()
VALIDATION = "validation_error"
FEWEST = 3  # starts of a cluster, below which a statistic of it alone says nothing
PUBLISHED = {"mnist": "MNIST", "svhn": "SVHN"}


def rows(claims: Mapping[str, Claim], preset: str, parts: Runs) -> Iterator[Row]:
    """Of the parts of one preset, named by figure."""
    for dataset, table in _tables(within(parts, figure="setups")).items():
        yield from _of_table(claims, table, preset=preset, data=DATASETS[dataset].title.split(" (")[0])
    several = _whole_seeds(within(parts, figure="rerun"))
    for dataset, table in _tables(several).items():
        of = {"preset": preset, "data": f"{DATASETS[dataset].title}, {len({part.setup for part in several})} splits"}
        yield from _of_table(claims, table, **of)
        yield _of_poor(claims, several, **of)


def published(claims: Mapping[str, Claim], reference: Path) -> Iterator[Row]:
    """The same of the points in the paper's figures."""
    names = {"before_error_percent": BEFORE, "test_error_percent": AFTER, "rerun_error_percent": RERUN}
    names["validation_error_percent"] = VALIDATION
    for dataset, data in PUBLISHED.items():
        for file in ("before_vs_rerun", "test_vs_rerun", "validation_vs_test"):
            path = reference / f"{dataset}_{file}.csv"
            if file == "validation_vs_test" and dataset == "mnist":
                pairs = fig6.pairs_of_mnist(reference)["mnist"]
                table = pairs.rename(columns={"x": VALIDATION, "y": AFTER})
                table["setup"] = read_table(reference / "mnist_test_vs_rerun.csv", words=("setup",))["setup"]
            else:
                table = read_table(path, words=("setup",)).rename(columns=names)
            yield from _of_table(claims, table, preset="published", data=data)


def _tables(parts: Runs) -> dict[str, pd.DataFrame]:
    """The errors of every start in percent by data set, where all stages are there; NaN: diverged."""
    whole = {part: some for part, some in parts.items() if all(part.at(stage) in parts for stage in setups.ERRORS)}
    found: dict[str, list[dict]] = {}
    for part, starts in setups.by_start(whole).items():
        name = part.setup if isinstance(part.setup, str) else part.name("panel", "setup")
        for stages in starts:
            tuned = stages[Stage.TUNED]
            validation = 100 * tuned.final["t2_error"] if tuned.status == "finished" else np.nan
            row = {"setup": name, **setups.errors_by_stage(stages), VALIDATION: validation}
            found.setdefault(tuned.config.dataset, []).append(row)
    return {dataset: pd.DataFrame(rows) for dataset, rows in found.items()}


def _whole_seeds(parts: Runs) -> Runs:
    """The parts of the seeds of which every run is there; nothing where that is one seed."""
    wanted = {(panel, stage) for panel in rerun.NAMES for stage in Stage}
    seeds = {part.setup for part in parts}
    whole = [seed for seed in seeds if {(part.panel, part.stage) for part in parts if part.setup == seed} == wanted]
    return {part: some for part, some in parts.items() if part.setup in whole} if len(whole) > 1 else {}


def _of_table(claims: Mapping[str, Claim], table: pd.DataFrame, **of: str) -> Iterator[Row]:
    """A row for each claim whose columns the table has."""
    for columns, of_columns in CLAIMS.items():
        if not set(columns) <= set(table):
            continue
        for name, make in of_columns.items():
            if name == "one-percent" and not of["data"].startswith("MNIST"):
                continue
            known = table if name == "none-poor" else table.dropna(subset=list(columns))
            lost = len(table) - len(known)
            estimate, told, of_setup = make(known)
            clusters = known["setup"].nunique()
            told = f"{told}; {len(known)} starts in {clusters} cluster{'s' if clusters > 1 else ''}"
            told += f", {lost} diverged and left out" if lost else ""
            yield claims[name].row(estimate, told, within=_within(known, columns, of_setup), **of)


Made = tuple[Estimate, str, Callable[[np.ndarray], float] | None]


def _none_poor(table: pd.DataFrame) -> Made:
    worst, median = table[RERUN].max(), table[BEFORE].median()
    poor = ~(table[RERUN] <= median).to_numpy()
    found = statistics.share(poor, table["setup"])
    told = f"worst rerun {worst:.1f}%, median start {median:.1f}%, worst start {table[BEFORE].max():.1f}%"
    return found, f"{int(poor.sum())} poor ({told})", None


def _improves(table: pd.DataFrame) -> Made:
    found = statistics.mean(table[BEFORE] - table[RERUN], table["setup"])
    better = int((table[RERUN] < table[BEFORE]).sum())
    told = f"test error lower by {words(found, ' points')}; {better} of {len(table)} better"
    return found, told, lambda rows: float((rows[:, 0] - rows[:, 1]).mean())


def _forgets(table: pd.DataFrame) -> Made:
    found = statistics.slope(table[BEFORE], table[RERUN], table["setup"])
    return found, f"slope {words(found)}", lambda rows: statistics.slope(*rows.T).value


def _removes(table: pd.DataFrame) -> Made:
    lowest = table.groupby("setup")[BEFORE].transform("min")
    found = statistics.share_removed(table[BEFORE] - lowest, table[RERUN] - lowest, table["setup"])

    def of_setup(rows: np.ndarray) -> float:
        return statistics.share_removed(*(rows - rows[:, 0].min()).T).value

    return found, f"{words(found)} of the excess", of_setup


def _one_percent(table: pd.DataFrame) -> Made:
    found = statistics.mean(table[RERUN], table["setup"])
    return found, f"mean rerun {words(found, '%')}", lambda rows: float(rows[:, 1].mean())


def _hysteresis(table: pd.DataFrame) -> Made:
    found = statistics.rank_correlation(table[AFTER], table[RERUN], table["setup"])
    return found, f"Spearman {words(found)}", statistics.spearman


def _rerun_better(table: pd.DataFrame) -> Made:
    found = statistics.share(table[RERUN] < table[AFTER], table["setup"])
    return found, share_words(found), lambda rows: float((rows[:, 1] < rows[:, 0]).mean())


def _gain(table: pd.DataFrame) -> Made:
    found = statistics.mean(table[AFTER] - table[RERUN], table["setup"])
    return found, f"rerun lower by {words(found, ' points')}", lambda rows: float((rows[:, 0] - rows[:, 1]).mean())


def _predicts(table: pd.DataFrame) -> Made:
    found = statistics.rank_correlation(table[VALIDATION], table[AFTER], table["setup"])
    return found, f"Spearman {words(found)}", statistics.spearman


CLAIMS: dict[tuple[str, str], dict[str, Callable[[pd.DataFrame], Made]]] = {
    (BEFORE, RERUN): {
        "none-poor": _none_poor,
        "improves": _improves,
        "forgets-start": _forgets,
        "excess-removed": _removes,
        "one-percent": _one_percent,
    },
    (AFTER, RERUN): {"hysteresis": _hysteresis, "rerun-better": _rerun_better, "rerun-gain": _gain},
    (VALIDATION, AFTER): {"validation-predicts": _predicts},
}


def _within(table: pd.DataFrame, columns: Sequence[str], of_setup: Callable[[np.ndarray], float] | None) -> str:
    """The statistic of each cluster of three starts or more by itself, such as `M0 0.94, M1 0.77`."""
    if of_setup is None or table["setup"].nunique() < 2:
        return ""
    table = table[table.groupby("setup")["setup"].transform("size") >= FEWEST]
    found = statistics.within(table[list(columns)].to_numpy(float), table["setup"].tolist(), of_setup)
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items() if value == value)


def _of_poor(claims: Mapping[str, Claim], parts: Runs, **of: str) -> Row:
    """Starts that are poor by the grids of other seeds."""
    table = rerun.tabulate(parts)
    poor = table[table["poor"]].dropna()
    names = [f"{panel} {seed}" for panel, seed in zip(poor["panel"], poor["seed"], strict=True)]
    found = statistics.mean(poor[BEFORE] - poor[RERUN], names)
    better = int((poor[RERUN] < poor[BEFORE]).sum())
    told = f"test error lower by {words(found, ' points')}; {better} of {len(poor)} better"
    return claims["improves-poor"].row(found, told, **of)
