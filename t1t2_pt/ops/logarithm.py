"""The logarithm in operations that compilers turn into vector instructions.

C and Numba call a library's `log` for one number after another, with all of the element-wise loop
around it. In float32 the logarithm of a positive number is a polynomial of its fraction and a multiple
of its exponent, and takes a few instructions for sixteen numbers at once.
"""

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from pytensor.graph.basic import Apply
from pytensor.scalar.basic import Log, upgrade_to_float_no_complex
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops.arguments import output

# Moshier's Cephes library, `logf`: log(1 + f) = f - f^2/2 + f^3 P(f) for sqrt(1/2) <= 1 + f < sqrt(2).
POLYNOMIAL = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
LOG2_HIGH, LOG2_LOW = 0.693359375, -2.12194440e-4  # log(2), the first part exact when times an exponent
LOWEST = int(np.float32(math.sqrt(0.5)).view(np.int32))  # the bits of the smallest 1 + f
FRACTION_BITS = 23
VERSION = 1


def log_of_positive(x: TensorVariable) -> TensorVariable:
    """The natural logarithm of positive, finite, normal numbers; of others the result is arbitrary.

    Parameters
    ----------
    x
        Floating point, of any shape. In float32 the result is good to 1 unit in the last place; other
        types get the library's logarithm, which JAX computes for all.

    Returns
    -------
    A tensor of x's shape and dtype.
    """
    return output(_log_of_positive, x)


class PositiveLog(Log):
    """See `log_of_positive`."""

    def c_code(
        self, node: Apply, name: str, inputs: Sequence[str], outputs: Sequence[str], sub: Mapping[str, str]
    ) -> str:
        if any(variable.type.dtype != "float32" for variable in (*node.inputs, *node.outputs)):
            return super().c_code(node, name, inputs, outputs, sub)
        (x,), (z,) = inputs, outputs
        first, *others = (f"{coefficient!r}f" for coefficient in POLYNOMIAL)
        steps = "\n".join(f"p = p * f + {coefficient};" for coefficient in others)
        return f"""{{
            npy_float32 number = {x}, f;
            npy_int32 bits;
            memcpy(&bits, &number, sizeof bits);
            const npy_int32 exponent = (bits - {LOWEST}) >> {FRACTION_BITS};
            bits -= (npy_int32) ((npy_uint32) exponent << {FRACTION_BITS});
            memcpy(&f, &bits, sizeof f);
            f -= 1.0f;
            npy_float32 p = {first};
            {steps}
            p = p * f * f * f + {LOG2_LOW!r}f * exponent - 0.5f * f * f;
            {z} = f + p + {LOG2_HIGH!r}f * exponent;
        }}"""

    def c_code_cache_version(self) -> tuple[Hashable, ...]:
        return (*super().c_code_cache_version(), VERSION)


_log_of_positive = Elemwise(PositiveLog(upgrade_to_float_no_complex, name="log_of_positive"))
