"""T1-T2 in PyTensor: continuous regularisation hyperparameters tuned by gradient while training.

`hypergradient` works on any PyTensor graph; everything else trains the paper's networks with it
(Luketina, Berglund, Greff and Raiko, "Scalable Gradient-Based Tuning of Continuous Regularization
Hyperparameters", 2016). Importing the package changes how no function is compiled but those that
`hypergradient` has a part in.
"""

import sys

from t1t2_pt import hypergradients
from t1t2_pt.hypergradients import hypergradient
from t1t2_pt.hypergradients.auditing import Audit, audit
from t1t2_pt.moved import OldNames

__all__ = ["Audit", "audit", "hypergradient", "hypergradients"]
__version__ = "0.1.0"

# `from t1t2_pt.hypergradient import ...`, as it was before the methods had a folder.
sys.modules[f"{__name__}.hypergradient"] = hypergradients
sys.meta_path.append(OldNames())
