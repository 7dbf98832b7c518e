"""T1-T2 in PyTensor: continuous regularisation hyperparameters tuned by gradient while training.

`hypergradient` works on any PyTensor graph, as do `Tuner`, which trains it and tunes it, and `updates`, its steps
for a function of one's own; everything else trains the paper's networks with it
(Luketina, Berglund, Greff and Raiko, "Scalable Gradient-Based Tuning of Continuous Regularization
Hyperparameters", 2016). Importing the package changes how no function is compiled but those that
`hypergradient` has a part in.
"""

import sys
from typing import TYPE_CHECKING, Any

from t1t2_pt import hypergradients
from t1t2_pt.hypergradients import hypergradient
from t1t2_pt.moved import OldNames

if TYPE_CHECKING:
    from t1t2_pt.tuning import Tuner, updates

__all__ = ["Tuner", "hypergradient", "hypergradients", "updates"]
__version__ = "0.1.0"

# `from t1t2_pt.hypergradient import ...`, as it was before the methods had a folder.
sys.modules[f"{__name__}.hypergradient"] = hypergradients
sys.meta_path.append(OldNames())


def __getattr__(name: str) -> Any:
    """What takes longer to import, when it is asked for."""
    if name in ("Tuner", "updates"):
        from t1t2_pt import tuning

        return getattr(tuning, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
