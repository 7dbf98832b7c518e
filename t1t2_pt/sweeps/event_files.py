"""Runs as TensorBoard's event files, through tensorboardX: a folder for each, named by what it is.

A folder is written anew when its run is told from its first epoch, so that asking again for the same run leaves one
curve.
"""

import importlib.util
import math
import shutil
from pathlib import Path
from typing import Any

from t1t2_pt.config import RunConfig
from t1t2_pt.sweeps.reports import EpochReport
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import make_folder

PACKAGE = "tensorboardX"
FIELD = "--log-dir"
GROUPS = {"cost": "_cost", "error": "_error", "step size": "learning_rate"}


class EventFiles:
    """A watcher (`reports.py`) that writes event files below a folder.

    Parameters
    ----------
    folder
        Made where it is not there.

    Raises
    ------
    InputError
        If tensorboardX is not installed, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec(PACKAGE) is None:
            remedy = "install it (`pip install tensorboardX`, or t1t2_pt[tensorboard]), or leave the option out"
            raise InputError(FIELD, str(folder), f"needs {PACKAGE}, which is not installed", remedy)
        make_folder(folder)
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def __call__(self, report: EpochReport) -> None:
        """Write an epoch."""
        try:
            writer = self._writer(report.config)
            for name, value in report.row.items():
                if not math.isfinite(value):
                    continue
                writer.add_scalar(tag(name), value, report.epoch)
            writer.flush()
            if report.epoch == report.config.epochs:
                self._writers.pop(report.config.digest()).close()
        except OSError as error:
            problem = f"cannot be written ({reason(error)})"
            raise InputError(FIELD, str(self._folder), problem, "give a folder that you can write to") from None

    def close(self) -> None:
        """Close the files of runs that did not come to their end."""
        while self._writers:
            self._writers.popitem()[1].close()

    def _writer(self, config: RunConfig) -> Any:
        from tensorboardX import SummaryWriter

        digest = config.digest()
        if digest not in self._writers:
            folder = self._folder / folder_name(config)
            shutil.rmtree(folder, ignore_errors=True)
            self._writers[digest] = SummaryWriter(str(folder))
        return self._writers[digest]


def folder_name(config: RunConfig) -> str:
    """What the folder of a run is called: `mnist-mlp-input_noise-seed0-3f2a9c01d4`."""
    tuned = "+".join(config.tune) or "fixed"
    return f"{config.dataset}-{config.network}-{tuned}-seed{config.seed}-{config.digest()[:10]}"


def tag(column: str) -> str:
    """A history's column as TensorBoard groups it: costs, errors and step sizes together, hyperparameters by name."""
    for group, ending in GROUPS.items():
        if column.endswith(ending):
            return f"{group}/{column.removesuffix('/learning_rate')}"
    return f"run/{column}" if column in ("seconds", "penalty") or column.startswith("repaired") else f"level/{column}"
