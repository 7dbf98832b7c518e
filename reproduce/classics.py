"""The demonstrations that made the method's relatives known, redone on MNIST; `--part` runs one of them.

A penalty for each weight, a learning rate for each layer and update, and a training set that is learnt (Maclaurin,
Duvenaud and Adams, 2015); hyper-cleaning (Franceschi et al., 2017); hypergradient descent (Baydin et al., 2018).
"""

import require_environment  # noqa: F401, I001  (must come first)

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, TwoSlopeNorm
from matplotlib.figure import Figure, SubFigure

from t1t2_pt.classics.classic_sweep import PARTS, ClassicRun, ClassicSweep
from t1t2_pt.classics.demonstration import Demonstration
from t1t2_pt.classics.weight_penalties import EACH
from t1t2_pt.plotting.parts import Part, Stage
from t1t2_pt.plotting.report import Section
from t1t2_pt.plotting.figure_script import Drawing, FigureScript, Request
from t1t2_pt.plotting.scripts import main_of_parts
from t1t2_pt.plotting.style import COLOURS, GRID_COLOURS, add_caption, round_ticks

ROWS = {"weights": 2.1, "images": 2.1, "schedules": 2.9, "cleaning": 2.7, "learning-rate": 2.9}  # inches
SIDE = 28
MARKERS = (("o", "●"), ("^", "▲"), ("s", "■"))  # and as text


# Fields by preset and part, a run for each; those of `laptop` and above have the sizes of the papers.
QUICK: dict[str, dict[str, dict[str, Any]]] = {
    "weights": {"": {"t1_samples": 500, "t2_samples": 5_000, "meta_iterations": 30, "hyper_learning_rate": 0.2}},
    "schedules": {
        "": {"t1_samples": 5_000, "t2_samples": 5_000, "hidden": (50, 50, 50), "batch_size": 100, "meta_iterations": 30}
    },
    "images": {"": {"t1_samples": 5_000, "t2_samples": 10_000}},
    "cleaning": {
        "T1-T2, linear": {"t1_samples": 5_000, "t2_samples": 5_000, "epochs": 40},
        "unrolled, linear": {"t1_samples": 5_000, "t2_samples": 5_000, "method": "unrolled", "steps": 30},
        "T1-T2, 784-300-10": {
            "t1_samples": 5_000,
            "t2_samples": 5_000,
            "epochs": 30,
            "hidden": (300,),
            "learning_rate": 1e-3,
        },
    },
    "learning-rate": {
        "softmax regression": {"t1_samples": 10_000, "t2_samples": 5_000, "epochs": 5},
        "784-100-100-10": {"t1_samples": 10_000, "t2_samples": 5_000, "epochs": 5, "hidden": (100, 100)},
    },
}
PAPERS: dict[str, dict[str, dict[str, Any]]] = {
    "weights": {"": {"t1_samples": 10_000, "t2_samples": 10_000}},
    "schedules": {"": {"t1_samples": 10_000, "t2_samples": 5_000, "hidden": (50, 50, 50)}},
    "images": {"": {"t1_samples": 10_000, "t2_samples": 10_000}},
    "cleaning": {
        **QUICK["cleaning"],
        "unrolled, linear": {**QUICK["cleaning"]["unrolled, linear"], "steps": 1_000, "meta_iterations": 500},
    },
    "learning-rate": {
        "softmax regression": {"t1_samples": 55_000, "t2_samples": 5_000, "epochs": 20},
        "784-1000-1000-10": {"t1_samples": 55_000, "t2_samples": 5_000, "epochs": 20, "hidden": (1000, 1000)},
    },
}

Trained = Mapping[Part, Sequence[ClassicRun]]
Found = tuple[list[dict[str, Any]], str]  # rows of the table, a sentence of the caption


def runs_of(*parts: str) -> Callable[[Request], dict[Part, list[Demonstration]]]:
    """What is to be run for some parts."""

    def runs(request: Request) -> dict[Part, list[Demonstration]]:
        fields = QUICK if request.preset == "quick" else PAPERS
        seeds = {"seed": request.seed, "split_seed": request.seed}
        return {
            Part(Stage.TUNED, part, setup or None): [PARTS[part](**own, **seeds)]
            for part in parts
            for setup, own in fields[part].items()
        }

    return runs


def draw(trained: Trained, preset: str, reference: Path | None) -> Drawing:
    """A row of panels for each part."""
    parts = [part for part in ROWS if any(run.panel == part for run in trained)]
    figure = Figure(figsize=(12.6, sum(ROWS[part] for part in parts) + 1.3), layout="constrained")
    places = figure.subfigures(len(parts), 1, squeeze=False, height_ratios=[ROWS[part] for part in parts])[:, 0]
    rows, sentences = [], []
    for place, part in zip(places, parts, strict=True):
        of_part = {str(run.setup or ""): found[0] for run, found in trained.items() if run.panel == part}
        some, sentence = DRAWN[part](place, of_part)
        rows += [{"part": part, **row} for row in some]
        sentences.append(sentence)
    count = f"{len(trained)} runs" if len(trained) > 1 else "one run"
    caption = f"Preset {preset}: MNIST, {count}. {' '.join(sentences)}"
    add_caption(figure, caption)
    table = pd.DataFrame(rows, columns=["part", "run", "series", "x", "y", "value"])
    return figure, table, caption


def _pictures(place: SubFigure, values: np.ndarray, norm: Any, colours: str, label: str, title: str) -> Any:
    """A picture for each class, and axes beside them."""
    axes = place.subplots(1, 11, width_ratios=[1] * 10 + [2.6])
    for number, (one, picture) in enumerate(zip(axes[:10], values, strict=True)):
        image = one.imshow(picture.reshape(SIDE, SIDE), norm=norm, cmap=colours, interpolation="nearest")
        one.set(xticks=[], yticks=[], title=str(number))
        one.spines[:].set_visible(False)
    place.colorbar(image, ax=axes[:10], label=label, pad=0.01, fraction=0.05)
    place.suptitle(title, x=0.01, ha="left", fontsize=10)
    return axes[10]


def _of_pixels(series: str, values: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"series": f"{series} {number}", "x": pixel % SIDE, "y": pixel // SIDE, "value": value}
        for number, picture in enumerate(values)
        for pixel, value in enumerate(picture)
    ]


def _curve(run: str, series: str, values: Sequence[float], first: int = 0) -> list[dict[str, Any]]:
    return [{"run": run, "series": series, "x": x, "value": value} for x, value in enumerate(values, start=first)]


def _round_ticks(axes: Axes) -> None:
    """Ticks of a logarithmic axis that is less than a decade or two long."""
    ticks = round_ticks(*axes.get_ylim())
    axes.minorticks_off()
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def draw_weights(place: SubFigure, runs: Mapping[str, ClassicRun]) -> Found:
    """The penalties of each class, and the test error while they are tuned."""
    run = runs[""]
    penalties = np.array(run.results["penalties"]).T
    norm = LogNorm(*np.quantile(penalties, (0.01, 0.99)))
    axes = _pictures(place, penalties, norm, GRID_COLOURS, "L2 penalty", "an L2 penalty for each weight, by class")
    rows = _of_pixels("penalty", penalties)
    ends = {}
    for number, name in enumerate(EACH):
        errors = 100 * np.array(run.results[name]["test_error"])
        axes.plot(errors, ("-", "--", ":")[number], color=COLOURS[number], label=f"for {name}")
        rows += [row for key, values in run.results[name].items() for row in _curve(f"for {name}", key, values)]
        ends[name] = errors[-1]
    low, high = axes.get_ylim()
    axes.set(xlabel="meta-iteration", ylabel="test error (%)", ylim=(low - 0.8 * (high - low), high))
    axes.legend(fontsize=7, loc="lower left")
    of_all, of_pixel, of_weight = (f"{ends[name]:.1f}" for name in EACH)
    config = run.config
    return rows, (
        f"Penalties: softmax regression, T1 {config.t1_samples:,}, T2 {config.t2_samples:,}, {config.steps} updates a "
        f"training, {config.meta_iterations} meta-iterations; test error {of_all}% with one penalty tuned, {of_pixel}% "
        f"with 784, {of_weight}% with 7,840 ({errors[0]:.1f}% before)."
    )


def draw_images(place: SubFigure, runs: Mapping[str, ClassicRun]) -> Found:
    """The ten images, and the test error of what is trained on them."""
    run = runs[""]
    images, results = np.array(run.results["images"]), run.results
    size = float(np.quantile(np.abs(images), 0.995))
    norm = TwoSlopeNorm(0, -size, size)
    axes = _pictures(place, images, norm, "RdBu_r", "pixel", "a training set of ten images, learnt; labels 0 to 9")
    errors, real = 100 * np.array(results["test_error"]), 100 * np.array(results["real_images"])
    axes.plot(errors, color=COLOURS[0], label="learnt")
    axes.axhline(real.mean(), color=COLOURS[1], linestyle="--", label="ten real ones")
    axes.axhline(100 * results["mean_images"], color=COLOURS[2], linestyle=":", label="means of classes")
    axes.set(xlabel="meta-iteration", ylabel="test error (%)", ylim=(0, 1.3 * real.mean()))
    axes.legend(fontsize=7, loc="center right")
    rows = _of_pixels("image", images) + _curve("learnt", "test_error", results["test_error"])
    rows += _curve("learnt", "t2_error", results["t2_error"]) + _curve("real", "test_error", results["real_images"])
    rows += _curve("means", "test_error", [results["mean_images"]])
    return rows, (
        f"Images: softmax regression, {run.config.steps} updates on the ten, T2 {run.config.t2_samples:,}, "
        f"{run.config.meta_iterations} meta-iterations; test error {errors[-1]:.1f}% with them, {real.mean():.0f}% "
        f"with ten real images ({real.min():.0f} to {real.max():.0f}% in {len(real)} draws), "
        f"{100 * results['mean_images']:.0f}% with the mean of each class."
    )


def draw_schedules(place: SubFigure, runs: Mapping[str, ClassicRun]) -> Found:
    """Learning rates of weights and biases over the updates, and the training cost that they end with."""
    run = runs[""]
    rates, names, costs = np.array(run.results["rates"]), run.results["parameters"], run.results["t1_cost"]
    panels = place.subplots(1, 3)
    rows = _curve("", "t1_cost", costs) + _curve("", "t2_error", run.results["t2_error"])
    for axes, kind in zip(panels[:2], ("weights", "bias"), strict=True):
        for number, name in enumerate(name for name in names if name.startswith(kind)):
            layer = "softmax layer" if number == len(run.config.hidden) else f"layer {number + 1}"
            values = rates[:, names.index(name)]
            style = ("-", "--", "-.", ":")[number % 4]
            axes.plot(np.arange(1, len(rates) + 1), values, style, color=COLOURS[number], label=layer)
            rows += _curve("", f"rate of {name}", values, first=1)
        axes.axhline(run.config.start, color="0.6", linewidth=0.8)
        title = f"learnt learning rates: {'weights' if kind == 'weights' else 'biases'}"
        axes.set(xlabel="update", ylabel="learning rate", yscale="log", title=title)
        _round_ticks(axes)
        axes.legend(ncols=2, fontsize=7)
    panels[2].plot(costs, color=COLOURS[0])
    panels[2].set(xlabel="meta-iteration", ylabel="training cost at the end (nats)", ylim=(0, None))
    panels[2].set(title="while the schedule is learnt")
    config, last = run.config, int(np.ceil(len(costs) / 5))
    return rows, (
        f"Schedules: 784-{'-'.join(map(str, config.hidden))}-10 tanh network, T1 {config.t1_samples:,}, {config.steps} "
        f"updates with momentum {config.momentum:g}, {rates.size} learning rates by reversible unrolling, from "
        f"{config.start:g} (grey) in {config.meta_iterations} meta-iterations with new weights and batches each; cost "
        f"{np.mean(costs[:last]):.3f} in the first fifth, {np.mean(costs[-last:]):.3f} in the last."
    )


def draw_cleaning(place: SubFigure, runs: Mapping[str, ClassicRun]) -> Found:
    """Test accuracies after cleaning, beside those without, and the weights of right and wrong labels."""
    accuracies, *weights = place.subplots(1, 1 + len(runs), width_ratios=[1.6] + [1] * len(runs))
    kinds = {
        "T2 alone": "T2 alone",
        "baseline": "all labels and T2",
        "cleaned": "cleaned and T2",
        "oracle": "right labels and T2",
    }
    rows, told, alone = [], [], []
    for number, (name, run) in enumerate(runs.items()):
        values = [100 * run.results[f"{kind}_accuracy"] for kind in kinds]
        places = np.arange(len(kinds)) + 0.16 * (number - 1)
        accuracies.plot(values, places, MARKERS[number][0], color=COLOURS[number])
        numbers = {key: value for key, value in run.results.items() if not isinstance(value, list)}
        rows += [{"run": name, "series": key, "value": value} for key, value in numbers.items()]
        _draw_weights_of_samples(weights[number], run)
        title = f"{MARKERS[number][1]} {name}: F1 {run.results['f1']:.3f}"  # stands for a legend of the accuracies
        weights[number].set_title(title, color=COLOURS[number])
        for kind in ("right", "wrong"):
            rows += _curve(name, f"{kind} labels of weight", run.results[f"weights_of_{kind}"])
        told.append(f"{name} {values[2]:.2f}% and F1 {run.results['f1']:.3f}")
        alone.append(f"{name.split(', ')[1]} {values[0]:.2f}%")
    accuracies.set_yticks(range(len(kinds)), list(kinds.values()))
    accuracies.set(xlabel="test accuracy (%)", ylim=(len(kinds) - 0.5, -0.6))
    config = next(iter(runs.values())).config
    return rows, (
        f"Cleaning: T1 {config.t1_samples:,}, of which {100 * config.corrupted:.0f}% have wrong labels, T2 "
        f"{config.t2_samples:,}; weights below 0.5 are called wrong, and a new network is trained on the rest and T2: "
        f"{'; '.join(told)}. On T2 alone: {'; '.join(dict.fromkeys(alone))}."
    )


def _draw_weights_of_samples(axes: Any, run: ClassicRun) -> None:
    edges = np.linspace(0, 1, len(run.results["weights_of_right"]) + 1)
    for kind, colour, hatch in (("right", COLOURS[0], None), ("wrong", COLOURS[1], "////")):
        counts = run.results[f"weights_of_{kind}"]
        axes.stairs(counts, edges, fill=True, alpha=0.6, color=colour, hatch=hatch, label=f"{kind} labels")
    axes.set(xlabel="weight of a sample", ylabel="samples")
    axes.legend(fontsize=7)


def draw_learning_rate(place: SubFigure, runs: Mapping[str, ClassicRun]) -> Found:
    """Costs and learning rates over the epochs, from each start, with hypergradient descent and without."""
    panels = place.subplots(1, 2 * len(runs))
    rows, told = [], []
    for number, (name, run) in enumerate(runs.items()):
        of_cost, of_rate = panels[2 * number : 2 * number + 2]
        for key, result in run.results.items():
            start, kind = key.split(", ")
            colour = COLOURS[run.config.starts.index(float(start))]
            epochs = np.arange(1, len(result["cost"]) + 1)
            style = "-" if kind == "tuned" else ":"
            label = f"from {start}" if kind == "tuned" else None
            of_cost.plot(epochs, result["cost"], style, color=colour, label=label)
            of_rate.plot([0, *epochs], [float(start), *result["alpha"]], style, color=colour)
            for quantity in ("cost", "alpha"):
                rows += _curve(f"{name}, {key}", quantity, result[quantity], first=1)
            rows.append({"run": f"{name}, {key}", "series": "t2_cost", "value": result["t2_cost"]})
        of_cost.plot([], [], ":", color="black", label="fixed")
        of_cost.set(yscale="log", xlabel="epoch", ylabel="training cost (nats)", title=name)
        of_rate.set(yscale="log", xlabel="epoch", ylabel="learning rate", title=name)
        _round_ticks(of_cost)
        ends = {kind: [r["t2_cost"] for k, r in run.results.items() if k.endswith(kind)] for kind in ("fixed", "tuned")}
        spans = [f"{min(values):.2f} to {max(values):.2f} {kind}" for kind, values in ends.items()]
        told.append(f"{name}: {', '.join(spans)}")
    place.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    config = next(iter(runs.values())).config
    return rows, (
        f"Hypergradient descent: SGD, batch {config.batch_size}, T1 {config.t1_samples:,}, {config.epochs} epochs, "
        f"beta {config.hyper_learning_rate:g}; cost on T2 at the end over the starts, {'; '.join(told)}."
    )


DRAWN = {
    "weights": draw_weights,
    "images": draw_images,
    "schedules": draw_schedules,
    "cleaning": draw_cleaning,
    "learning-rate": draw_learning_rate,
}
REPORT = Section(
    "Beside the paper: the demonstrations of the method's relatives",
    "Section 2.1 names them; Maclaurin et al. print pictures, Franceschi et al. a table, Baydin et al. curves.",
)
SCRIPT = FigureScript(
    "classics",
    __doc__.split("\n\n")[0],
    runs_of(*PARTS),
    draw,
    trainer=ClassicSweep(),
    report=REPORT,
    place=10,
    alone=True,
)
BY_PART = {
    part: dataclasses.replace(SCRIPT, name=f"classics-{part}", runs=runs_of(part), report=None) for part in PARTS
}

if __name__ == "__main__":
    sys.exit(main_of_parts(SCRIPT, BY_PART))
