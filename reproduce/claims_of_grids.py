"""The claims about Figures 1 and 7: where T1-T2 ends in the grids of fixed hyperparameters, and their minima."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import fig1
import grids
import numpy as np
import rerun
from grids import Grid

from t1t2_pt.plotting import statistics
from t1t2_pt.plotting.claims import Claim, Row, words
from t1t2_pt.plotting.parts import Part, Runs, Stage, within
from t1t2_pt.plotting.statistics import Estimate
from t1t2_pt.runs.record import StoredRun

REASONABLE = 1.25  # times the lowest cost of the grid
SEVERAL = 3  # seeds, from which on differences between them say something
Ends = Sequence[tuple[float, float]]


def rows(claims: Mapping[str, Claim], preset: str, parts: Runs, reference: Path) -> Iterator[Row]:
    """Of the parts of one preset, named by figure: several seeds where there are, else Figure 1's one."""
    seeds = _by_seed(within(parts, figure="rerun")) or _by_seed(within(parts, figure="fig1"))
    for panel, title in rerun.NAMES.items():
        if not seeds:
            return
        of = {"preset": preset, "data": f"MNIST, {title}"}
        costs = {seed: grids.of_runs(panel, some[Part(Stage.GRID, panel)]) for seed, some in seeds.items()}
        ends = {seed: [_end(panel, run) for run in some[Part(Stage.TUNED, panel)]] for seed, some in seeds.items()}
        yield from _of_ends(claims, [(costs[seed], ends[seed]) for seed in seeds], of)
        yield _of_landscapes(claims, list(costs.values()), grids.published(reference, panel), of)
        errors = [grids.of_runs(panel, some[Part(Stage.GRID, panel)], "test_error") for some in seeds.values()]
        yield _of_minima(claims, list(costs.values()), errors, of)


def published(claims: Mapping[str, Claim], reference: Path) -> Iterator[Row]:
    """The ends in the paper's Figure 1, in its own grids."""
    for panel, title in rerun.NAMES.items():
        found = fig1.paper_markers(reference, panel)["ends"]
        ends = list(zip(found["x"], found["y"], strict=True))
        of = {"preset": "published", "data": f"MNIST, {title}"}
        yield from _of_ends(claims, [(grids.published(reference, panel), ends)], of)


def _by_seed(parts: Runs) -> dict[int | str | None, dict[Part, Sequence[StoredRun]]]:
    """The grids and T1-T2 runs of both panels, of the seeds that have all of them, under names without the seed."""
    wanted = {Part(stage, panel) for panel in fig1.PANELS for stage in (Stage.GRID, Stage.TUNED)}
    found: dict[int | str | None, dict[Part, Sequence[StoredRun]]] = {}
    for part, some in parts.items():
        found.setdefault(part.setup, {})[Part(part.stage, part.panel)] = some
    return {seed: of_seed for seed, of_seed in found.items() if wanted <= set(of_seed)}


def _end(panel: str, run: StoredRun) -> tuple[float, float]:
    """Where a run ended in the plane of its panel; NaN: it diverged."""
    if run.status != "finished":
        return np.nan, np.nan
    if panel == "right":
        return run.final["input_noise"], run.final["hidden_noise"]
    return run.final["input_noise"], float(np.log10(max(run.final["l2"], 10**fig1.NO_L2)))


def _of_ends(claims: Mapping[str, Claim], found: Sequence[tuple[Grid, Ends]], of: dict[str, str]) -> Iterator[Row]:
    costs = [np.array([grid.at(*end) for end in ends]) for grid, ends in found]
    elsewhere = [~(some <= REASONABLE * grid.lowest()) for some, (grid, _) in zip(costs, found, strict=True)]
    seeds = np.repeat(np.arange(len(found)), [len(some) for some in costs])
    share = statistics.share(np.concatenate(elsewhere), seeds)
    outside = sum(int(some.sum()) for some in elsewhere)
    told = f"{outside} of {share.count} end elsewhere ({100 * share.low:.0f} to {100 * share.high:.0f}%)"
    yield claims["all-converge"].row(share, f"{told}; {_of_seeds(found)}", **of)
    quantiles = [
        [grid.share_below(cost) if np.isfinite(cost) else 1.0 for cost in some]
        for some, (grid, _) in zip(costs, found, strict=True)
    ]
    if len(found) < SEVERAL:
        middle = statistics.median(quantiles[0])
    else:
        middle = statistics.mean([np.median(some) for some in quantiles])
    worst = max(max(some) for some in quantiles)
    told = f"median quantile {words(middle)} of the grid; the worst end {worst:.2f}; {_of_seeds(found)}"
    yield claims["within-optimal-region"].row(middle, told, **of)


def _of_seeds(found: Sequence) -> str:
    return f"{len(found)} seed{'s' if len(found) > 1 else ''}"


def _of_landscapes(claims: Mapping[str, Claim], ours: Sequence[Grid], paper: Grid, of: dict[str, str]) -> Row:
    theirs = paper.cells()
    found = []
    for grid in ours:
        shared = [(value, theirs[cell]) for cell, value in grid.cells().items() if cell in theirs]
        pairs = np.array(shared)
        found.append(statistics.spearman(pairs[np.isfinite(pairs).all(axis=1)]))
    estimate = statistics.mean(found) if len(found) >= SEVERAL else Estimate(found[0])
    told = f"Spearman {words(estimate)}; {len(pairs)} cells that both have; {_of_seeds(found)}"
    return claims["same-landscape"].row(estimate, told, **of)


def _of_minima(claims: Mapping[str, Claim], costs: Sequence[Grid], errors: Sequence[Grid], of: dict[str, str]) -> Row:
    claim = claims["minima-differ"]
    if len(costs) < SEVERAL:
        places = [_place(grid, grid.lowest_cell()) for grid in (costs[0], errors[0])]
        told = f"lowest cost at {places[0]}, lowest error at {places[1]}; one seed: undecided"
        return claim.row(Estimate(np.nan), told, **of)
    differences, same = [], 0
    for held in range(len(costs)):
        others = [place for place in range(len(costs)) if place != held]
        by_cost, by_error = (grids.average([some[place] for place in others]).lowest_cell() for some in (costs, errors))
        same += by_cost == by_error
        differences.append(100 * (errors[held].values[by_cost] - errors[held].values[by_error]))
    estimate = statistics.mean(differences)
    told = f"test error higher by {words(estimate, ' points')}; one cell for both in {same} of {len(costs)} seeds"
    return claim.row(estimate, told, **of)


def _place(grid: Grid, cell: tuple[int, int]) -> str:
    return f"({grid.n0[cell[1]]:g}, {grid.y[cell[0]]:g})"
