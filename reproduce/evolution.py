"""The experiment of Figures 2 and 3: weak regularisation, fixed and as the start of T1-T2.

Input noise and an L2 penalty on each layer, without batch normalisation, on SVHN or its stand-in
(MNIST where neither is at hand), as the paper's.
"""

from t1t2_pt.plotting.captions import data_names, diverged, preset_words, smaller, split_sizes
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.sweeps.reruns import untuned

PRESETS = {
    "quick": {"hidden": (64, 64, 64), "t1_samples": 2_000, "t2_samples": 1_000, "epochs": 150},
    "laptop": {"hidden": (200, 200, 200), "t1_samples": 65_000, "t2_samples": 8_257, "epochs": 60},
    "overnight": {"hidden": (1000, 1000, 1000), "t1_samples": 65_000, "t2_samples": 8_257, "epochs": 300},
    "paper": {"hidden": (2000, 2000, 2000), "t1_samples": 65_000, "t2_samples": 8_257, "epochs": 300},
}
# The noise rises and falls over thousands of hyperparameter steps, of which the paper has 19,500: with a part of SVHN,
# or a smaller set, every update is one.
INTERVAL = {"quick": 1, "laptop": 1, "overnight": 1, "paper": 10}
START = {"input_noise": 0.1, "l2": 1e-5}
STARTS = 3  # each with a seed and a split of its own; the figures draw the first, and the others pale
FIXED, TUNED = Part(Stage.FIXED), Part(Stage.TUNED)
DATASETS = ("svhn", "digits-on-photos", "mnist")


def runs(request: Request) -> Configs:
    """The runs with fixed hyperparameters and those tuned from the same start."""
    base = PRESETS[request.preset]
    dataset = next((name for name in DATASETS if name in request.datasets), DATASETS[-1])
    if dataset == "mnist":
        base = {**base, "t1_samples": min(base["t1_samples"], 55_000), "t2_samples": min(base["t2_samples"], 5_000)}
    configs = [
        request.config(
            dataset=dataset,
            batch_norm=False,
            input_noise=START["input_noise"],
            l2=(START["l2"],) * (len(base["hidden"]) + 1),
            tune=("input_noise", "l2"),
            interval=INTERVAL[request.preset],
            seed=seed,
            split_seed=seed,
            **base,
        )
        for seed in range(request.seed, request.seed + STARTS)
    ]
    return {FIXED: [untuned(config) for config in configs], TUNED: configs}


def caption(trained: Runs, preset: str) -> str:
    """What both figures say of their runs."""
    every = [run for part in trained.values() for run in part]
    config = trained[TUNED][0].config
    text = (
        f"{preset_words(preset, every)}: {data_names(every)}; {split_sizes(config)} samples; "
        f"{'-'.join(map(str, config.hidden))} ReLU network, {config.epochs} epochs; start: input noise "
        f"{config.input_noise:g}, L2 penalty {config.l2[0]:g} in every layer; "
        f"{config.steps // config.interval:,} hyperparameter steps; {len(trained[TUNED])} runs of each kind, every one "
        "with a seed and a split of its own."
    )
    text += diverged(every, "curves end where they did")
    return text + smaller(config, PRESETS["paper"])
