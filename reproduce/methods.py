"""Beside the paper: what each hypergradient method sees, what it costs, and where it ends, beside random search.

Above: hypergradients at some moments of a training against the derivative of C2 through 300 further updates, what they
cost, and where tuned runs end, over the validation cost of a grid. Below: the test error of the best of several runs,
chosen by the validation cost, against what all of them cost.
"""

import require_environment  # noqa: F401, I001  (must come first)

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import method_races
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from method_races import GRID_RACE, METHODS, SCALES, Race

from t1t2_pt.config import RunConfig
from t1t2_pt.hypergradients import method_named
from t1t2_pt.plotting.captions import diverged, hyperparameter_steps, network_names, preset_and_data, smaller
from t1t2_pt.plotting.intervals import by_jackknife
from t1t2_pt.plotting.parts import Part, Runs, Stage
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.style import COLOURS, add_caption, draw_grid, new_figure, round_ticks
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.sweeps.method_survey import Survey, SurveyConfig

RANDOM = "random search"
LABELS = {RANDOM: RANDOM, **METHODS}
LINES = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
LOOK: dict[str, tuple] = {RANDOM: ("#000000", "s", ":")} | {
    method: (COLOURS[place], "o^Dv"[place], LINES[place]) for place, method in enumerate(METHODS)
}
# Of the survey: the text of a method, its label, colour, marker and line.
SURVEYED = {
    "t1t2": ("T1-T2", COLOURS[0], "o", "-"),
    "finite-difference": ("finite difference", COLOURS[5], "x", ":"),
    "one-pass(terms=9)": ("one-pass, 9 terms", COLOURS[1], "^", "--"),
    "unrolled": ("unrolled, 10 updates", COLOURS[2], "D", "-."),
    "unrolled(steps=100)": ("unrolled, 100 updates", COLOURS[2], "d", "-"),
    "forward": ("forward, 10 updates", COLOURS[4], "+", ":"),
    "implicit": ("implicit, 20 conjugate gradients", COLOURS[3], "v", "-"),
    "implicit(solver=neumann, scale=0.5)": ("implicit, 20 Neumann terms", COLOURS[3], "<", "--"),
    "implicit(solver=exact)": ("implicit, exact", "0.45", "s", "-"),
    "gauss-newton(damping=0.001)": ("Gauss-Newton", COLOURS[7], "*", ":"),
}


def survey(request: Request) -> tuple[SurveyConfig, Mapping[str, Sequence[RunConfig]]]:
    """The comparison, the same at every preset; and runs of the first race by each method, and fixed, to be timed."""
    wanted = method_races.runs(request)
    first = {method: wanted[Part(Stage.TUNED, f"{GRID_RACE.name}: {method}", 0)] for method in METHODS}
    fixed = wanted[Part(Stage.FIXED, GRID_RACE.name, 0)][: len(first["t1t2"])]
    return SurveyConfig(), {RANDOM: fixed, **first}


def draw(trained: Runs, preset: str, reference: Path | None, found: Survey) -> Drawing:
    """The panels, their table, and the caption."""
    races = _there(trained)
    rows = 2 + -(-(len(races) - 1) // 3)
    figure, panels = new_figure(14, 3.4 * rows + 1.4, 3, rows=rows)
    cosine, error, cost, ends, seconds, *below = panels.flat
    table = pd.concat([_survey_rows(found), _grid_rows(trained), _end_rows(trained)], ignore_index=True)
    table = pd.concat([table, *(_race_rows(trained, race, found) for race in _there(trained))], ignore_index=True)
    compared = table[table["panel"] == "survey"]
    _draw_moments(cosine, compared, "cosine", "cosine with the exact hypergradient")
    _draw_moments(error, compared, "relative_error", "relative error")
    error.set(yscale="log", ylim=(0.3, 50))
    _draw_costs(cost, compared)
    _draw_ends(ends, table)
    _draw_race(seconds, table[table["panel"] == races[0].name], "seconds", f"{races[0].name}: by time")
    seconds.set(xlabel="seconds of the processor, all runs")
    for axes, race in zip(below, races, strict=False):
        _draw_race(axes, table[table["panel"] == race.name], "gradients", f"{race.name} hyperparameters")
        axes.set(xlabel="gradient evaluations, all runs")
    for axes in below[len(races) :]:
        axes.set_visible(False)
    handles, labels = cosine.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, title="first row", alignment="left")
    handles, labels = below[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, title="below", alignment="left")
    caption = _caption(trained, table, preset, found)
    add_caption(figure, caption)
    return figure, table, caption


def _there(trained: Runs) -> list[Race]:
    names = {part.panel for part in trained}
    return [race for race in method_races.RACES if race.name in names]


def _survey_rows(found: Survey) -> pd.DataFrame:
    """Times in milliseconds."""
    table = pd.DataFrame(found.rows)
    table["milliseconds"] = 1e3 * table.pop("seconds")
    return table.assign(panel="survey")


def _draw_moments(axes: Axes, compared: pd.DataFrame, quantity: str, label: str) -> None:
    moments = compared["moment"].unique()
    for method, rows in compared.groupby("method", sort=False):
        name, colour, marker, line = SURVEYED[str(method)]
        y = rows[quantity]
        axes.plot(range(len(rows)), y, marker=marker, linestyle=line, color=colour, label=name, markersize=5)
    axes.set_xticks(range(len(moments)), [f"{moment:g}" for moment in moments])
    axes.axhline(0 if quantity == "cosine" else 1, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="updates before", ylabel=label, title="against 300 further updates")


def _draw_costs(axes: Axes, compared: pd.DataFrame) -> None:
    """Counted against measured; the size says how many copies of the parameters are kept."""
    for method, rows in compared.groupby("method", sort=False):
        _, colour, marker, _ = SURVEYED[str(method)]
        row = rows.iloc[0]
        size = 5 + 2.5 * np.log2(1 + row["copies"])
        axes.plot(row["backpropagations"], row["milliseconds"], marker, color=colour, markersize=size, alpha=0.8)
    axes.set(xscale="log", yscale="log", xlabel="gradient evaluations, counted", title="cost, size: memory")
    axes.set(ylabel="milliseconds of the processor")


def _grid_rows(trained: Runs) -> pd.DataFrame:
    rows = [
        {"panel": "grid", "seed": part.setup, **_place(run), "t2_cost": _cost(run), "test_error": _error(run)}
        for part, some in trained.items()
        if part.stage is Stage.GRID
        for run in some
    ]
    return pd.DataFrame(rows)


def _end_rows(trained: Runs) -> pd.DataFrame:
    """Where each run of the race with a grid ended, and where each seed's grid has its lowest validation cost."""
    rows = []
    for part, some in trained.items():
        race, _, method = part.panel.partition(": ")
        if race != GRID_RACE.name or part.stage is Stage.FIXED:
            continue
        if part.stage is Stage.GRID:
            method, some = "grid", [min(some, key=lambda run: (np.isnan(_cost(run)), _cost(run)))]
        for run in some:
            if run.status == "finished":
                rows.append(
                    {"panel": "end", "seed": part.setup, "method": method, **_place(run), "t2_cost": _cost(run)}
                )
    return pd.DataFrame(rows)


def _place(run: StoredRun) -> dict[str, float]:
    """Where it ended; a penalty that fell to 0 is drawn at the lower edge of the grid."""
    l2 = float(run.final_level("l2"))
    return {"n0": float(run.final_level("input_noise")), "log10_l2": max(method_races.L2[0], np.log10(l2 or 1e-99))}


def _draw_ends(axes: Axes, table: pd.DataFrame) -> None:
    cells = table[table["panel"] == "grid"]
    means = cells.pivot_table(index="log10_l2", columns="n0", values="t2_cost", aggfunc="mean")
    label = "validation cross-entropy of the grid (nats)"
    draw_grid(axes, means.columns.to_numpy(), means.index.to_numpy(), means.to_numpy(), label)
    for method, rows in table[table["panel"] == "end"].groupby("method", sort=False):
        colour, marker = ("white", "X") if method == "grid" else LOOK[str(method)][:2]
        centre, reach = _centre(rows)
        axes.errorbar(
            *centre,
            xerr=reach[0],
            yerr=reach[1],
            fmt=marker,
            color=colour,
            markeredgecolor="black" if method == "grid" else "white",
            markersize=10,
            capsize=3,
            elinewidth=1.2,
        )
    # The edges of the grid's cells, beyond which intervals are cut off.
    for limits, levels in ((axes.set_xlim, means.columns), (axes.set_ylim, means.index)):
        limits(levels[0] - (levels[1] - levels[0]) / 2, levels[-1] + (levels[-1] - levels[-2]) / 2)
    axes.set(xlabel="$n_0$, input noise", ylabel=r"$\log_{10}\,l_2$", title=f"ends, {GRID_RACE.name} (x: grid)")


def _centre(rows: pd.DataFrame) -> tuple[tuple[float, float], list[np.ndarray]]:
    """Means over all runs, with 95% intervals that take a seed as one cluster."""
    centre, reach = [], []
    for name in ("n0", "log10_l2"):
        parts = [some[name].to_numpy() for _, some in rows.groupby("seed")]
        mean = float(rows[name].mean())
        low, high = by_jackknife(parts, lambda values: float(np.mean(values)))
        within = np.nan_to_num([mean - low, high - mean])
        centre.append(mean)
        reach.append(within[:, None])
    return (centre[0], centre[1]), reach


def _race_rows(trained: Runs, race: Race, found: Survey) -> pd.DataFrame:
    """A row for each seed, method and number of runs: test error of the best by validation cost, and what all cost."""
    rows = []
    for part, some in trained.items():
        name, _, method = part.panel.partition(": ")
        if name != race.name or part.stage is Stage.GRID:
            continue
        method = method or RANDOM
        for number, best in enumerate(_best(some), start=1):
            row = {"panel": race.name, "seed": part.setup, "method": method, "runs": number}
            row |= {"gradients": number * gradients(some[0].config, best), "test_error": _error(best)}
            row |= {"t2_cost": _cost(best), "test_cost": best.final["test_cost"]}
            if race is GRID_RACE:
                row["seconds"] = number * found.trainings[method]
            rows.append(row)
    return pd.DataFrame(rows)


def _best(runs: Sequence[StoredRun]) -> Iterator[StoredRun]:
    """After each run the one with the lowest validation cost so far."""
    for number in range(1, len(runs) + 1):
        yield min(runs[:number], key=lambda run: (np.isnan(_cost(run)), _cost(run)))


def gradients(config: RunConfig, run: StoredRun) -> float:
    """What a run costs, in gradients of a cost on a batch."""
    if not config.tune:
        return config.steps
    params, levels = _sizes(config, run)
    extra = method_named(config.method).expense(params, levels).backpropagations - 1
    return config.steps + hyperparameter_steps(config) * extra


def _sizes(config: RunConfig, run: StoredRun) -> tuple[int, int]:
    inputs = 784 if config.dataset == "mnist" else 3072
    widths = (inputs, *config.hidden, 10)
    params = sum((before + 1) * after for before, after in itertools.pairwise(widths))
    return params, sum(np.size(run.final_level(name)) for name in config.tune)


def _draw_race(axes: Axes, rows: pd.DataFrame, quantity: str, title: str) -> None:
    for method, of_method in rows.groupby("method", sort=False):
        colour, marker, line = LOOK[str(method)]
        groups = of_method.groupby("runs")
        mean, spread, x = (
            groups["test_error"].mean(),
            groups["test_error"].std().fillna(0),
            groups[quantity].first(),
        )
        label = LABELS[str(method)]
        if method == RANDOM:
            axes.fill_between(x, mean - spread, mean + spread, color="0.9", linewidth=0)
            axes.plot(x, mean, marker=marker, linestyle=line, color=colour, label=label, markersize=3)
        else:
            axes.errorbar(x, mean, spread, marker=marker, linestyle=line, color=colour, label=label, capsize=2)
    axes.set(xscale="log", ylabel="test error of the best by validation (%)", title=title)
    axes.minorticks_off()
    ticks = round_ticks(rows[quantity].min(), rows[quantity].max())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


def _cost(run: StoredRun) -> float:
    return run.final["t2_cost"] if run.status == "finished" else np.nan


def _error(run: StoredRun) -> float:
    return 100 * run.final["test_error"] if run.status == "finished" else np.nan


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """What each method ends with in each race, beside as many gradients of random search."""
    rows = []
    races = table[table["panel"].isin([race.name for race in method_races.RACES])]
    for (panel, method), some in races.groupby(["panel", "method"], sort=False):
        last = some[some["runs"] == some["runs"].max()]
        budget = last["gradients"].iloc[0]
        error = f"{last['test_error'].mean():.1f} ± {last['test_error'].std():.1f}%"
        cost = f"{last['t2_cost'].mean():.3f}"
        rows.append((panel, LABELS[method], f"{len(last)} × {last['runs'].iloc[0]:g}", f"{budget:,.0f}", cost, error))
    columns = ["data, hyperparameters", "method", "seeds × runs", "gradients", "validation cost", "test error"]
    return pd.DataFrame(rows, columns=columns)


def _caption(trained: Runs, table: pd.DataFrame, preset: str, found: Survey) -> str:
    every = [run for part in trained.values() for run in part]
    mnist = [run for run in every if run.config.dataset == "mnist"]
    config = next(run.config for run in mnist if run.config.tune)
    scale, of = SCALES[preset], found.config
    text = (
        f"First three panels: {of.pixels}×{of.pixels}-{of.hidden}-10 tanh network, {of.t1_samples} MNIST digits, "
        f"gradient descent on all of T1, {found.hyperparams} L2 penalties of {of.penalty:g}; exact: the derivative of "
        f"C2 after {of.ahead} further updates; implicit and Gauss-Newton per unit of the step size, as the others. "
        f"Ends: means over runs, 95% intervals (cut off at the edge) over "
        f"{scale.seeds} seeds. Races: means and standard deviations over {scale.seeds} seeds (split, weights, starts) "
        f"of the best of {scale.trials} random trials, and of {scale.starts} tuned runs that start where its first "
        f"trials are; λ by Adam at every {config.interval}th update. {preset_and_data(preset, mnist)}; "
        f"digits-on-photos likewise; one hidden layer of {network_names(every)} ReLU units, {config.epochs} epochs; "
        f"{len(every)} runs."
    )
    text += diverged(every, "left out")
    paper = {"hidden": (1000, 1000, 1000), "t1_samples": 55_000, "epochs": 250}
    return text + smaller(config, paper)


REPORT = Section(
    "Beside the paper: the methods of Section 2.1, side by side",
    "says which methods there are and that T1-T2 is cheap and greedy; it compares none of them.",
    compare,
)
SCRIPT = FigureScript(
    "methods", __doc__, method_races.runs, draw, surveyed=survey, report=REPORT, place=8.5, alone=True
)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
