"""Regularisers: one file each, found here by name. Everything about one is in its file.

A module of this folder that has `REGULARIZERS` adds them: options of the command line, fields of a run and
their checks, the step's graph, levels per layer and per unit, step sizes, columns, labels and reruns follow.

Imports `networks` and `system`.
"""

from collections.abc import Iterator

from t1t2_pt.regularizers.levels import FIRST_APART, PER_LAYER, PER_UNIT, TIED, Levels
from t1t2_pt.regularizers.locations import HIDDEN, INPUT, WEIGHTS, Places
from t1t2_pt.regularizers.regularizer import Hyperparameter, Regularizer, StepSize
from t1t2_pt.system.discovery import modules_of

__all__ = [
    "FIRST_APART",
    "HIDDEN",
    "HYPERPARAMETERS",
    "INPUT",
    "PER_LAYER",
    "PER_UNIT",
    "REGULARIZERS",
    "REGULARIZER_OF",
    "STEP_SIZES",
    "TIED",
    "WEIGHTS",
    "Hyperparameter",
    "Levels",
    "Places",
    "Regularizer",
    "StepSize",
]

_FIRST = ("input_noise", "hidden_noise", "l2")  # the paper's come first, the others by name


def _found() -> Iterator[Regularizer]:
    for module in modules_of(__name__, __path__):
        yield from getattr(module, "REGULARIZERS", ())


def _place(regularizer: Regularizer) -> tuple[int, str]:
    return _FIRST.index(regularizer.name) if regularizer.name in _FIRST else len(_FIRST), regularizer.name


REGULARIZERS: dict[str, Regularizer] = {one.name: one for one in sorted(_found(), key=_place)}
HYPERPARAMETERS: dict[str, Hyperparameter] = {
    hyperparameter.name: hyperparameter for one in REGULARIZERS.values() for hyperparameter in one.hyperparameters
}
REGULARIZER_OF: dict[str, Regularizer] = {
    part.name: one for one in REGULARIZERS.values() for part in one.hyperparameters
}
STEP_SIZES: dict[str, StepSize] = {
    step_size.field: step_size for one in HYPERPARAMETERS.values() if (step_size := one.step_size) is not None
}
