"""The network configurations ("setups") of Figures 4 to 6, and their random starts.

A setup is the paper's: the same layers, step sizes, use of batch normalisation and kinds of
hyperparameter. From several random starts each it is trained with hyperparameters fixed, tuned by
T1-T2, and trained anew with those that T1-T2 ended with. Figures 4, 5 and 6 draw the same runs.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import fig1
import numpy as np

from t1t2_pt.config import RunConfig, run_config
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.sweeps.reruns import rerun_config, untuned

# The stages of every start, with what tables call the test error at the end of each.
ERRORS = {Stage.FIXED: "before_error", Stage.TUNED: "tuned_error", Stage.RERUN: "rerun_error"}
# Panels from left to right: the data sets in the order in which they are wanted.
PANELS = {"mnist": ("mnist",), "svhn": ("svhn", "digits-on-photos"), "cifar10": ("cifar10",)}

# MNIST's first two setups: the starts of a panel of Figure 1, and what the legend says of them.
SHARED = {"M0": ("right", "noise"), "M1": ("left", "noise and L2")}


@dataclasses.dataclass(frozen=True)
class Setup:
    """A configuration, by name and legend, with the fields that it has beyond its preset's.

    `levels` has the bounds of the random starts: of noise as it is, of `l2` its decimal logarithm.
    The layers of one start begin alike; `per_layer` names those that then go ways of their own.
    """

    name: str
    label: str
    fields: Mapping[str, object]
    levels: Mapping[str, tuple[float, float]]
    per_layer: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Scale:
    """What all setups of a panel share at a preset, the setups, and the starts of each."""

    base: Mapping[str, object]
    setups: Sequence[Setup]
    starts: int


NOISE = {"input_noise": (0.0, 1.0), "hidden_noise": (0.0, 1.0)}
NOISE_AND_L2 = {"input_noise": (0.0, 1.0), "l2": (-5.0, -2.9)}
PLAIN = {"batch_norm": False}


def mnist(preset: str, other: tuple[int, ...], adam_rate: float, more: bool, starts: int | None = None) -> Scale:
    """The setups of the MNIST panel beside those of Figure 1; `more` adds two where there is time.

    They have as many starts as a panel of Figure 1, where `starts` does not say otherwise.
    """
    shared = fig1.PRESETS[preset]
    three = shared.base["hidden"]
    setups = [
        Setup("M2", "noise, step 0.03", {"hidden": three, "noise_learning_rate": 3e-2}, NOISE),
        Setup("M3", "noise and L2 per layer", {"hidden": three, **PLAIN, **shared.left}, NOISE_AND_L2, ("l2",)),
        Setup(
            "M4",
            f"{len(other)} layers, noise per layer, Adam",
            {"hidden": other, "hyper_optimizer": "adam", "noise_learning_rate": adam_rate},
            NOISE,
            ("hidden_noise",),
        ),
    ]
    if more:
        setups += [
            Setup("M5", "noise per layer", {"hidden": three}, NOISE, ("hidden_noise",)),
            Setup("M6", "twice as wide, noise", {"hidden": tuple(2 * width for width in three)}, NOISE),
        ]
    base = {**shared.base, "interval": shared.interval}
    return Scale(base, setups, shared.starts if starts is None else starts)


def svhn(preset: str, base: Mapping[str, object], three: tuple[int, ...], deep: tuple[int, ...], starts: int) -> Scale:
    """The paper's two networks on SVHN, every layer with hyperparameters of its own."""
    rates = fig1.PRESETS[preset].left
    setups = [Setup("S0", "noise and L2 per layer", {"hidden": three, **PLAIN, **rates}, NOISE_AND_L2, ("l2",))]
    if deep:
        setups.append(Setup("S1", "deep, noise per layer", {"hidden": deep}, NOISE, ("hidden_noise",)))
    return Scale({**base, "interval": fig1.PRESETS[preset].interval}, setups, starts)


def cifar10(preset: str, base: Mapping[str, object], width: float, starts: int) -> Scale:
    """The paper's two convolutional networks, with the smaller noise that they bear."""
    noise = {"input_noise": (0.0, 0.5), "hidden_noise": (0.0, 0.5)}
    return Scale(
        {**base, "interval": fig1.PRESETS[preset].interval},
        [
            Setup("C0", "All-CNN-C, noise", {"network": "all-cnn-c", "width": width}, noise),
            Setup(
                "C1",
                "ladder baseline, leaky ReLU",
                {"network": "ladder-baseline", "width": width, "activation": "leaky-relu"},
                noise,
                ("hidden_noise",),
            ),
        ],
        starts,
    )


def _sizes(t1: int, t2: int, epochs: int) -> dict[str, int]:
    return {"t1_samples": t1, "t2_samples": t2, "epochs": epochs}


# Deep networks halve towards the top, as the largest of the paper does.
SCALES = {
    "quick": {
        "mnist": mnist("quick", (96, 96), 2e-2, more=False),
        "svhn": svhn("quick", _sizes(2_000, 1_000, 20), (64, 64, 64), (), 6),
        "cifar10": cifar10("quick", _sizes(1_000, 500, 4), 0.05, 2),
    },
    "laptop": {
        "mnist": mnist("laptop", (400, 200, 100, 50, 25), 1e-2, more=True, starts=5),
        "svhn": svhn("laptop", _sizes(65_000, 8_257, 40), (200, 200, 200), (400, 200, 100, 50, 25), 5),
        "cifar10": cifar10("laptop", _sizes(4_000, 1_000, 12), 0.1, 3),
    },
    "overnight": {
        "mnist": mnist("overnight", (4000, 2000, 1000, 500, 250), 1e-3, more=False, starts=5),
        "svhn": svhn("overnight", _sizes(65_000, 8_257, 300), (1000, 1000, 1000), (2000, 1000, 500, 250, 125), 5),
        "cifar10": cifar10("overnight", _sizes(10_000, 5_000, 40), 0.25, 5),
    },
    "paper": {
        "mnist": mnist("paper", (4000, 2000, 1000, 500, 250), 1e-3, more=True),
        "svhn": svhn("paper", _sizes(65_000, 8_257, 300), (2000, 2000, 2000), (4000, 2000, 1000, 500, 250), 10),
        "cifar10": cifar10("paper", _sizes(45_000, 5_000, 250), 1.0, 10),
    },
}


def panels(request: Request) -> dict[str, str]:
    """The data set of each panel that can be drawn with the data sets at hand."""
    wanted = {panel: [name for name in names if name in request.datasets] for panel, names in PANELS.items()}
    return {panel: names[0] for panel, names in wanted.items() if names}


def runs(request: Request) -> Configs:
    """Each setup's starts, fixed and tuned."""
    wanted = {}
    for panel, dataset in panels(request).items():
        for name, configs in tuned(request, panel, dataset).items():
            wanted[Part(Stage.FIXED, panel, name)] = [untuned(config) for config in configs]
            wanted[Part(Stage.TUNED, panel, name)] = configs
    return wanted


def reruns(trained: Runs) -> Configs:
    """Every tuned run again, from the start, with what it found."""
    return {
        part.at(Stage.RERUN): [rerun_config(run) for run in found]
        for part, found in trained.items()
        if part.stage is Stage.TUNED
    }


def by_start(trained: Runs) -> dict[Part, list[dict[Stage, StoredRun]]]:
    """The runs of each start by stage, in the order of the starts, by the part of those that are tuned."""
    found = {}
    for part in trained:
        if part.stage is Stage.TUNED:
            starts = zip(*(trained[part.at(stage)] for stage in ERRORS), strict=True)
            found[part] = [dict(zip(ERRORS, runs_of_start, strict=True)) for runs_of_start in starts]
    return found


def errors_by_stage(stages: Mapping[Stage, StoredRun]) -> dict[str, float]:
    """Test error in percent of each stage of a start, named as in `ERRORS`; NaN: diverged."""
    return {ERRORS[stage]: error(run) for stage, run in stages.items()}


def error(run: StoredRun) -> float:
    """Test error in percent; NaN for a run that diverged."""
    return 100 * run.final["test_error"] if run.status == "finished" else np.nan


def tuned(request: Request, panel: str, dataset: str) -> dict[str, list[RunConfig]]:
    """The tuned runs of a panel by setup; MNIST's first two setups are those of Figure 1."""
    scale = SCALES[request.preset][panel]
    wanted = {}
    if panel == "mnist":
        shared = fig1.runs(request)
        wanted = {name: shared[Part(Stage.TUNED, side)] for name, (side, _) in SHARED.items()}
    for number, setup in enumerate(scale.setups, start=len(wanted)):
        base = {"dataset": dataset, "evaluate_every": 0, "split_seed": request.seed + number, **scale.base}
        wanted[setup.name] = [
            request.config(**{**base, **setup.fields}, **levels, tune=tuple(setup.levels), seed=request.seed + start)
            for start, levels in enumerate(_starts(setup, scale.starts, [request.seed, *panel.encode(), number]))
        ]
    return wanted


def label(preset: str, panel: str, setup: str) -> str:
    """What the legend says of a setup."""
    shared = {name: text for name, (_, text) in SHARED.items()}
    return (shared | {one.name: one.label for one in SCALES[preset][panel].setups})[setup]


def paper_fields(panel: str, setup: str) -> dict[str, Any]:
    """What the paper's network and data are for a setup."""
    scale = SCALES["paper"][panel]
    fields = {one.name: one.fields for one in scale.setups}.get(setup, {})
    return {"hidden": (), "width": 1.0, **scale.base, **fields}


def _starts(setup: Setup, number: int, seed: list[int]) -> Iterator[dict[str, float | tuple[float, ...]]]:
    """Random initial hyperparameters, by the fields of a run."""
    rng = np.random.default_rng(seed)
    layers = len(run_config(**setup.fields, dataset="cifar10").hidden_layers)
    for _ in range(number):
        levels = {name: float(rng.uniform(*bounds)) for name, bounds in setup.levels.items()}
        if "l2" in levels:
            levels["l2"] = 10.0 ** levels["l2"]
        for name in setup.per_layer:
            levels[name] = (levels[name],) * (layers + (name == "l2"))
        yield levels
