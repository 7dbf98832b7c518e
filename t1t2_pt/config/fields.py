"""The kinds of value that fields of a run take, and the fields that come from the regularisers."""

import dataclasses
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from t1t2_pt.networks.network import CONVOLUTIONAL
from t1t2_pt.regularizers import HYPERPARAMETERS, INPUT, STEP_SIZES, Hyperparameter

LARGEST = 3e38  # what float32 holds
LARGEST_COUNT = 2**31 - 1  # what every backend counts in
IDENTITY = "identity"  # group of the fields that nobody gives

Number = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Limit = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Width = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]

if TYPE_CHECKING:
    DatasetName = NetworkName = HyperparameterName = OptimizerName = ScheduleName = str
else:

    def _one_of(names: Collection[str]) -> Any:
        return Literal[tuple(names)]

    DatasetName = _one_of(("mnist", "svhn", "cifar10", "digits-on-photos"))
    NetworkName = _one_of(("mlp", *CONVOLUTIONAL))
    HyperparameterName = _one_of(HYPERPARAMETERS)
    OptimizerName = _one_of(("sgd", "momentum", "adam"))
    ScheduleName = _one_of(("constant", "linear", "hold_then_linear"))


def option(group: str, description: str, remedy: str) -> dict[str, Any]:
    """The words that `--help` and error messages use for a field."""
    return {"description": description, "json_schema_extra": {"group": group, "remedy": remedy}}


def with_regularizers(levels_before: str, step_sizes_before: str) -> Callable[[type], type]:
    """Give a class a field for each hyperparameter, and one for each of their step sizes.

    Parameters
    ----------
    levels_before, step_sizes_before
        Names of the fields before which they come in lists.
    """

    def extended(kind: type) -> type:
        more = {
            levels_before: {one.name: _level(one) for one in HYPERPARAMETERS.values()},
            step_sizes_before: {name: _step_size(name) for name in STEP_SIZES},
        }
        annotations: dict[str, Any] = {}
        for name, annotation in kind.__annotations__.items():
            for added, (of_added, default) in more.get(name, {}).items():
                annotations[added] = of_added
                setattr(kind, added, default)
            annotations[name] = annotation
        kind.__annotations__ = annotations
        return kind

    return extended


def _level(one: Hyperparameter) -> tuple[Any, Any]:
    of = Annotated[float, Field(ge=0, le=min(LARGEST, one.largest), allow_inf_nan=False)]
    range_ = "of 0 or more" if one.largest > LARGEST else f"from 0 to {one.largest:g}"
    per_layer = "" if one.places is INPUT else ", one per layer separated by commas,"
    remedy = f"give a number {range_}{per_layer} or none to leave it out"
    return of | tuple[of, ...] | None, Field(default=None, **option("regularisation", one.help, remedy))


def _step_size(name: str) -> tuple[Any, Any]:
    one = STEP_SIZES[name]
    words = option("tuning", f"step size of the {one.kind} hyperparameters", "give a number of 0 or more")
    return Number, Field(default=one.usual, **words)


def default(field: dataclasses.Field[Any]) -> Any:
    """What a field is where it is not given."""
    return field.default.default
