"""Runs that nothing trained, for tests of where they are kept."""

import math

from conftest import TINY

from t1t2_pt.backends import get_backend
from t1t2_pt.config import RunConfig, run_config
from t1t2_pt.runs.record import StoredRun, finished_run
from t1t2_pt.steps.columns import EVALUATION, first_columns
from t1t2_pt.training.loop import Trained

TWO_LAYERS = {**TINY, "hidden": (6, 5)}
CONFIG = run_config(**TWO_LAYERS, input_noise=0.5, l2=(0.1, 0.2, 0.3), tune=("input_noise", "l2"))


def history_of(config: RunConfig, **columns) -> dict[str, list[float]]:
    """All columns that a run of this config has, with these instead of theirs."""
    rows = config.epochs + 1
    names = [*first_columns(config)[1:], *EVALUATION]
    return {"epoch": [*range(rows)], **{name: [0.25] * rows for name in names}, **columns}


def make_run(config: RunConfig = CONFIG, diverged_at: int | None = None) -> StoredRun:
    names = ("l2_0", "l2_1", "l2_2") if isinstance(config.l2, tuple) else ("l2",)
    columns = {"input_noise": [0.5, 0.1 + 0.2, 1 / 3], "test_error": [math.nan, math.nan, 0.25]}
    history = history_of(config, **columns, **{name: [0.1, 0.2, 0.3] for name in names})
    return finished_run(Trained(config, history, diverged_at), get_backend("auto"), "made by the tests")


def same(a: StoredRun, b: StoredRun) -> bool:
    return repr(a) == repr(b)  # NaN differs from itself, its text does not
