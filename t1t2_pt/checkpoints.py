"""Checkpoints within a run: what a killed process needs to go on where it was.

A checkpoint is a `.npz` file, which NumPy opens without pickle, of the runs that train together: the
whole state, the history so far and whose they are. Its last bytes (the comment of the zip archive) are
the SHA-256 of all before, so that a file that was cut short or altered is known before it is parsed.
It is replaced whole, and removed when its runs are in the store.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from t1t2_pt.config import RunConfig
from t1t2_pt.errors import InputError
from t1t2_pt.files import remove_leftovers, replacing
from t1t2_pt.reading import open_file, read_arrays
from t1t2_pt.training import Snapshot

FORMAT = 1
_DIGITS = 64  # of a SHA-256, in hexadecimal
_HEADER = "header"
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
    configs
        The runs, in order.
    backend
        Its name; another backend's numbers differ in rounding.
    form
        What else the arrangement of the state depends on: the program's tuned hyperparameters.
    """

    folder: Path
    configs: Sequence[RunConfig]
    backend: str
    form: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{hashlib.sha256(self._identity().encode()).hexdigest()[:40]}.npz"

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
            "environment": environment,
            "epoch": snapshot.epoch,
            "histories": snapshot.histories,
        }
        arrays = {f"state/{name}": array for name, array in snapshot.state.items()}
        arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                "checkpoint", str(self.folder), f"cannot be made ({error.strerror})", "give --store another place"
            ) from None
        with replacing(self.path) as beside:
            beside.write_bytes(_sealed(arrays))

    def read(self) -> tuple[Snapshot, dict[str, str]] | None:
        """What was written last and the environment that wrote it; None where there is no file.

        Raises
        ------
        InputError
            If there is something else in the folder's place.
        UnusableCheckpointError
            If the file cannot be read, was cut short or altered, or is of other runs or a newer version.
        """
        try:
            with open_file(self.path) as stream:
                content = stream.read()
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise InputError("checkpoint", str(self.folder), "is not a folder", "give --store another place") from None
        except OSError as error:
            raise UnusableCheckpointError(f"cannot be read ({error.strerror})") from None
        arrays = _opened(content)
        try:
            header = json.loads(arrays.pop(_HEADER).tobytes())
            version, identity = header["format"], header["identity"]
        except (KeyError, ValueError, TypeError) as error:
            raise UnusableCheckpointError(f"is not a checkpoint ({error})") from None
        if version != FORMAT:
            raise UnusableCheckpointError(f"was written by another version of t1t2_pt (format {version})")
        if identity != self._identity():
            raise UnusableCheckpointError("is of another config or backend")
        state = {name.removeprefix("state/"): array for name, array in arrays.items()}
        return Snapshot(header["epoch"], state, header["histories"]), header["environment"]

    def discard(self) -> None:
        """Remove the file, and what a killed process left beside it."""
        remove_leftovers(self.path)
        with contextlib.suppress(NotADirectoryError):
            self.path.unlink(missing_ok=True)

    def _identity(self) -> str:
        return "\n".join((self.backend, self.form, *(config.digest() for config in self.configs)))


def _sealed(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"0" * _DIGITS
    content = buffer.getbuffer()
    digest = hashlib.sha256(content[:-_DIGITS]).hexdigest().encode()
    content[-_DIGITS:] = digest
    return buffer.getvalue()


def _opened(content: bytes) -> dict[str, np.ndarray]:
    body, digest = content[:-_DIGITS], content[-_DIGITS:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        whole = re.fullmatch(rb"[0-9a-f]{64}", digest) and body[-22:-18] == b"PK\x05\x06"
        raise UnusableCheckpointError("was altered: its checksum does not fit" if whole else "was cut short")
    try:
        return read_arrays(io.BytesIO(content))
    except ValueError as error:
        raise UnusableCheckpointError(f"is not a checkpoint ({error})") from None
