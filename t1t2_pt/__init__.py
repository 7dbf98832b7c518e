"""T1-T2 in PyTensor: continuous regularisation hyperparameters tuned by gradient while training.

`hypergradient` works on any PyTensor graph; everything else trains the paper's networks with it
(Luketina, Berglund, Greff and Raiko, "Scalable Gradient-Based Tuning of Continuous Regularization
Hyperparameters", 2016).
"""

from t1t2_pt.hypergradient import hypergradient

__all__ = ["hypergradient"]
__version__ = "0.1.0"
