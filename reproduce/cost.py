"""Section 2.2: what the hypergradient costs, and what becomes of the result when it is taken less often.

Left: parts of a T1+T2 step in multiples of a backpropagation. Middle: how much slower training gets when
every 1st, 2nd, ..., 100th step tunes. Right: the test error of T1-T2 runs with those intervals.
"""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from collections.abc import Mapping
from pathlib import Path

import fig1
import pandas as pd
import setups
from matplotlib.axes import Axes

from t1t2_pt.plotting.captions import diverged, preset_and_data, smaller
from t1t2_pt.config import RunConfig
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.style import COLOURS, add_caption, new_figure
from t1t2_pt.sweeps.timing import Timing

INTERVALS = (1, 2, 5, 10, 20, 50, 100)
SEEDS = {"quick": 5, "laptop": 5, "overnight": 2, "paper": 3}
START = {"input_noise": 0.8, "hidden_noise": 0.8}  # far above what serves best
PAPER = {"added": 3.0, "overhead": 0.30, "interval": 10}


def runs(request: Request) -> Configs:
    """T1-T2 from one strong start with each interval, over several seeds."""
    scale = fig1.PRESETS[request.preset]
    return {
        part(interval): [
            request.config(
                **scale.base,
                **scale.right,
                **START,
                tune=tuple(START),
                interval=interval,
                evaluate_every=0,
                seed=request.seed + number,
                split_seed=request.seed,
            )
            for number in range(SEEDS[request.preset])
        ]
        for interval in INTERVALS
    }


def part(interval: int) -> Part:
    """The runs of which every so many steps tune."""
    return Part(Stage.TUNED, setup=interval)


def timed_run(request: Request) -> RunConfig:
    """The run whose steps are timed: the paper's network at every preset."""
    return request.config(hidden=(1000, 1000, 1000), **START, tune=tuple(START))


def draw(trained: Runs, preset: str, reference: Path | None, timing: Timing) -> Drawing:
    """The three panels, their table, and the caption."""
    figure, (parts, overhead, result) = new_figure(11.4, 4.4, 3)
    rows = [
        *_draw_parts(parts, timing),
        *_draw_overhead(overhead, timing),
        *_draw_result(result, trained),
    ]
    columns = ["panel", "name", "value", "interval", "seed", "backpropagations"]
    caption = _caption(trained, preset, timing)
    add_caption(figure, caption)
    return figure, pd.DataFrame(rows, columns=columns), caption


def _draw_parts(axes: Axes, timing: Timing) -> list[dict]:
    unit = timing.backpropagation
    values = {
        "T1 step": timing.t1 / unit,
        "gradient of $C_2$": timing.c2_pass / unit,
        "L-op": (timing.t1t2 - timing.t1 - timing.c2_pass) / unit,
        "both: the hypergradient": timing.added,
    }
    colours = (COLOURS[0], COLOURS[5], COLOURS[5], COLOURS[1])
    axes.barh(list(values), list(values.values()), color=colours, height=0.6)
    for place, value in enumerate(values.values()):
        axes.text(value + 0.05, place, f"{value:.2f}", va="center", fontsize=8)
    axes.axvline(PAPER["added"], color="black", linestyle="--", linewidth=1)
    axes.text(PAPER["added"] - 0.05, 1.5, "the paper's\nhypergradient", ha="right", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="time in backpropagations", xlim=(0, 3.3), title="parts of a T1+T2 step")
    return [
        {"panel": "parts", "name": name.replace("$", ""), "value": value, "backpropagations": value}
        for name, value in values.items()
    ]


def _draw_overhead(axes: Axes, timing: Timing) -> list[dict]:
    """In backpropagations, as on the left; the paper's T1 step is one, so that its 30% are 0.3 of them."""
    ours = [timing.added / interval for interval in INTERVALS]
    axes.plot(INTERVALS, ours, "o-", color=COLOURS[1], label="this program")
    theirs = [PAPER["added"] / interval for interval in INTERVALS]
    axes.plot(INTERVALS, theirs, "--", color="0.4", label="the paper's 3 times")
    often = PAPER["interval"]
    axes.plot(often, PAPER["overhead"], "s", color="black", label="the paper's 30%")
    share = f"{timing.added / often:.2f}, {100 * timing.overhead(often):.0f}% of a T1 step"
    axes.annotate(share, (often, timing.added / often), (-6, -4), textcoords="offset points", ha="right", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="steps per hyperparameter step")
    axes.set(title="overhead of tuning", ylabel="additional time per step, in backpropagations")
    ticks = [0.01, 0.03, 0.1, 0.3, 1, 3]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    _label_intervals(axes)
    axes.legend(loc="lower left")
    slower = [100 * timing.overhead(interval) for interval in INTERVALS]
    percent = [100 * PAPER["overhead"] * PAPER["interval"] / interval for interval in INTERVALS]
    return [
        {"panel": "overhead", "name": name, "interval": interval, "value": value, "backpropagations": added}
        for name, values, times in (("ours", slower, ours), ("paper", percent, theirs))
        for interval, value, added in zip(INTERVALS, values, times, strict=True)
    ]


def _draw_result(axes: Axes, trained: Runs) -> list[dict]:
    rows = [
        {"panel": "result", "name": "run", "interval": interval, "seed": run.config.seed, "value": setups.error(run)}
        for interval in INTERVALS
        for run in trained[part(interval)]
    ]
    table = pd.DataFrame(rows)
    medians = table.groupby("interval")["value"].median()
    axes.plot(table["interval"], table["value"], "o", color=COLOURS[0], alpha=0.6, label="a run")
    axes.plot(medians.index, medians, "-", color=COLOURS[0], label="median")
    axes.set(xscale="log", xlabel="steps per hyperparameter step", ylabel="test error after the T1-T2 run (%)")
    axes.set(title="result", ylim=(0, None))
    _label_intervals(axes)
    axes.legend(loc="upper left")
    return rows


def _label_intervals(axes: Axes) -> None:
    axes.minorticks_off()
    axes.set_xticks(INTERVALS, [str(interval) for interval in INTERVALS])


def _caption(trained: Runs, preset: str, timing: Timing) -> str:
    every = [run for some in trained.values() for run in some]
    config, where = every[0].config, timing.environment
    text = (
        "Left, middle: times of steps in backpropagations (the gradient of the noisy T1 cost and the plainest update, "
        f"{timing.backpropagation:.1f} ms), medians on {_machine(where)}, of a "
        f"{'-'.join(map(str, timing.network))} network with batch normalisation and noise in every layer, batch 100. "
        f"Right: T1-T2 from n0 = n1 = {START['input_noise']:g}, the "
        f"step size the same for all intervals. {preset_and_data(preset, every)}; "
        f"{'-'.join(map(str, config.hidden))} ReLU network, {config.epochs} epochs; {len(every)} tuned runs."
    )
    text += diverged(every, "left out")
    return text + smaller(config, fig1.PRESETS["paper"].base)


def _machine(where: Mapping[str, str]) -> str:
    """What timed: processor, cores, system, backend."""
    parts = [
        where.get("processor", ""),
        f"{where['cores']} cores" if "cores" in where else "",
        where.get("machine", ""),
    ]
    backend = f"{where['backend']} {where.get(where['backend'], '')}".strip()
    return ", ".join([*filter(None, parts), f"{backend} on {where['device']}"])


REPORT = Section(
    "Section 2.2: what a hypergradient costs",
    "around 3 times a backpropagation; about 30% when taken at every tenth step, which did not change the result.",
)
SCRIPT = FigureScript("cost", __doc__.split("\n\n")[0], runs, draw, timed=timed_run, report=REPORT, place=8)

if __name__ == "__main__":
    sys.exit(main(SCRIPT))
