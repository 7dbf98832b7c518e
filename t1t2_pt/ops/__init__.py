"""Batched multi-channel convolution and pooling for PyTensor, differentiable to any order, norms and a logarithm.

Usable on any PyTensor graph, with the C, Numba and JAX linkers. Imports `moved` alone.
"""

from t1t2_pt.ops import translations as _translations
from t1t2_pt.ops.convolution import conv2d
from t1t2_pt.ops.counting import counter
from t1t2_pt.ops.finite import finite_squares
from t1t2_pt.ops.logarithm import log_of_positive
from t1t2_pt.ops.norms import norm
from t1t2_pt.ops.pooling import global_average_pool, max_pool2d

__all__ = ["conv2d", "counter", "finite_squares", "global_average_pool", "log_of_positive", "max_pool2d", "norm"]

_translations.register()
