"""Checkpoints within a run: what a killed process needs to go on where it was.

A checkpoint is a `.npz` file, which NumPy opens without pickle, of the runs that train together: the
whole state, the history so far and whose they are. It is sealed (`system/sealing.py`), so that a file that was
cut short or altered is known before it is parsed. It is replaced whole, and removed when its runs are in the store.

Each process that trains runs of a group writes a file of its own, and reads those of all: so one that was stopped
for long, and does not know yet that another has taken its runs over, harms nothing.
"""

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from t1t2_pt.config import RunConfig
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import half_written, replacing
from t1t2_pt.system.reading import open_file
from t1t2_pt.system.sealing import broken_seal, with_header
from t1t2_pt.system.sealing import opened as _opened
from t1t2_pt.system.sealing import sealed as _sealed
from t1t2_pt.training.snapshots import Histories, Snapshot, misfit

FORMAT = 2
_HISTORY, _MEASURED, _STATE = "history", "measured", "state/"
_REMEDY = "give a number of epochs such as 5, or a time such as 30s, 5m or 1h, or none"


class UnusableCheckpointError(Exception):
    """A checkpoint that cannot be gone on from, and why."""


@dataclasses.dataclass(frozen=True)
class Every:
    """How often a checkpoint is written: after so many epochs or seconds; neither: only when stopped.

    With `never` set, none is written at all.
    """

    epochs: int | None = None
    seconds: float | None = None
    never: bool = False

    @classmethod
    def read(cls, text: str) -> "Every":
        """`5` epochs, `30s`, `5m`, `1h`, or `none`.

        Raises
        ------
        InputError
            For anything else.
        """
        if text == "none":
            return cls(never=True)
        match = re.fullmatch(r"(\d{1,9})([smh]?)", text)
        if not match or int(match[1]) == 0:
            raise InputError("--checkpoint-every", text, "is neither epochs nor a time", _REMEDY)
        number = int(match[1])
        return cls(epochs=number) if not match[2] else cls(seconds=number * {"s": 1, "m": 60, "h": 3600}[match[2]])


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of some runs that train together, at a place that follows from what they are.

    Parameters
    ----------
    folder
        Where checkpoints lie.
    group
        The runs that were asked for together, in order.
    runs
        Those of them that this checkpoint is of: the others are stored, or another process trains them.
    backend
        Its name; another backend's numbers differ in rounding.
    layout
        What else the arrangement of the state depends on: the program's tuned hyperparameters.
    owner
        Who writes it.
    superseded
        Files of processes that trained the group before; they go when this is written.
    """

    folder: Path
    group: Sequence[RunConfig]
    runs: Sequence[RunConfig]
    backend: str
    layout: str = ""
    owner: str = ""
    superseded: Sequence[Path] = ()

    @property
    def path(self) -> Path:
        """The file that is written."""
        part = "\n".join((self.owner, *map(RunConfig.digest, self.runs)))
        return self.folder / f"{self._name}-{hashlib.sha256(part.encode()).hexdigest()[:16]}.npz"

    def files(self) -> list[Path]:
        """What there is of the group, whoever wrote it, with what a killed process left half-written."""
        return sorted(self.folder.glob(f"*{self._name}*.npz"))

    def write(self, snapshot: Snapshot, environment: dict[str, str]) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        header = {
            "format": FORMAT,
            "identity": self._identity(),
            "runs": [*map(RunConfig.digest, self.runs)],
            "environment": environment,
            "epoch": snapshot.epoch,
            "columns": snapshot.histories.names,
        }
        arrays = {f"{_STATE}{name}": array for name, array in snapshot.state.items()}
        arrays |= {_HISTORY: snapshot.histories.values, _MEASURED: snapshot.histories.measured}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                "checkpoint", str(self.folder), f"cannot be made ({error.strerror})", "give --store another place"
            ) from None
        with replacing(self.path) as partial:
            partial.write_bytes(_sealed(with_header(header, arrays)))
        _unlink(self.superseded)

    def read(self, initial: Snapshot) -> tuple[Snapshot, dict[str, str]] | None:
        """What was written last of these runs, and the environment that wrote it; None where there is nothing.

        Parameters
        ----------
        initial
            The runs before their first epoch, which a checkpoint must fit.

        Raises
        ------
        InputError
            If there is something else in the folder's place.
        UnusableCheckpointError
            If there is a file and none can be used: it cannot be read, was cut short or altered, is of other runs or
            another version, or does not fit.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError("checkpoint", str(self.folder), "is not a folder", "give --store another place")
        found: list[tuple[Snapshot, dict[str, str]]] = []
        unusable: UnusableCheckpointError | None = None
        for path in self.files():
            if path.name.startswith("."):
                continue
            try:
                one = self._read(path, initial)
            except UnusableCheckpointError as error:
                unusable = unusable or UnusableCheckpointError(f"checkpoint {path}: {error}")
                continue
            if one is not None:
                found.append(one)
        if unusable and not found:
            raise unusable
        return max(found, key=lambda one: one[0].epoch, default=None)

    def discard(self) -> None:
        """Remove the file and those that it supersedes, as its runs are stored."""
        remove(self.path)
        _unlink(self.superseded)

    def _read(self, path: Path, initial: Snapshot) -> tuple[Snapshot, dict[str, str]] | None:
        """The runs, if the file has all of them."""
        try:
            with open_file(path) as stream:
                content = stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnusableCheckpointError(f"cannot be read ({error.strerror})") from None
        _check_seal(content)
        try:
            header, arrays = _opened(content)
            self._check(header)
            places = {digest: place for place, digest in enumerate(header["runs"])}
            wanted = [config.digest() for config in self.runs]
            if not places.keys() >= set(wanted):
                return None
            snapshot = _snapshot(header, arrays).of_runs([places[digest] for digest in wanted])
            problem = misfit(snapshot, initial, self.runs[0])
        except UnusableCheckpointError:
            raise
        except Exception as error:  # NumPy and zipfile raise nearly anything
            raise UnusableCheckpointError(f"is not a checkpoint ({reason(error)})") from None
        if problem:
            raise UnusableCheckpointError(f"does not fit: {problem}")
        return snapshot, header["environment"]

    def _check(self, header: dict[str, Any]) -> None:
        if header["format"] != FORMAT:
            raise UnusableCheckpointError(f"was written by another version of t1t2_pt (format {header['format']})")
        if header["identity"] != self._identity():
            raise UnusableCheckpointError("is of another config or backend")
        environment = header["environment"]
        if not all(
            isinstance(text, str) for text in (*header["columns"], *header["runs"], *environment, *environment.values())
        ):
            raise UnusableCheckpointError("is not a checkpoint (a text in it is something else)")

    @property
    def _name(self) -> str:
        return hashlib.sha256(self._identity().encode()).hexdigest()[:40]

    def _identity(self) -> str:
        return "\n".join((self.backend, self.layout, *map(RunConfig.digest, self.group)))


def readable(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """The checkpoints in a folder that can be read, and the digests of their runs."""
    for path, header in _headers(folder):
        with contextlib.suppress(KeyError, TypeError):
            yield path, set(header["runs"])


def of_other_versions(folder: Path) -> list[Path]:
    """The checkpoints in a folder that another version of this package wrote, from which nothing goes on."""
    return [path for path, header in _headers(folder) if header.get("format") != FORMAT]


def _headers(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob("[!.]*.npz")):
        with contextlib.suppress(Exception):  # NumPy and zipfile raise nearly anything
            with open_file(path) as stream:
                header, _ = _opened(stream.read())
            if isinstance(header, dict):
                yield path, header


def remove(path: Path) -> None:
    """Remove a checkpoint, and what is left half-written of it."""
    _unlink([path, *half_written(path)])


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _check_seal(content: bytes) -> None:
    problem = broken_seal(content)
    if problem:
        raise UnusableCheckpointError(problem)


def _snapshot(header: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Snapshot:
    measured = arrays.pop(_MEASURED)
    if any(len(array) != len(header["runs"]) for array in arrays.values()):
        raise UnusableCheckpointError("does not fit: an array in it is of another number of runs")
    histories = Histories(header["columns"], arrays.pop(_HISTORY), measured)
    state = {name.removeprefix(_STATE): array for name, array in arrays.items()}
    return Snapshot(header["epoch"], state, histories)
