"""T1-T2 in PyTensor: continuous regularisation hyperparameters tuned by gradient while training.

`hypergradient` works on any PyTensor graph, as do `Tuner`, which trains it and tunes it, and `updates`, its steps
for a function of one's own; everything else trains the paper's networks with it
(Luketina, Berglund, Greff and Raiko, "Scalable Gradient-Based Tuning of Continuous Regularization
Hyperparameters", 2016). Importing the package changes how no function is compiled but those that
`hypergradient` has a part in.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from t1t2_pt.moved import Forwarding, OldNames
from t1t2_pt.system.version import VERSION

if TYPE_CHECKING:
    from t1t2_pt import hypergradients
    from t1t2_pt.datasets import own_dataset
    from t1t2_pt.hypergradients import hypergradient
    from t1t2_pt.hypergradients.auditing import Audit, audit
    from t1t2_pt.models import Model, read_model, write_model
    from t1t2_pt.sweeps.one_run import train
    from t1t2_pt.tuning import Tuner, updates

__all__ = [
    "Audit",
    "Model",
    "Tuner",
    "audit",
    "hypergradient",
    "hypergradients",
    "own_dataset",
    "read_model",
    "train",
    "updates",
    "write_model",
]
__version__ = VERSION

# `from t1t2_pt.hypergradient import ...`, as it was before the methods had a folder: the function has the name now.
sys.modules[f"{__name__}.hypergradient"] = Forwarding("t1t2_pt.hypergradients")
sys.meta_path.append(OldNames())

# Imported when they are first used: a hypergradient needs no data sets, and a list of runs no PyTensor.
_WHEN_USED = {
    "Audit": "t1t2_pt.hypergradients.auditing",
    "audit": "t1t2_pt.hypergradients.auditing",
    "Model": "t1t2_pt.models",
    "Tuner": "t1t2_pt.tuning",
    "hypergradient": "t1t2_pt.hypergradients",
    "own_dataset": "t1t2_pt.datasets",
    "read_model": "t1t2_pt.models",
    "train": "t1t2_pt.sweeps.one_run",
    "updates": "t1t2_pt.tuning",
    "write_model": "t1t2_pt.models",
}


def __getattr__(name: str) -> Any:
    if name in _WHEN_USED:
        return getattr(importlib.import_module(_WHEN_USED[name]), name)
    if name == "hypergradients":
        return importlib.import_module("t1t2_pt.hypergradients")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
