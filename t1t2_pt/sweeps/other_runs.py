"""Runs of other kinds than a `RunConfig` describes: a table of their own in the store, and files, a line for each."""

import dataclasses
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from t1t2_pt.datasets.preprocessing import USUAL
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.groups import DataKey
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import replacing
from t1t2_pt.system.reading import read_file

LARGEST = 1 << 26  # bytes of a file of runs


class OtherConfig(Protocol):
    """What names a run."""

    def digest(self) -> str:
        """The name."""


class OtherRun(Protocol):
    """What is stored of a run."""

    @property
    def config(self) -> Any:
        """Its choices, an `OtherConfig`."""

    @property
    def digest(self) -> str:
        """What names it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""


class OtherRuns[Run: OtherRun]:
    """One kind of them.

    Parameters
    ----------
    kind
        What messages call them.
    table, file
        Names of their table in the store, and of their file.
    from_dict
        The inverse of `as_dict`; whatever else it is given raises an error of some kind.
    """

    def __init__(self, kind: str, table: str, file: str, from_dict: Callable[[Mapping[str, Any]], Run]) -> None:
        self.file = file
        self._kind, self._table, self._from_dict = kind, table, from_dict

    def store(self, runs: Iterable[Run], store: RunStore) -> None:
        """Put runs into the store, all or none."""
        with store.writing() as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table} (digest TEXT PRIMARY KEY, run TEXT NOT NULL)")
            rows = [(run.digest, json.dumps(run.as_dict(), allow_nan=False)) for run in runs]
            connection.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?)", rows)

    def stored(self, configs: Iterable[OtherConfig], store: RunStore) -> dict[Any, Run]:
        """Those of these runs that the store has, by their configs.

        Raises
        ------
        InputError
            If one of them is damaged.
        """
        found = {}
        for (text,) in store.rows(self._table, ("run",), [config.digest() for config in configs]):
            try:
                run = self._from_dict(json.loads(text))
            except Exception as error:  # JSON of something else raises nearly anything
                problem = f"is damaged: a run of {self._kind} in it cannot be read ({reason(error)})"
                raise InputError("store", str(store.path), problem, "add --recompute") from None
            found[run.config] = run
        return found

    def write(self, runs: Sequence[Run], folder: Path) -> Path:
        """Write runs into their file in a folder, each once; returns the file."""
        lines = [json.dumps(run.as_dict(), allow_nan=False) for run in {run.digest: run for run in runs}.values()]
        with replacing(folder / self.file) as partial:
            partial.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))
        return folder / self.file

    def read(self, path: Path) -> list[Run]:
        """The runs of a file that was written so.

        Raises
        ------
        InputError
            If it is another file.
        """
        try:
            lines = read_file(path, LARGEST).decode().splitlines()
            return [self._from_dict(json.loads(line)) for line in lines]
        except Exception as error:  # JSON of something else raises nearly anything
            problem = f"is no file of runs of {self._kind} ({reason(error)})"
            raise InputError("file", str(path), problem, "restore it from version control") from None


class OtherTrainer[Config: OtherConfig, Run: OtherRun]:
    """What the `Trainer`s of such runs share: the kind of their runs, in files and in the store."""

    kept: OtherRuns[Run]

    def export(self, runs: Sequence[Run], folder: Path) -> Path:
        """Write runs into their file in a folder, each once and a line each."""
        return self.kept.write(runs, folder)

    def fill(self, store: RunStore, folder: Path) -> None:
        """Put the runs of all files in a folder into the store."""
        for path in sorted(folder.glob("*.jsonl.gz")):
            self.kept.store(self.kept.read(path), store)

    def stored(self, configs: Sequence[Config], store: RunStore) -> dict[Config, Run]:
        """Those of these runs that the store has."""
        return self.kept.stored(configs, store)


def fields_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config as JSON has them, whose tuples are lists there."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def settled[Config: Any](config: Config, splits: Splits) -> Config:
    """With what names the content of its data."""
    return dataclasses.replace(config, data=splits.fingerprint(config.dataset) or "")


def data_of(config: Any) -> DataKey:
    """What `Splits.get` takes: these runs have the usual preprocessing, and T1 and T2 apart."""
    return config.dataset, config.t1_samples, config.t2_samples, config.split_seed, USUAL, "none", "apart"
