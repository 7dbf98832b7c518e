"""Every quantitative claim of the paper as a row: its number, ours with an interval, and whether it holds.

Nothing is trained: rows are made for every preset whose runs are in the store, which `make figures` puts
there. The table goes to claims.csv; the report shows it.
"""

import require_environment  # noqa: F401, I001  (must come first)

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cost
import evolution
import fig1
import fig7
import numpy as np
import pandas as pd
import scatter
import setups

from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting import statistics
from t1t2_pt.plotting.claims import ELSEWHERE, HOLDS, Row, decide, markdown, words
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage, within
from t1t2_pt.plotting.scripts import PRESETS, REFERENCE, Drawing, FigureScript, Request, main
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.system.streams import show
from t1t2_pt.sweeps.timing import Timing
from t1t2_pt.plotting.tables import read_table

SOURCES = {"fig1": fig1.runs, "evolution": evolution.runs, "setups": setups.runs, "cost": cost.runs}
MOST_HYPERPARAMETERS = 20


def runs(request: Request) -> Configs:
    """The runs of all figures."""
    return {
        dataclasses.replace(part, figure=name): configs
        for name, source in SOURCES.items()
        for part, configs in source(request).items()
    }


def reruns(trained: Runs) -> Configs:
    """What T1-T2 found for Figures 4 to 6, trained anew."""
    return setups.reruns({part: found for part, found in trained.items() if part.figure == "setups"})


def draw(trained: Runs, preset: str, reference: Path | None, timing: Timing) -> Drawing:
    """The table alone."""
    rows = list(_cost_of_hypergradients(timing))
    for name in PRESETS:
        rows += _rows(name, within(trained, preset=name))
    order = {claim: place for place, claim in enumerate(dict.fromkeys(row.claim for row in rows))}
    rows.sort(key=lambda row: order[row.claim])
    show(*markdown(rows).splitlines())
    caption = "Claims of the paper against our runs; intervals are 95%, by bootstrap over the runs or Wilson's."
    return None, pd.DataFrame([row.as_dict() for row in rows]), caption


def _rows(preset: str, parts: Runs) -> list[Row]:
    found = []
    of_setups, grids, intervals = (within(parts, figure=name) for name in ("setups", "fig1", "cost"))
    starts = _starts(preset, of_setups)
    for dataset, table in starts.groupby("dataset", sort=False) if len(starts) else ():
        found += _of_starts(preset, dataset, table)
    tuned = [run for part, some in parts.items() if part.stage is Stage.TUNED for run in some]
    found += _of_layers(preset, tuned)
    found += _of_noise(preset, tuned)
    if all(Part(Stage.GRID, panel) in grids for panel in fig1.PANELS):
        found += _of_minima(preset, grids)
    if all(cost.part(interval) in intervals for interval in (1, 10)):
        found += _of_interval(preset, intervals)
    if of_setups:
        found += _of_numbers(preset, [run for some in of_setups.values() for run in some])
    return found


def _starts(preset: str, parts: Runs) -> pd.DataFrame:
    """Figures 4 to 6 as a table, without runs that diverged."""
    whole = {part: some for part, some in parts.items() if all(part.at(stage) in parts for stage in setups.ERRORS)}
    return scatter.tabulate(whole, preset).dropna() if whole else pd.DataFrame()


def _of_starts(preset: str, dataset: str, table: pd.DataFrame) -> Iterator[Row]:
    of = {"preset": preset, "data": DATASETS[dataset].title.split(" (")[0]}
    before, tuned, rerun = (table[name].to_numpy() for name in setups.ERRORS.values())
    paper = _paper_starts(dataset)

    poor = rerun > np.median(before)
    yield Row(
        claim="no model with hyperparameters that T1-T2 found performs poorly, whatever the start",
        section="3.1, Figure 4",
        paper=f"worst rerun {paper['worst_rerun']}, worst start {paper['worst_start']}",
        ours=f"worst rerun {rerun.max():.1f}%, worst start {before.max():.1f}%, median start {np.median(before):.1f}%",
        estimate=(found := statistics.share(poor)),
        statistic="share of reruns worse than the median start",
        verdict=HOLDS if not poor.any() else decide(found.below(0.25)),
        **of,
    )
    gain = statistics.mean(before - rerun)
    yield Row(
        claim="T1-T2 improves on the initial hyperparameters",
        section="4, Figure 4",
        paper=f"better in {paper['better']}",
        ours=f"test error lower by {words(gain, ' points')}; {int((rerun < before).sum())} of {len(before)} better",
        estimate=gain,
        statistic="mean of test error with the start's minus with those found, in points",
        verdict=decide(gain.above(0)),
        **of,
    )
    most = statistics.spearman(before, before - rerun)
    yield Row(
        claim="the improvement is largest where the start was far off",
        section="4",
        paper="stated",
        ours=f"Spearman {words(most)}",
        estimate=most,
        statistic="rank correlation of the start's test error and the improvement",
        verdict=decide(most.above(0)),
        **of,
    )
    if dataset == "mnist":
        middle = statistics.median(rerun)
        yield Row(
            claim="tuned models on MNIST have about 1% test error",
            section="3.1, Figure 4",
            paper=f"median rerun {paper['median_rerun']}",
            ours=f"median rerun {words(middle, '%')}",
            estimate=middle,
            statistic="median test error of the reruns, %",
            verdict=decide(middle.above(1.5) is False) if preset == "paper" else ELSEWHERE,
            **of,
        )
    same = statistics.spearman(tuned, rerun)
    yield Row(
        claim="the T1-T2 run and its rerun correlate strongly (weak hysteresis)",
        section="3.1, Figure 5",
        paper=paper["hysteresis"],
        ours=f"Spearman {words(same)}",
        estimate=same,
        statistic="rank correlation of test errors after T1-T2 and of the rerun",
        verdict=decide(same.above(0)),
        **of,
    )
    better = statistics.share(rerun < tuned)
    yield Row(
        claim="in most cases the rerun is somewhat better than the T1-T2 run",
        section="3.1, Figure 5",
        paper=paper["rerun_better"],
        ours=f"{100 * better.value:.0f}% of {better.count} ({100 * better.low:.0f} to {100 * better.high:.0f}%)",
        estimate=better,
        statistic="share of starts with a lower test error in the rerun",
        verdict=decide(better.above(0.5)),
        **of,
    )
    told = statistics.spearman(table["validation_error"], tuned)
    yield Row(
        claim="validation error predicts test error, though T2 tuned the hyperparameters",
        section="3.1, Figure 6",
        paper=paper["validation"],
        ours=f"Spearman {words(told)}",
        estimate=told,
        statistic="rank correlation of validation and test error after T1-T2",
        verdict=decide(told.above(0)),
        **of,
    )


def _paper_starts(dataset: str) -> dict[str, str]:
    """The paper's own numbers of Figures 4 to 6; SVHN's beside those of its stand-in."""
    name = {"mnist": "mnist", "svhn": "svhn", "digits-on-photos": "svhn"}.get(dataset)
    if name is None:
        stated = dict.fromkeys(("worst_rerun", "worst_start", "better", "median_rerun"), "not published as numbers")
        return stated | {"hysteresis": "weaker on CIFAR-10", "rerun_better": "significantly", "validation": "strong"}
    on = "" if name == dataset else "SVHN: "
    fixed = _paper(f"{name}_before_vs_rerun", "before_error_percent", "rerun_error_percent")
    both = _paper(f"{name}_test_vs_rerun", "test_error_percent", "rerun_error_percent")
    before, rerun = fixed["before_error_percent"], fixed["rerun_error_percent"]
    hysteresis = statistics.spearman(both["test_error_percent"], both["rerun_error_percent"])
    better = (both["rerun_error_percent"] < both["test_error_percent"]).mean()
    if name == "svhn":
        pairs = _paper("svhn_validation_vs_test", "validation_error_percent", "test_error_percent")
        validation = statistics.spearman(pairs["validation_error_percent"], pairs["test_error_percent"])
        told = f"{on}Spearman {words(validation)}"
    else:
        told = "no structure, all errors low"
    return {
        "worst_rerun": f"{on}{rerun.max():.1f}%",
        "worst_start": f"{before.max():.1f}%",
        "median_rerun": f"{rerun.median():.2f}%",
        "better": f"{on}{int((rerun < before).sum())} of {len(fixed)}",
        "hysteresis": f"{on}Spearman {words(hysteresis)}",
        "rerun_better": f"{on}{100 * better:.0f}% of {len(both)}",
        "validation": told,
    }


def _paper(name: str, *columns: str) -> pd.DataFrame:
    return read_table(REFERENCE / f"{name}.csv", numbers=columns)


def _of_layers(preset: str, tuned: Sequence[StoredRun]) -> Iterator[Row]:
    """L2 by layer: at the end, the top hidden layer's against the input layer's."""
    for data, some in _by_data([run for run in tuned if isinstance(run.config.l2, tuple) and "l2" in run.config.tune]):
        found = statistics.share([run.final[f"l2_{len(run.config.l2) - 1}"] > run.final["l2_0"] for run in some])
        yield Row(
            claim="the L2 penalty always ends up stronger for the higher layers",
            section="2.2, Figure 3",
            paper="always, on SVHN",
            preset=preset,
            data=data,
            ours=f"softmax layer stronger than input layer in {round(found.value * found.count)} of {found.count} runs",
            estimate=found,
            statistic="share of T1-T2 runs whose softmax layer ends with a stronger penalty than the input layer",
            verdict=HOLDS if found.value == 1 else decide(False if found.below(0.5) else None),
        )


def _of_noise(preset: str, tuned: Sequence[StoredRun]) -> Iterator[Row]:
    """Input noise over time in the runs of the paper's kind on SVHN: with an L2 penalty per layer."""
    of_kind = [run for run in tuned if isinstance(run.config.l2, tuple) and "input_noise" in run.config.tune]
    for data, some in _by_data([run for run in of_kind if run.config.dataset != "mnist"]):
        peaks = []
        for run in some:
            noise = np.asarray(run.history["input_noise"])
            peak = int(noise.argmax())
            peaks.append(noise[peak] > 1.02 * noise[0] and noise[peak] > 1.02 * noise[-1])
        found = statistics.share(peaks)
        yield Row(
            claim="the input noise tends to rise first and to fall later",
            section="2.2, Figure 3",
            paper="common on SVHN",
            preset=preset,
            data=data,
            ours=f"in {round(found.value * found.count)} of {found.count} runs",
            estimate=found,
            statistic="share of T1-T2 runs whose noise peaks at least 2% above both its start and its end",
            verdict=decide(found.above(0.5)),
        )


def _by_data(some: Sequence[StoredRun]) -> list[tuple[str, list[StoredRun]]]:
    found: dict[str, list[StoredRun]] = {}
    for run in {run.digest: run for run in some}.values():
        found.setdefault(DATASETS[run.config.dataset].title.split(" (")[0], []).append(run)
    return list(found.items())


def _of_minima(preset: str, grids: Runs) -> Iterator[Row]:
    table = fig7.tabulate(grids)
    differ, told = [], []
    for pair, cells in table.groupby("panel", sort=False):
        best = [cells.loc[cells[quantity].idxmin(), ["n0", "y"]] for quantity in fig7.VALUES]
        differ.append(not best[0].equals(best[1]))
        told.append(f"{pair}: ({best[0]['n0']:g}, {best[0]['y']:g}) and ({best[1]['n0']:g}, {best[1]['y']:g})")
    yield Row(
        claim="the lowest test error and the highest test log-likelihood are at different hyperparameters",
        section="3.1, Figure 7",
        paper="stated for both pairs",
        preset=preset,
        data="MNIST",
        ours=f"{sum(differ)} of {len(differ)} pairs; log-likelihood and error: {'; '.join(told)}",
        estimate=statistics.share(differ),
        statistic="share of the two grids whose minima differ (one seed)",
        verdict=decide(all(differ)),
    )


def _of_interval(preset: str, intervals: Runs) -> Iterator[Row]:
    often, seldom = (_errors(intervals[cost.part(interval)]) for interval in (1, 10))
    found = statistics.mean(seldom - often)
    yield Row(
        claim="one hyperparameter step in ten serves as well as one in every step",
        section="2.2",
        paper="did not change performance",
        preset=preset,
        data="MNIST",
        ours=f"test error higher by {words(found, ' points')}",
        estimate=found,
        statistic="mean difference of test error, interval 10 minus 1, same seeds and step size",
        verdict=decide(found.below(0)),
    )


def _errors(some: Sequence[StoredRun]) -> np.ndarray:
    return np.array([setups.error(run) for run in some])


def _of_numbers(preset: str, some: Sequence[StoredRun]) -> Iterator[Row]:
    counts = [
        sum(len(level) if isinstance(level := getattr(run.config, name), tuple) else 1 for name in run.config.tune)
        for run in some
    ]
    most = max(counts)
    yield Row(
        claim="the settings have at most 10 to 20 hyperparameters",
        section="4",
        paper="at most 10 to 20",
        preset=preset,
        data="all",
        ours=f"at most {most}",
        estimate=statistics.Estimate(most, np.nan, np.nan, len(counts)),
        statistic="largest number of tuned hyperparameters in a run",
        verdict=decide(most <= MOST_HYPERPARAMETERS),
    )


def _cost_of_hypergradients(timing: Timing) -> Iterator[Row]:
    of = {"section": "2.2", "preset": "any", "data": f"{timing.environment['backend']}, {timing.environment['device']}"}
    added, overhead = timing.added, 100 * timing.overhead(10)
    yield Row(
        claim="hypergradients cost about 3 times a backpropagation",
        paper="around 3",
        ours=f"{added:.2f} times",
        estimate=statistics.Estimate(added, np.nan, np.nan, 1),
        statistic="(T1+T2 step minus T1 step) over a backpropagation, medians",
        verdict="cheaper here" if added < 2.5 else HOLDS if added < 3.5 else "dearer here",
        **of,
    )
    yield Row(
        claim="one hyperparameter step in ten adds about 30% to training",
        paper="about 30%",
        ours=f"{overhead:.0f}%",
        estimate=statistics.Estimate(overhead, np.nan, np.nan, 1),
        statistic="(T1+T2 step minus T1 step) over ten T1 steps, %",
        verdict="cheaper here" if overhead < 25 else HOLDS if overhead < 35 else "dearer here",
        **of,
    )


SCRIPT = FigureScript(
    "claims", __doc__.split("\n\n")[0], runs, draw, reruns, timed=cost.timed_run, only_stored=True, place=11
)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
