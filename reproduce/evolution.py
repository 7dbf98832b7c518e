"""The one experiment of Figures 2 and 3: weak regularisation, fixed and as the start of T1-T2.

Input noise and an L2 penalty on each layer, without batch normalisation, on SVHN or its stand-in
(MNIST where neither is at hand), as the paper's.
"""

from t1t2_pt.plotting.captions import data_names, diverged, preset_words, smaller, split_sizes
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.scripts import Request
from t1t2_pt.sweeps.reruns import untuned

PRESETS = {
    "quick": {"hidden": (64, 64, 64), "t1_samples": 2_000, "t2_samples": 1_000, "epochs": 40},
    "laptop": {"hidden": (200, 200, 200), "t1_samples": 20_000, "t2_samples": 5_000, "epochs": 40},
    "overnight": {"hidden": (1000, 1000, 1000), "t1_samples": 65_000, "t2_samples": 8_257, "epochs": 60},
    "paper": {"hidden": (2000, 2000, 2000), "t1_samples": 65_000, "t2_samples": 8_257, "epochs": 300},
}
# The paper's 0.1 is too much for the noise of a small network, which then goes without a penalty.
NOISE_STEP = {"quick": 3e-2, "laptop": 3e-2, "overnight": 1e-1, "paper": 1e-1}
START = {"input_noise": 0.1, "l2": 1e-5}
FIXED, TUNED = Part(Stage.FIXED), Part(Stage.TUNED)
DATASETS = ("svhn", "digits-on-photos", "mnist")


def runs(request: Request) -> Configs:
    """The run with fixed hyperparameters and the one tuned from the same start."""
    base = PRESETS[request.preset]
    dataset = next((name for name in DATASETS if name in request.datasets), DATASETS[-1])
    if dataset == "mnist":
        base = {**base, "t1_samples": min(base["t1_samples"], 55_000), "t2_samples": min(base["t2_samples"], 5_000)}
    config = request.config(
        dataset=dataset,
        batch_norm=False,
        input_noise=START["input_noise"],
        l2=(START["l2"],) * (len(base["hidden"]) + 1),
        tune=("input_noise", "l2"),
        noise_learning_rate=NOISE_STEP[request.preset],
        seed=request.seed,
        split_seed=request.seed,
        **base,
    )
    return {FIXED: [untuned(config)], TUNED: [config]}


def caption(trained: Runs, preset: str) -> str:
    """What both figures say of their runs."""
    every = [run for part in trained.values() for run in part]
    config = trained[TUNED][0].config
    text = (
        f"{preset_words(preset, every)}: {data_names(every)}; {split_sizes(config)} samples; "
        f"{'-'.join(map(str, config.hidden))} ReLU network, {config.epochs} epochs; start: input noise "
        f"{config.input_noise:g}, L2 penalty {config.l2[0]:g} in every layer; one run each."
    )
    text += diverged(every, "curves end where they did")
    return text + smaller(config, PRESETS["paper"])
