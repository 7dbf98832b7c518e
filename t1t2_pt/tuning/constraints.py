"""Where hyperparameters may go: bounds, and the scale on which they are moved.

A hyperparameter x is moved by an optimiser on a scale u(x), with the derivative by u, and is itself what its
shared variable holds:

    nonnegative, none    u = x
    log                  u = log(x)
    logit                u = log((x - low) / (high - x))

and is then put back between its bounds.
"""

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.system.errors import InputError

NONNEGATIVE, LOG, LOGIT, NONE = "nonnegative", "log", "logit", "none"
USUAL_BOUNDS = {NONNEGATIVE: (0.0, math.inf), LOG: (0.0, math.inf), LOGIT: (0.0, 1.0), NONE: (-math.inf, math.inf)}


@dataclasses.dataclass(frozen=True)
class Constraint:
    """How one hyperparameter is moved.

    Parameters
    ----------
    transform
        A key of `USUAL_BOUNDS`.
    low, high
        Bounds, which belong to what is allowed; under `log` and `logit` those of the transform do not.
    """

    transform: str = NONNEGATIVE
    low: float = 0.0
    high: float = math.inf

    def inward(self, x: TensorVariable) -> TensorVariable:
        """u(x)."""
        if self.transform == LOG:
            return pt.log(x)
        if self.transform == LOGIT:
            return pt.log((x - _number(self.low, x)) / (_number(self.high, x) - x))
        return x

    def slope(self, x: TensorVariable) -> TensorVariable | None:
        """dx / du at x; None where it is 1."""
        if self.transform == LOG:
            return x
        if self.transform == LOGIT:
            low, high, width = (_number(value, x) for value in (self.low, self.high, self.high - self.low))
            return (x - low) * (high - x) / width
        return None

    def outward(self, u: TensorVariable) -> TensorVariable:
        """x(u), between the bounds."""
        x = u
        low, high = self.low, self.high
        if self.transform == LOG:
            x, ends = pt.exp(u), np.finfo(u.dtype)
            low, high = max(low, float(ends.tiny)), min(high, float(ends.max))  # 0 and infinity would stay for good
        elif self.transform == LOGIT:
            width = high - low
            x = _number(low, u) + _number(width, u) * pt.sigmoid(u)
            margin = 4 * float(np.finfo(u.dtype).eps) * max(abs(low), abs(high), width)
            low, high = low + margin, high - margin
        if low > -math.inf:
            x = pt.maximum(x, _number(low, u))
        return pt.minimum(x, _number(high, u)) if high < math.inf else x

    def check_start(self, name: str, value: np.ndarray) -> None:
        """Check a first value.

        Raises
        ------
        InputError
            If it is not finite, or out of the bounds.
        """
        outside = [x for x in np.ravel(value).tolist() if not self._holds(x)]
        if not outside:
            return
        if not math.isfinite(outside[0]):
            raise InputError(name, outside[0], "is not finite at the start", f"give {name} a number")
        within = f"{self.low:g} and {self.high:g}" + (", both excluded" if self.transform == LOGIT else "")
        if self.transform == LOG and outside[0] <= 0:
            raise InputError(
                name, outside[0], "has no logarithm to start from", f"start above 0, or leave transforms[{name!r}] out"
            )
        remedy = "start between them"
        if self.transform == NONNEGATIVE and self.low == 0 and outside[0] < 0:
            remedy = f"start at 0 or above, or give transforms={{{name!r}: 'none'}}"
        raise InputError(name, outside[0], f"starts outside of its bounds, {within}", f"{remedy}, or give others")

    def _holds(self, x: float) -> bool:
        if self.transform == LOGIT:
            return self.low < x < self.high
        return math.isfinite(x) and self.low <= x <= self.high and (self.transform != LOG or x > 0)


def read_constraints(
    hyperparams: Mapping[str, SharedVariable],
    transforms: str | Mapping[Any, str] | None,
    bounds: Mapping[Any, tuple[float, float]] | None,
) -> dict[str, Constraint]:
    """A constraint for each hyperparameter by name, its first value checked.

    Parameters
    ----------
    transforms
        One for all, or by name or variable; `nonnegative` for those that are left out, and `none` for those that
        have bounds.
    bounds
        (low, high) by name or variable.

    Raises
    ------
    InputError
        For an unknown name or transform, bounds that are none, or a first value outside of them.
    """
    if isinstance(transforms, str):
        transforms = dict.fromkeys(hyperparams, transforms)
    chosen = _by_name("transforms", transforms or {}, hyperparams)
    limits = _by_name("bounds", bounds or {}, hyperparams)
    found = {}
    for name, shared in hyperparams.items():
        transform = chosen.get(name, NONE if name in limits else NONNEGATIVE)
        if transform not in USUAL_BOUNDS:
            raise InputError(f"transforms[{name!r}]", transform, "is unknown", f"give {' or '.join(USUAL_BOUNDS)}")
        low, high = _pair(name, limits[name]) if name in limits else USUAL_BOUNDS[transform]
        if transform == LOGIT and not (math.isfinite(low) and math.isfinite(high)):
            raise InputError(f"bounds[{name!r}]", (low, high), "logit needs two ends", "give numbers, or take log")
        if transform in (LOG, NONNEGATIVE):
            low = max(low, 0.0)
        found[name] = Constraint(transform, low, high)
        found[name].check_start(name, np.asarray(shared.get_value(borrow=True)))
    return found


def _by_name(option: str, given: Any, hyperparams: Mapping[str, SharedVariable]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InputError(option, given, f"is a {type(given).__name__}", "give a dictionary by hyperparameter")
    names: dict[Any, str] = {shared: name for name, shared in hyperparams.items()}
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = key if isinstance(key, str) else names.get(key, "")
        if name not in hyperparams:
            raise InputError(option, str(key), "is no hyperparameter", f"give {', '.join(hyperparams)}")
        found[name] = value
    return found


def _pair(name: str, given: Any) -> tuple[float, float]:
    pair = isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2
    if pair and all(isinstance(end, numbers.Real) for end in given) and float(given[0]) < float(given[1]):
        return float(given[0]), float(given[1])
    raise InputError(f"bounds[{name!r}]", given, "are no bounds", "give (low, high), as in (0.0, 1.0)")


def _number(value: float, like: TensorVariable) -> np.ndarray:
    return np.asarray(value, dtype=like.dtype)
