"""The kinds of value that fields of a run take, and the fields that come from the regularisers."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo

from t1t2_pt.datasets import CONTRAST, DATASETS, OWN_SOURCES, PREPROCESSING, T2_FROM
from t1t2_pt.hypergradients import method_named, method_text
from t1t2_pt.networks.activations import ACTIVATIONS
from t1t2_pt.networks.initialization import INITIALIZATIONS
from t1t2_pt.networks.network import CONVOLUTIONAL
from t1t2_pt.optimizers import OPTIMIZERS, SCHEDULES
from t1t2_pt.regularizers import HYPERPARAMETERS, INPUT, STEP_SIZES

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
    type DatasetName = str
    type NetworkName = str
    type HyperparameterName = str
    type OptimizerName = str
    type ScheduleName = str
    type PreprocessingName = str
    type ContrastName = str
    type T2From = str
    type ActivationName = str
    type InitializationName = str
else:

    def _one_of(names: Collection[str]) -> Any:
        return Literal[tuple(names)]

    DatasetName = _one_of((*DATASETS, *OWN_SOURCES))
    PreprocessingName = _one_of(PREPROCESSING)
    ContrastName = _one_of(CONTRAST)
    T2From = _one_of(T2_FROM)
    ActivationName = _one_of(ACTIVATIONS)
    InitializationName = _one_of(INITIALIZATIONS)
    NetworkName = _one_of(("mlp", *CONVOLUTIONAL))
    HyperparameterName = _one_of(HYPERPARAMETERS)
    OptimizerName = _one_of(OPTIMIZERS)
    ScheduleName = _one_of(SCHEDULES)


def _method(text: str) -> str:
    return method_text(method_named(text))


MethodText = Annotated[str, AfterValidator(_method)]


def field(default: Any, group: str, description: str, remedy: str) -> Any:
    """A field's default, and the words that `--help` and error messages use for it."""
    return Field(default=default, description=description, json_schema_extra={"group": group, "remedy": remedy})


def with_fields(fields: Mapping[str, tuple[Any, Any]], before: str) -> Callable[[type], type]:
    """Give a class more fields, each with its annotation and default, in lists before the named one."""

    def extended(kind: type) -> type:
        annotations: dict[str, Any] = {}
        for name, annotation in kind.__annotations__.items():
            if name == before:
                for added, (of_added, default) in fields.items():
                    annotations[added] = of_added
                    setattr(kind, added, default)
            annotations[name] = annotation
        kind.__annotations__ = annotations
        return kind

    return extended


def level_fields() -> dict[str, tuple[Any, Any]]:
    """A field for each hyperparameter."""
    found = {}
    for name, one in HYPERPARAMETERS.items():
        of = Annotated[float, Field(ge=0, le=min(LARGEST, one.largest), allow_inf_nan=False)]
        range_ = "of 0 or more" if one.largest > LARGEST else f"from 0 to {one.largest:g}"
        per_layer = "" if one.places is INPUT else ", one per layer separated by commas,"
        remedy = f"give a number {range_}{per_layer} or none to leave it out"
        found[name] = of | tuple[of, ...] | None, field(None, "regularisation", one.help, remedy)
    return found


def step_size_fields() -> dict[str, tuple[Any, Any]]:
    """A field for each step size of hyperparameters."""
    found = {}
    for name, one in STEP_SIZES.items():
        words = f"step size of the {one.kind} hyperparameters"
        found[name] = Number, field(one.usual, "tuning", words, "give a number of 0 or more")
    return found


def info(name: str, kind: type) -> FieldInfo:
    """What pydantic knows of a field of a class."""
    found: dict[str, FieldInfo] = getattr(kind, "__pydantic_fields__")  # noqa: B009  (no static type has it)
    return found[name]


def words(name: str, kind: type) -> dict[str, str]:
    """Group, description and remedy of a field."""
    found = info(name, kind)
    extra = found.json_schema_extra
    assert isinstance(extra, dict)
    return {"description": str(found.description), **{key: str(value) for key, value in extra.items()}}


def default(name: str, kind: type) -> Any:
    """What a field is where it is not given."""
    return info(name, kind).default
