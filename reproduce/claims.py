"""Every quantitative claim of the paper as a row: its number, ours with an interval, and whether it holds.

What is claimed and how it is decided is registered in data/claims.toml. Nothing is trained: rows are made for every
preset whose runs are in the store, which `make figures` and `make rerun` put there, and for the points that the paper's
authors published. The table goes to claims.csv; the report shows it.
"""

import require_environment  # noqa: F401, I001  (must come first)

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import claims_of_grids
import claims_of_starts
import cost
import evolution
import fig1
import fig2
import fig3
import numpy as np
import pandas as pd
import rerun
import setups
import spacetime

from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting import statistics
from t1t2_pt.plotting.claims import Claim, Row, markdown, read_claims, share_words, words
from t1t2_pt.plotting.parts import Configs, Runs, Stage, within
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import PRESETS, REFERENCE, main
from t1t2_pt.plotting.statistics import Estimate
from t1t2_pt.system.repository import REPOSITORY
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.system.streams import show
from t1t2_pt.sweeps.timing import Timing
from t1t2_pt.plotting.tables import read_table

SOURCES = {
    "fig1": fig1.runs,
    "evolution": evolution.runs,
    "setups": setups.runs,
    "cost": cost.runs,
    "spacetime": spacetime.runs,
    "rerun": rerun.runs,
}
REGISTERED = REPOSITORY / "data" / "claims.toml"
PEAK = 1.02  # how far above its start and its end noise must rise to have risen and fallen
Claims = Mapping[str, Claim]


def runs(request: Request) -> Configs:
    """The runs of all figures."""
    return {
        dataclasses.replace(part, figure=name): configs
        for name, source in SOURCES.items()
        for part, configs in source(request).items()
    }


def reruns(trained: Runs) -> Configs:
    """What T1-T2 found for Figures 4 to 6, and over several seeds, trained anew."""
    return setups.reruns({part: found for part, found in trained.items() if part.figure in ("setups", "rerun")})


def draw(trained: Runs, preset: str, reference: Path | None, timing: Timing) -> Drawing:
    """The table alone."""
    table = rows(trained, timing)
    show(*markdown(table).splitlines())
    caption = "Claims of the paper against our runs and its own points; intervals are 95%, see docs/statistics.md."
    return None, pd.DataFrame([row.as_dict() for row in table]), caption


def rows(trained: Runs, timing: Timing) -> list[Row]:
    """All rows, in the order in which the claims are registered."""
    claims = read_claims(REGISTERED)
    found = [*_of_cost(claims, timing), *_published(claims)]
    for name in PRESETS:
        found += _of_preset(claims, name, within(trained, preset=name))
    order = [claim.claim for claim in claims.values()]
    return sorted(found, key=lambda row: order.index(row.claim))


def _published(claims: Claims) -> Iterator[Row]:
    yield from claims_of_grids.published(claims, REFERENCE)
    yield from claims_of_starts.published(claims, REFERENCE)
    layers, noise = [], []
    for file in fig3.FILES:
        table = read_table(REFERENCE / file, words=("hyperparameter",), numbers=("curve", "epoch", "value"))
        penalty = table[table["hyperparameter"] == "log10_l2"].groupby("curve")["value"].last()
        layers.append((10.0 ** penalty.iloc[0], 10.0 ** penalty.iloc[-1]))
        noise.append(table.loc[table["hyperparameter"] == "n0", "value"].clip(lower=0).tolist())
    of = {"preset": "published", "data": "SVHN"}
    yield _of_layers(claims, layers, **of)
    yield _of_noise(claims, noise, **of)


def _of_preset(claims: Claims, preset: str, parts: Runs) -> Iterator[Row]:
    yield from claims_of_grids.rows(claims, preset, parts, REFERENCE)
    yield from claims_of_starts.rows(claims, preset, parts)
    tuned = [run for part, some in parts.items() if part.stage is Stage.TUNED for run in some]
    per_layer = [run for run in tuned if isinstance(run.config.l2, tuple)]
    for data, some in _by_data([run for run in per_layer if "l2" in run.config.tune]):
        ends = [(run.final["l2_0"], run.final[f"l2_{len(run.config.l2) - 1}"]) for run in some]
        yield _of_layers(claims, ends, preset=preset, data=data)
    # The paper's kind of run on SVHN: with an L2 penalty per layer.
    of_noise = [run for run in per_layer if "input_noise" in run.config.tune and run.config.dataset != "mnist"]
    for data, some in _by_data(of_noise):
        yield _of_noise(claims, [run.history["input_noise"] for run in some], preset=preset, data=data)
    evolved, steps, intervals = (within(parts, figure=name) for name in ("evolution", "spacetime", "cost"))
    if {evolution.FIXED, evolution.TUNED} <= set(evolved):
        yield _of_overfitting(claims, evolved, preset)
    if spacetime.TUNED in steps:
        yield from _of_steps(claims, steps[spacetime.TUNED], preset)
    if {cost.part(1), cost.part(10)} <= set(intervals):
        yield _of_interval(claims, intervals, preset)
    if of_setups := within(parts, figure="setups"):
        yield _of_numbers(claims, [run for some in of_setups.values() for run in some], preset)


def _by_data(some: Sequence[StoredRun]) -> list[tuple[str, list[StoredRun]]]:
    found: dict[str, list[StoredRun]] = {}
    for run in {run.digest: run for run in some}.values():
        found.setdefault(DATASETS[run.config.dataset].title.split(" (")[0], []).append(run)
    return list(found.items())


def _of_layers(claims: Claims, ends: Sequence[tuple[float, float]], **of: str) -> Row:
    """From the penalties at the end of the input layer and of the softmax layer in each run."""
    found = statistics.share([not top > bottom for bottom, top in ends])
    stronger = sum(top > bottom for bottom, top in ends)
    told = f"softmax layer stronger than input layer in {stronger} of {len(ends)} runs"
    return claims["higher-layers"].row(found, told, **of)


def _of_noise(claims: Claims, curves: Sequence[Sequence[float]], **of: str) -> Row:
    found = statistics.share([max(curve) > PEAK * max(curve[0], curve[-1]) for curve in curves])
    return claims["noise-rises-and-falls"].row(found, share_words(found), **of)


def _of_overfitting(claims: Claims, parts: Runs, preset: str) -> Row:
    """From each pair of runs with the same seed and split."""
    gaps = {
        name: [np.array([setups.error(run) - 100 * run.final[name] for run in parts[part]]) for part in fig2.ROWS]
        for name in ("train_error", "t1_error")
    }
    noisy_fixed, noisy_tuned = gaps["train_error"]
    found = statistics.mean(noisy_fixed - noisy_tuned)
    noisy, clean = (" and ".join(f"{gap.mean():.1f}" for gap in some) for some in gaps.values())
    told = (
        f"test above noisy T1, fixed and with T1-T2, by {noisy} points, above clean T1 by {clean}; "
        f"the gap lower by {words(found, ' points')} in {found.count} pairs"
    )
    data = DATASETS[parts[evolution.TUNED][0].config.dataset].title.split(" (")[0]
    return claims["prevents-overfitting"].row(found, told, preset=preset, data=data)


def _of_steps(claims: Claims, some: Sequence[StoredRun], preset: str) -> Iterator[Row]:
    """From the same starts with the smallest and the largest step size."""
    ends: dict[float, dict[float, float]] = {}
    for run in some:
        end = run.final["input_noise"] if run.status == "finished" else np.nan
        ends.setdefault(run.config.input_noise, {})[run.config.noise_learning_rate] = end
    few, many = min(spacetime.STEPS), max(spacetime.STEPS)
    found = statistics.mean([abs(of_start[many] - of_start[few]) for of_start in ends.values()])
    pairs = "; ".join(f"{of_start[few]:.2f} and {of_start[many]:.2f}" for of_start in ends.values())
    told = f"input noise ends {words(found)} apart; from {len(ends)} starts: {pairs}"
    yield claims["step-size"].row(found, told, preset=preset, data="MNIST")


def _of_interval(claims: Claims, parts: Runs, preset: str) -> Row:
    often, seldom = (np.array([setups.error(run) for run in parts[cost.part(interval)]]) for interval in (1, 10))
    found = statistics.mean(seldom - often)
    told = f"test error higher by {words(found, ' points')}; {found.count} seeds"
    return claims["interval-of-ten"].row(found, told, preset=preset, data="MNIST")


def _of_numbers(claims: Claims, some: Sequence[StoredRun], preset: str) -> Row:
    counts = [
        sum(len(level) if isinstance(level := getattr(run.config, name), tuple) else 1 for name in run.config.tune)
        for run in some
    ]
    found = Estimate(max(counts), count=len(counts))
    return claims["few-hyperparameters"].row(found, f"at most {max(counts)}", preset=preset, data="all")


def _of_cost(claims: Claims, timing: Timing) -> Iterator[Row]:
    of = {"preset": "any", "data": f"{timing.environment['backend']}, {timing.environment['device']}"}
    added, overhead = timing.added, 100 * timing.overhead(10)
    yield claims["hypergradient-cost"].row(Estimate(added), f"{added:.2f} times", **of)
    yield claims["overhead"].row(Estimate(overhead), f"{overhead:.0f}%", **of)


SCRIPT = FigureScript(
    "claims", __doc__.split("\n\n")[0], runs, draw, reruns, timed=cost.timed_run, only_stored=True, place=11
)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
