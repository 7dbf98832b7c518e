"""What an estimator was given, checked in one line each, before anything is trained."""

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from t1t2_pt.networks.activations import ACTIVATIONS
from t1t2_pt.sklearn.design import NAMES
from t1t2_pt.system.errors import InputError


class ParameterError(InputError, ValueError):
    """An `InputError` that scikit-learn's tools, which expect a `ValueError`, understand."""


def check_number(
    name: str, value: Any, low: float, high: float = math.inf, remedy: str = "", open_low: bool = False
) -> None:
    """Check that a parameter is a real number in [low, high], or (low, high].

    Raises
    ------
    ParameterError
        Naming it.
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise ParameterError(name, value, "is no number", remedy or f"give a number from {low:g} to {high:g}")
    number = float(value)
    fits = (low < number if open_low else low <= number) and number <= high and math.isfinite(number)
    if not fits:
        bounds = f"above {low:g}" if open_low else f"of at least {low:g}"
        upper = "" if math.isinf(high) else f" and at most {high:g}"
        raise ParameterError(name, value, "is out of range", remedy or f"give a number {bounds}{upper}")


def check_whole(name: str, value: Any, low: int) -> None:
    """Check that a parameter is a whole number of at least `low`.

    Raises
    ------
    ParameterError
        Naming it.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < low:
        raise ParameterError(name, value, f"is no whole number of at least {low}", "give one")


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Check that a parameter is one of some values.

    Raises
    ------
    ParameterError
        Naming it.
    """
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        shown = ", ".join(str(choice) for choice in choices)
        raise ParameterError(name, value, "is unknown", f"give one of {shown}")


def check_flag(name: str, value: Any) -> None:
    """Check that a parameter is True or False.

    Raises
    ------
    ParameterError
        Naming it.
    """
    if not isinstance(value, bool | np.bool):
        raise ParameterError(name, value, "is neither True nor False", "give one of them")


def check_fraction(name: str, value: Any) -> None:
    """Check that a parameter is a share, above 0 and below 1.

    Raises
    ------
    ParameterError
        Naming it.
    """
    check_number(name, value, 0, 1, "give a share above 0 and below 1", open_low=True)
    if value == 1:
        raise ParameterError(name, value, "leaves nothing to train on", "give a share above 0 and below 1")


def starting_level(name: str, value: Any, count: int) -> float | npt.NDArray[np.float64]:
    """A number for all places, or one for each of them, none negative.

    Raises
    ------
    ParameterError
        Naming the hyperparameter.
    """
    if isinstance(value, numbers.Real):
        check_number(name, value, 0)
        return float(value)
    try:
        levels = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        levels = np.full(0, np.nan)
    if levels.shape != (count,):
        raise ParameterError(name, value, "is neither a number nor one for each layer", f"give one, or {count}")
    for level in levels:
        check_number(name, float(level), 0)
    return levels


def hidden_sizes(value: Any) -> tuple[int, ...]:
    """Units of the hidden layers: a number for one layer, or several.

    Raises
    ------
    ParameterError
        Where a size is no whole number above 0, or there is none.
    """
    sizes = (value,) if isinstance(value, numbers.Integral) else value
    try:
        sizes = tuple(sizes)
    except TypeError:
        sizes = ()
    if not sizes:
        raise ParameterError("hidden_layer_sizes", value, "names no hidden layer", "give sizes, such as (100,)")
    for size in sizes:
        check_whole("hidden_layer_sizes", size, 1)
    return tuple(int(size) for size in sizes)


def names_of(parameter: str, value: Any, known: Sequence[str]) -> tuple[str, ...]:
    """Names of hyperparameters in their usual order: True for all, False for none, one name, or several.

    Raises
    ------
    ParameterError
        For a name that is not known.
    """
    if isinstance(value, bool | np.bool):
        return tuple(known) if value else ()
    given = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple | set) else (value,)
    for name in given:
        if name not in known:
            raise ParameterError(parameter, value, f"{name!r} is unknown", f"give True, or some of {', '.join(known)}")
    return tuple(name for name in known if name in given)


def bounds_of(value: Any, starts: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Lowest and highest level of each hyperparameter.

    Raises
    ------
    ParameterError
        For bounds that are none, or that exclude where a hyperparameter starts.
    """
    usual = {"input_noise": (0.0, 10.0), "hidden_noise": (0.0, 10.0), "l2": (0.0, 10.0)}
    if value is not None and not isinstance(value, dict):
        raise ParameterError("bounds", value, "is no dictionary", "give {'l2': (lowest, highest)} or None")
    found = {**usual, **(value or {})}
    for name, pair in found.items():
        if name not in NAMES:
            raise ParameterError("bounds", value, f"{name!r} is unknown", f"give bounds of {', '.join(NAMES)}")
        try:
            low, high = (float(end) for end in pair)
        except (TypeError, ValueError):
            raise ParameterError("bounds", value, f"{name} has no two numbers", "give (lowest, highest)") from None
        if not 0 <= low < high:
            raise ParameterError("bounds", value, f"{name} has no room from {low:g} to {high:g}", "let 0 <= low < high")
        levels = np.asarray(starts[name])
        if np.any((levels > 0) & ((levels < low) | (levels > high))):
            problem = f"starts outside its bounds, from {low:g} to {high:g}"
            raise ParameterError(name, starts[name], problem, "start within them, or widen `bounds`")
        found[name] = low, high
    return found


def check_activation(value: Any) -> None:
    """Check the name of the nonlinearity.

    Raises
    ------
    ParameterError
        If it is unknown.
    """
    check_choice("activation", value, list(ACTIVATIONS))
