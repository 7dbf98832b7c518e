"""Solutions x of A x = b for a matrix that is known by its products: each function is one way."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.linalg import solve
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.loops import looped, mapped
from t1t2_pt.hypergradients.products import Product
from t1t2_pt.hypergradients.vectors import Vector, dot, joined, parted, places, plus, size, unit

MOST_EXACT = 5000  # unknowns, of which a dense matrix takes 200 MB in float64
MOST_IN_STEP = 1000  # and in each step of a training


def exact(product: Product, b: Vector) -> Vector:
    """By the matrix itself, column after column, and a direct solver.

    Raises
    ------
    ValueError
        If there are known to be more than `MOST_EXACT` unknowns.
    """
    unknowns = size(b)
    if isinstance(unknowns, int) and unknowns > MOST_EXACT:
        raise ValueError(
            f"solver = 'exact': makes a dense matrix of the {unknowns} params, and at most {MOST_EXACT} are sensible; "
            "give solver='conjugate_gradients'"
        )
    at = places(b)
    columns = _columns(product, b, at, pt.arange(unknowns, dtype="int64"), unknowns)
    return parted(solve(joined(columns, kept=1).T, joined(b), b_ndim=1), at, b)


def conjugate_gradients(product: Product, b: Vector, start: Vector, iterations: int, tolerance: float) -> Vector:
    """By conjugate gradients (Hestenes and Stiefel, 1952), for symmetric positive definite matrices.

    Parameters
    ----------
    start
        Where to begin: an old solution, or 0.
    tolerance
        Stop to move once the residual's norm is at most this times that of b.
    """
    x, r, p = ([tensor.type() for tensor in b] for _ in range(3))
    residual = plus(b, product(start), -1.0)
    square = dot(residual, residual)
    rs, goal = square.type(), pt.cast(np.float64(tolerance) ** 2, square.dtype) * dot(b, b)
    ap = product(p)
    curvature = dot(p, ap)
    zero, one = (np.asarray(value, square.dtype) for value in (0, 1))
    moving = pt.and_(rs > goal, pt.neq(curvature, zero))
    alpha = pt.switch(moving, rs / pt.switch(moving, curvature, one), zero)
    left = plus(r, ap, -alpha)
    after = dot(left, left)
    beta = pt.switch(moving, after / pt.switch(moving, rs, one), zero)
    outputs = [*plus(x, p, alpha), *left, *plus(left, p, beta), pt.cast(after, square.dtype)]
    found = looped(outputs, [*x, *r, *p, rs], [*start, *residual, *residual, square], iterations)
    return [trace[-1] for trace in found[: len(b)]]


def neumann(product: Product, b: Vector, start: Vector, iterations: int, scale: float) -> Vector:
    """By so many terms of scale * sum_j (I - scale * A)^j b, as x <- x + scale * (b - A x), from `start`.

    Converges where scale is below 2 / the largest eigenvalue, and the smallest is above 0.
    """
    x = [tensor.type() for tensor in b]
    outputs = plus(x, plus(b, product(x), -1.0), scale)
    return [trace[-1] for trace in looped(outputs, x, start, iterations)]


def nystrom(product: Product, b: Vector, rank: int, damping: float, offset: TensorVariable) -> Vector:
    """By the inverse of C' M^-1 C + damping * I, with C so many columns of A, and M where they meet.

    By Woodbury's identity x = (b - C' (damping M + C C')^-1 C b) / damping (Hataya and Yamada, 2023). The columns are
    one of each of `rank` equal parts.

    Parameters
    ----------
    offset
        Vector of `rank` numbers in [0, 1): which column of each part.

    Raises
    ------
    ValueError
        If there are known to be less unknowns than `rank`.
    """
    unknowns = size(b)
    if isinstance(unknowns, int) and rank > unknowns:
        raise ValueError(f"rank = {rank}: is more than the {unknowns} params; give at most {unknowns}")
    at, flat = places(b), joined(b)
    part = pt.cast(unknowns, "float64") / np.float64(rank)
    # Where parts are not whole, the largest number that is in one is still below the first of the next.
    first = pt.ceil(pt.arange(rank, dtype="int64") * part - 1e-9)
    last = pt.ceil((pt.arange(rank, dtype="int64") + np.int64(1)) * part - 1e-9)
    numbers = pt.cast(pt.floor(first + pt.cast(offset, "float64") * (last - first)), "int64")
    columns = joined(_columns(product, b, at, numbers, rank), kept=1)
    ridge = pt.cast(np.float64(damping), flat.dtype)
    small = ridge * columns[:, numbers] + columns @ columns.T
    weights = solve(small, columns @ flat, b_ndim=1)
    return parted((flat - columns.T @ weights) / ridge, at, b)


def _columns(
    product: Product, b: Vector, at: Vector, numbers: TensorVariable, count: int | TensorVariable
) -> list[TensorVariable]:
    number = pt.lscalar("number")
    return mapped(product(unit(at, b, number)), count, {number: numbers})
