"""How a run's config is made: what is usual for its data set and network, and one line on what is wrong."""

import dataclasses
import difflib
from pathlib import Path
from typing import Any

import pydantic

from t1t2_pt.config.fields import IDENTITY, words
from t1t2_pt.config.identity import FORMER_NAMES
from t1t2_pt.config.programs import program_fields
from t1t2_pt.config.run_config import RunConfig
from t1t2_pt.datasets import DATASETS, OWN_SOURCES, USUAL_SIZES, Dataset, sizes_that_fit, training_samples
from t1t2_pt.datasets.own_data import usual_sizes
from t1t2_pt.networks.network import CONVOLUTIONAL
from t1t2_pt.system.errors import InputError

# What is usual for a data set (Section 3; T1 and T2) and for a network, where the field is not given. The noise of
# the convolutional networks is ours, near where T1-T2 ended on CIFAR-10: without any they fit T1 and little else.
USUAL: dict[str, dict[str, dict[str, Any]]] = {
    "dataset": USUAL_SIZES,
    "network": {
        name: {"hidden": (), "learning_rate": 2e-3, "input_noise": 0.1, "hidden_noise": 0.1} for name in CONVOLUTIONAL
    },
}
SIZES = ("t1_samples", "t2_samples")
USUAL_BATCH, FEWEST_BATCHES = 100, 4  # of data of one's own: smaller batches where T1 would have fewer
FEWEST_IN_BATCH = 2  # samples: batch normalisation makes one alone 0
FIELDS: dict[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(RunConfig)}


def field_info(name: str) -> dict[str, str]:
    """Group, description and remedy of a `RunConfig` field, for help and messages."""
    return words(name, RunConfig)


# Those that a user chooses.
OPTIONS: tuple[str, ...] = tuple(name for name in FIELDS if field_info(name)["group"] != IDENTITY)


def run_config(program: str | None = None, **values: Any) -> RunConfig:
    """Make a `RunConfig`, turning whatever is wrong into one `InputError`.

    Fields that are not given are those of the program, else as usual for the data set and the network (`USUAL`),
    else defaults. Lists are taken as tuples, whole numbers as floats and former names as those of today, so that
    values read from JSON will do.

    Parameters
    ----------
    program
        A name in `PROGRAMS`; None: no program.
    """
    values = with_today_names(values)
    for name, value in values.items():
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            remedy = f"did you mean {close[0]}?" if close else "`t1t2 train --help` lists them"
            raise InputError(name, value, "is not a field of a run", remedy)
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    values = {**(program_fields(program) if program is not None else {}), **values}
    for name, choices in USUAL.items():
        chosen = values.get(name)
        values = {**(choices.get(chosen, {}) if isinstance(chosen, str) else {}), **values}
    try:
        return RunConfig(**values)
    except pydantic.ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        errors = [e for e in error.errors(include_url=False) if e["loc"][0] == name]
        # Of the kinds of value that a field takes, tell about the one that was meant.
        meant = max(errors, key=_depth) if isinstance(values[name], tuple) else errors[0]
        message = meant["msg"].removeprefix("Value error, ")
        problem = message[0].lower() + message[1:]
        raise InputError(name, values[name], problem, field_info(name)["remedy"]) from None


def named_config(program: str | None = None, data_dir: Path | None = None, **values: Any) -> RunConfig:
    """As `run_config`: sizes of T1 and T2 that are not given fit into the data set that is on this machine.

    Parameters
    ----------
    data_dir
        Folder of the data sets; None looks in the usual places.

    Raises
    ------
    InputError
        As `run_config`, and for sizes that do not fit.
    """
    config = run_config(program=program, **values)
    if config.dataset in OWN_SOURCES:
        raise InputError("dataset", config.dataset, "is data of your own", "name its file by --data instead")
    sizes = [getattr(config, name) if name in values else None for name in SIZES]
    if None not in sizes:
        return config
    here, usual = training_samples(config.dataset, data_dir), DATASETS[config.dataset].usual
    if here < sum(usual) and config.t2_from == "apart":
        check_room(here, sizes[0], sizes[1], usual)
    return replace(config, **dict(zip(SIZES, sizes_that_fit(usual, here, sizes[0], sizes[1]), strict=True)))


def own_config(data: Dataset, /, program: str | None = None, **values: Any) -> RunConfig:
    """As `run_config`, for data of one's own: sizes of T1, T2 and batches that are not given fit these.

    Parameters
    ----------
    data
        As `own_dataset` makes it.

    Raises
    ------
    InputError
        As `run_config`, and for another data set or sizes that do not fit.
    """
    values = with_today_names(values)
    if values.get("dataset", data.name) != data.name:
        problem = "is given beside data of your own"
        raise InputError("dataset", values["dataset"], problem, "leave one of them out")
    samples = len(data.train_labels)
    sizes = [values.get(name) for name in SIZES]
    if any(size is not None and not isinstance(size, int) for size in sizes):
        return run_config(program, **values)  # which tells
    if values.get("t2_from", "apart") == "apart":
        check_room(samples, sizes[0], sizes[1])
    t1, t2 = sizes_that_fit(usual_sizes(samples), samples, sizes[0], sizes[1])
    if sizes == [None, None] and samples >= 2 * FEWEST_IN_BATCH:
        t2 = max(t2, FEWEST_IN_BATCH)
        t1 = min(t1, samples - t2)
    fitting: dict[str, Any] = {"t1_samples": t1, "t2_samples": t2}
    if "batch_size" not in values:
        fitting["batch_size"] = min(USUAL_BATCH, max(t1 // FEWEST_BATCHES, min(t1, FEWEST_IN_BATCH)))
    batch = values.get("batch_size", fitting.get("batch_size"))
    if "t2_batch_size" not in values and isinstance(batch, int) and batch > t2:
        fitting["t2_batch_size"] = t2
    return run_config(program, dataset=data.name, **{**fitting, **{k: v for k, v in values.items() if k != "dataset"}})


def check_room(samples: int, t1: int | None, t2: int | None, usual: tuple[int, int] | None = None) -> None:
    """Check that the size that is given of T1 or T2 leaves samples for the other.

    Raises
    ------
    InputError
        With sizes that fit.
    """
    for name, size in zip(SIZES, (t1, t2), strict=True):
        if size is not None and size >= samples:
            fit = sizes_that_fit(usual or usual_sizes(samples), samples)
            problem = f"leaves none of the {samples} training samples for the other of T1 and T2"
            remedy = f"give numbers that fit, such as --t1-samples {fit[0]} --t2-samples {fit[1]}"
            raise InputError(name, size, problem, remedy)


def _depth(error: Any) -> tuple[int, bool]:
    """How far the kind of value that an error is about fits several numbers."""
    return len(error["loc"]), str(error["loc"][-1]).startswith("tuple")


def replace(config: RunConfig, **changes: Any) -> RunConfig:
    """A copy with some fields changed, checked like a new one."""
    return run_config(**{**{name: getattr(config, name) for name in FIELDS}, **with_today_names(changes)})


def with_today_names(values: dict[str, Any]) -> dict[str, Any]:
    """Fields as an earlier version named them, by their names of today."""
    today = {former: name for name, former in FORMER_NAMES.items()}
    return {today.get(name, name): value for name, value in values.items()}
