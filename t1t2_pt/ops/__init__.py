"""Batched multi-channel convolution and pooling for PyTensor, differentiable to any order.

Usable on any PyTensor graph, with the C, Numba and JAX linkers.
"""

from t1t2_pt.ops import translations as _translations
from t1t2_pt.ops.convolution import conv2d
from t1t2_pt.ops.pooling import global_average_pool, max_pool2d

__all__ = ["conv2d", "global_average_pool", "max_pool2d"]

_translations.register()
