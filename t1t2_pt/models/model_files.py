"""The file of a trained network: a sealed `.npz` (`system/sealing.py`), which NumPy opens without pickle."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from t1t2_pt.config import run_config
from t1t2_pt.datasets import PREPROCESSING, Names
from t1t2_pt.datasets.preprocessing import CONTRAST, Preparation
from t1t2_pt.models.model import DTYPE, MOMENTS, Model
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import check_can_write, make_folder, replacing
from t1t2_pt.system.reading import open_file
from t1t2_pt.system.sealing import Arrays, broken_seal, opened, sealed, with_header
from t1t2_pt.system.version import VERSION

FORMAT = 1
KIND = "t1t2_pt model"
ENDING = ".npz"
FIELD = "model"
KINDS = ("uint8", "float32", "float64")  # of samples

_PARAMETER, _PREPARATION = "parameter/", "preparation/"


def check_model_path(field: str, path: Path) -> None:
    """Check that a network can be kept in this file; writes nothing.

    Raises
    ------
    InputError
        Naming `field`.
    """
    if path.suffix != ENDING:
        raise InputError(field, str(path), "has another ending than .npz", "name it .npz")
    check_can_write(field, path)


def write_model(model: Model, path: Path) -> None:
    """Write a network, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    check_model_path(FIELD, path)
    header = {
        "kind": KIND,
        "format": FORMAT,
        "t1t2_pt": VERSION,
        "run": model.config.digest(),
        "config": model.config.as_dict(),
        "sample_shape": model.sample_shape,
        "sample_kind": model.kind,
        "classes": model.number_of_classes,
        "names": dataclasses.asdict(model.names),
        "preprocessing": model.preparation.preprocessing,
        "contrast": model.preparation.contrast,
        "data": model.data,
        "measured": {name: value for name, value in model.measured.items() if np.isfinite(value)},
    }
    arrays = {f"{_PARAMETER}{name}": array for name, array in model.parameters.items()}
    arrays |= {f"{_PREPARATION}{name}": array for name, array in model.preparation.numbers.items()}
    for i, pair in model.statistics.items():
        arrays |= {f"{moment}/{i}": array for moment, array in zip(MOMENTS, pair, strict=True)}
    make_folder(path.parent)
    with replacing(path) as partial:
        partial.write_bytes(sealed(with_header(header, arrays)))


def read_model(path: Path) -> Model:
    """A network that `write_model` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, was altered or cut short, is something else or of a newer version.
    """
    remedy = "give a file that `t1t2 train --save-model` wrote"
    try:
        with open_file(path) as stream:
            content = stream.read()
    except OSError as error:
        raise InputError(FIELD, str(path), f"cannot be read ({reason(error)})", remedy) from None
    problem = broken_seal(content)
    if problem:
        raise InputError(FIELD, str(path), _of_foreign(content) or problem, remedy)
    try:
        header, arrays = opened(content)
        if header["kind"] != KIND:
            raise ValueError("it is something else")
        if header["format"] != FORMAT:
            newer = f"was written by another version of t1t2_pt, {header['t1t2_pt']}"
            raise InputError(FIELD, str(path), newer, "update t1t2_pt, or train it again")
        model = _model(header, arrays)
        _check(model)
    except InputError as error:
        if error.field == FIELD:
            raise
        problem = f"cannot be used ({error.field} = {error.value!r} {error.problem})"
        raise InputError(FIELD, str(path), problem, "update t1t2_pt, or train it again") from None
    except Exception as error:  # NumPy and zipfile raise nearly anything
        raise InputError(FIELD, str(path), f"is not a model ({reason(error)})", remedy) from None
    return model


def _of_foreign(content: bytes) -> str:
    """What is told of a file that never was one of ours."""
    return "" if KIND.encode() in content and content[:2] == b"PK" else "is not a model"


def _model(header: dict[str, Any], arrays: Arrays) -> Model:
    def of(prefix: str) -> Arrays:
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    layers = sorted(int(name) for name in of(f"{MOMENTS[0]}/"))
    names = header["names"]
    if header["preprocessing"] not in PREPROCESSING or header["contrast"] not in CONTRAST:
        raise ValueError("its preprocessing is not known to this version")
    if header["sample_kind"] not in KINDS:
        raise ValueError("its samples are of another type")
    return Model(
        config=run_config(**header["config"]),
        sample_shape=tuple(header["sample_shape"]),
        kind=header["sample_kind"],
        number_of_classes=header["classes"],
        parameters=of(_PARAMETER),
        statistics={i: (arrays[f"mean/{i}"], arrays[f"variance/{i}"]) for i in layers},
        preparation=Preparation(header["preprocessing"], header["contrast"], of(_PREPARATION)),
        names=Names(tuple(names["classes"]), tuple(names["features"]), names["label"]),
        data=header["data"],
        measured=header["measured"],
    )


def _check(model: Model) -> None:
    """Check that all fits together, before anything is predicted."""
    network = model.network
    expected = dict(network.shapes())
    found = {name: array.shape for name, array in model.parameters.items()}
    normalising = {i: network.activations[i + 1][-1:] for i in range(len(network.layers)) if network.normalises(i)}
    if found != expected or {i: pair[0].shape for i, pair in model.statistics.items()} != normalising:
        raise ValueError("its arrays are not those of its network")
    arrays = [*model.parameters.values(), *(array for pair in model.statistics.values() for array in pair)]
    if any(array.dtype != DTYPE or not np.isfinite(array).all() for array in arrays):
        raise ValueError("its arrays are not finite float32 numbers")
    if model.names.classes and len(set(map(json.dumps, model.names.classes))) != model.number_of_classes:
        raise ValueError("it has other names than classes")
    sample = np.zeros((1, *model.sample_shape), model.kind)
    if model.preparation(sample).shape != sample.shape:
        raise ValueError("its preprocessing is of other samples")
