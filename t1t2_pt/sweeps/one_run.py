"""One run from Python, on data of one's own or on a data set by its name: what `t1t2 train` does, and the network."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t1t2_pt.backends import get_backend
from t1t2_pt.config import named_config, own_config
from t1t2_pt.datasets import DATASETS, Dataset
from t1t2_pt.datasets.own_files import OwnFile
from t1t2_pt.models import Model, read_model
from t1t2_pt.runs.names import DIVERGED
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.event_files import EventFiles
from t1t2_pt.sweeps.reports import Watcher
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.system.errors import InputError


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """What `train` gives.

    Parameters
    ----------
    run
        Config, history, final errors and provenance.
    model
        What predicts.
    """

    run: StoredRun
    model: Model


def train(
    data: Dataset | OwnFile | str | Path,
    *,
    program: str | None = None,
    backend: str = "auto",
    store: Path | str | None = None,
    save_model: Path | str | None = None,
    log_dir: Path | str | None = None,
    watchers: Sequence[Watcher] = (),
    data_dir: Path | None = None,
    quiet: bool = True,
    **fields: Any,
) -> TrainedNetwork:
    """Train a network, with its hyperparameters fixed or tuned meanwhile.

    Parameters
    ----------
    data
        Data of one's own, by `own_dataset(x, y)`, by `OwnFile` or by the name of such a file that needs no options;
        or the name of a data set.
    program
        Choices for what is not given: a name in `PROGRAMS`, or None.
    backend
        `auto`, `jax`, `numba` or `c`.
    store
        The file of a run store that keeps the run; None: none does.
    save_model
        A `.npz` file that keeps the network.
    log_dir
        Write TensorBoard event files below this folder.
    watchers
        Each is called with an `EpochReport` after every epoch, from the thread that trains; what one raises ends
        the training.
    data_dir
        Folder of data sets; None looks in the usual places.
    quiet
        Show no progress.
    **fields
        Of a run, as the options of `t1t2 train`: `hidden=(200,)`, `input_noise=0.5`, `tune=("input_noise",)`, ...

    Raises
    ------
    InputError
        In one line, before anything is trained, if something given cannot be used; after it if the run diverged.
    """
    own = _own(data)
    if own is not None:
        config = own_config(own[0], program, **fields)
    else:
        config = named_config(program, data_dir, **{"dataset": str(data), **fields})
    with contextlib.ExitStack() as stack:
        told = list(watchers)
        if log_dir is not None:
            files = EventFiles(Path(log_dir))
            stack.callback(files.close)
            told.append(files)
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="t1t2-")))
        place = temporary / "runs.sqlite" if store is None else Path(store)
        path = temporary / "model.npz" if save_model is None else Path(save_model)
        sweep = Sweep(
            RunStore(place), get_backend(backend), data_dir, quiet=quiet, own=own, watchers=told, model=path.absolute()
        )
        (run,) = sweep.run([config])
        if run.status == DIVERGED:
            remedy = "give smaller step sizes or other levels"
            raise InputError("run", run.digest[:10], f"diverged: {run.provenance['diverged']}", remedy)
        return TrainedNetwork(run, read_model(path))


def _own(data: Dataset | OwnFile | str | Path) -> tuple[Dataset, OwnFile | None] | None:
    if isinstance(data, Dataset):
        return data, None
    if isinstance(data, OwnFile):
        return data.read(), data
    if isinstance(data, str) and data in DATASETS:
        return None
    file = OwnFile(Path(data).absolute())
    return file.read(), file
