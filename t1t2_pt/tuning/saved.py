"""What a stopped run goes on from: numbers of shared variables, states of generators, and how far it came."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import replacing
from t1t2_pt.system.reading import open_file, read_arrays

State = dict[str, Any]
FORMAT = 1
ARRAYS, HEADER = "arrays", "header"
FIELDS = {"format", "steps", "hyper_steps", "epochs", "generators", "history", "pending", ARRAYS}


def save_state(path: str | Path, state: State) -> None:
    """Write what `Tuner.state` gave into a `.npz` file, whole or not at all, without pickle.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    header = {key: value for key, value in state.items() if key != ARRAYS}
    arrays = {f"{ARRAYS}/{name}": array for name, array in state[ARRAYS].items()}
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    with replacing(Path(path)) as partial:
        partial.write_bytes(content.getvalue())


def load_state(path: str | Path) -> State:
    """What `save_state` wrote, for `Tuner.restore`.

    Raises
    ------
    InputError
        If there is no such file, or it is something else.
    """
    try:
        with open_file(Path(path)) as stream:
            arrays = read_arrays(stream)
        header = json.loads(arrays.pop(HEADER).tobytes())
        named = {name.removeprefix(f"{ARRAYS}/"): array.copy() for name, array in arrays.items()}
        return checked({**header, ARRAYS: named})
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "give a file that save_state has written"
        raise InputError("state", str(path), f"cannot be read ({reason(error)})", remedy) from None


def checked(state: Any) -> State:
    """A state that has what it needs.

    Raises
    ------
    InputError
        If it lacks a part, or is of another version.
    """
    if not isinstance(state, Mapping) or not set(state) >= FIELDS:
        lacking = sorted(FIELDS - set(state)) if isinstance(state, Mapping) else []
        problem = f"lacks {', '.join(lacking)}" if lacking else f"is a {type(state).__name__}"
        raise InputError("state", sorted(state) if lacking else problem, problem, "give what Tuner.state gave")
    if state["format"] != FORMAT:
        raise InputError("state", state["format"], "is the format of another version", f"give one of format {FORMAT}")
    return dict(state)


def check_arrays(arrays: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> None:
    """Check that a state is one of the same variables.

    Raises
    ------
    InputError
        Naming the first that is not there, or has another shape or dtype.
    """
    for name, value in wanted.items():
        if name not in arrays:
            raise InputError("state", sorted(arrays), f"lacks {name}", "restore into a Tuner built as that one was")
        found = np.asarray(arrays[name])
        if found.shape != value.shape or found.dtype != value.dtype:
            problem = f"{name} has {found.dtype} {found.shape}, where the Tuner has {value.dtype} {value.shape}"
            raise InputError("state", name, problem, "restore into a Tuner built as that one was")
    extra = sorted(set(arrays) - set(wanted))
    if extra:
        remedy = "restore into a Tuner built as that one was"
        raise InputError("state", extra[0], "is nothing that this Tuner has", remedy)
