"""Random numbers as a pure function of (seed, step, position): the same numbers on every backend.

The generator is Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", 2011), written as a PyTensor graph. Being counter-based it has no state: a run resumes from
its step number alone, runs can be batched, and C, Numba and JAX draw the same noise to rounding.
The graph is element-wise, so each backend fuses it into one loop.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops import counter, log_of_positive

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA

# Giles, "Approximating the erfinv function" (2010), single precision: central and tail polynomials.
_CENTRAL = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def _word(value: int) -> TensorVariable:
    return pt.constant(np.uint32(value))


def _add(x: TensorVariable, y: TensorVariable) -> TensorVariable:
    # Modulo 2**32, also where a linker computes in wider integers (Numba under PyTensor 3.2).
    return (x + y) & _word(0xFFFFFFFF)


def _rotate_left(x: TensorVariable, bits: int) -> TensorVariable:
    # PyTensor has no shifts; compilers turn these two back into shifts.
    return ((x * _word(1 << bits)) & _word(0xFFFFFFFF)) | (x // _word(1 << (32 - bits)))


def threefry2x32(
    key: tuple[TensorVariable, TensorVariable], counter: tuple[TensorVariable, TensorVariable]
) -> tuple[TensorVariable, TensorVariable]:
    """Threefry-2x32-20: two random words for each pair of counter words.

    Parameters
    ----------
    key, counter
        Pairs of uint32 tensors, broadcast against each other.

    Returns
    -------
    Two uint32 tensors of the broadcast shape.
    """
    schedule = (*key, key[0] ^ key[1] ^ _word(_PARITY))
    x0, x1 = _add(counter[0], key[0]), _add(counter[1], key[1])
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x0 = _add(x0, x1)
            x1 = _rotate_left(x1, bits) ^ x0
        x0 = _add(x0, schedule[(group + 1) % 3])
        x1 = _add(x1, _add(schedule[(group + 2) % 3], _word(group + 1)))
    return x0, x1


def _polynomial(coefficients: tuple[float, ...], x: TensorVariable) -> TensorVariable:
    value = pt.constant(np.asarray(coefficients[0], dtype=x.dtype))
    for coefficient in coefficients[1:]:
        value = value * x + np.asarray(coefficient, dtype=x.dtype)
    return value


def normal_from_bits(bits: TensorVariable, dtype: str = "float32") -> TensorVariable:
    """Standard normal numbers from uint32 words, by the inverse of the distribution function.

    The upper 23 bits are the midpoint of one of 2**23 equal cells of (-1, 1), exact in float32,
    so that the sample is symmetric and never infinite (at most 5.3 in size). The inverse is good to
    single precision; a `dtype` of float64 evaluates the same formula with less rounding.
    """
    half, one, cell, middle, knee, sqrt2 = (
        np.asarray(value, dtype=dtype) for value in (0.5, 1, 2.0**-22, 2.5, 5, math.sqrt(2))
    )
    u = (pt.cast(bits // _word(512), dtype) + half) * cell - one
    w = -log_of_positive((one - u) * (one + u))
    tail = _polynomial(_TAIL, pt.sqrt(w) - np.asarray(3, dtype=dtype))
    return sqrt2 * u * pt.switch(w < knee, _polynomial(_CENTRAL, w - middle), tail)


def uniform_from_bits(bits: TensorVariable, dtype: str = "float32") -> TensorVariable:
    """Numbers uniform in (0, 1) from uint32 words: midpoints of 2**23 equal cells, so never 0 or 1."""
    half, cell = (np.asarray(value, dtype=dtype) for value in (0.5, 2.0**-23))
    return (pt.cast(bits // _word(512), dtype) + half) * cell


LAWS: dict[str, Callable[[TensorVariable, str], TensorVariable]] = {
    "normal": normal_from_bits,
    "uniform": uniform_from_bits,
}


def random_numbers(
    seed: TensorVariable, step: TensorVariable, wanted: Sequence[tuple[str, tuple[int, ...]]], dtype: str = "float32"
) -> list[TensorVariable]:
    """Independent random numbers for one step of one run, the words of all drawn as one block.

    Parameters
    ----------
    seed, step
        uint32 scalars: the run's seed and the number of the elementary step.
    wanted
        For each tensor its law, one of `LAWS`, and its static shape.

    Returns
    -------
    A tensor of `dtype` for each of them.
    """
    if not wanted:
        return []
    found: dict[int, TensorVariable] = {}
    sizes = [math.prod(shape) for _, shape in wanted]
    half = -(-sum(sizes) // 2)
    words = pt.concatenate(threefry2x32((seed, _word(0)), (counter(half), step)))
    start = 0
    for law in sorted({law for law, _ in wanted}):  # each law's numbers lie together, and are made in one loop
        places = [place for place, (of, _) in enumerate(wanted) if of == law]
        size = sum(sizes[place] for place in places)
        block = LAWS[law](words if size == sum(sizes) else words[start : start + size], dtype)
        ends = itertools.accumulate(sizes[place] for place in places)
        for place, end in zip(places, ends, strict=True):
            found[place] = block[end - sizes[place] : end].reshape(wanted[place][1])
        start += size
    return [found[place] for place in range(len(wanted))]
