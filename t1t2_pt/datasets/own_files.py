"""Files of one's own data: arrays of NumPy, tables in CSV and Parquet, folders of pictures with a folder a class.

Nothing in them is loaded with pickle, and none is inflated beyond the memory that there is.
"""

import contextlib
import dataclasses
import difflib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from t1t2_pt.datasets.dataset import Dataset
from t1t2_pt.datasets.own_data import TEST_SHARE, own_dataset
from t1t2_pt.datasets.own_labels import shown
from t1t2_pt.datasets.picture_folders import labelled_pictures
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.reading import open_file, read_arrays

TABLES = (".csv", ".parquet")
KINDS = "a .npz, .csv or .parquet file, or a folder of pictures"


@dataclasses.dataclass(frozen=True)
class OwnFile:
    """Where data of one's own lie, and how they are read.

    Parameters
    ----------
    path
        A `.npz` file with the arrays `x` and `y`, perhaps `x_test` and `y_test`; a `.csv` or `.parquet` file; or a
        folder of pictures with a folder for each class.
    target
        The column of a table that has the labels.
    drop
        Columns of a table that are left out.
    test
        Another such file or folder, for the test.
    test_share
        The share of each class that is taken for the test where there is no other.
    """

    path: Path
    target: str | None = None
    drop: tuple[str, ...] = ()
    test: Path | None = None
    test_share: float = TEST_SHARE

    def read(self) -> Dataset:
        """The data set, checked.

        Raises
        ------
        InputError
            If a file cannot be read, or what is in it cannot be trained on.
        """
        name = self.path.name
        x, y, *test = self._arrays(self.path)
        if y is None:
            raise InputError("data", str(self.path), "has no labels", "give the array y, or a folder a class")
        if self.test is not None:
            if test:
                raise InputError("--test-data", str(self.test), f"is given beside x_test in {name}", "give one of them")
            test = list(self._arrays(self.test)[:2])
        return own_dataset(x, y, *test, name=name, test_share=self.test_share)

    def samples(self, classes: tuple = ()) -> tuple[Any, Any, tuple[str, ...]]:
        """Inputs, labels where there are some, and names of the samples, to predict: those of the file, not a test's.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        if self.path.is_dir():
            pictures, labels, names = labelled_pictures(self.path, needs_labels=False)
            return pictures, labels, names
        x, y, *_ = self._arrays(self.path, needs_target=False)
        return x, y, ()

    def _arrays(self, path: Path, needs_target: bool = True) -> tuple[Any, ...]:
        """x and y (None: not there), and x_test and y_test if they are there."""
        if path.is_dir():
            self._check_no_target(path)
            return labelled_pictures(path)[:2]
        if path.suffix.lower() == ".npz":
            self._check_no_target(path)
            return _npz(path)
        if path.suffix.lower() in TABLES:
            return self._columns(path, _table(path), needs_target)
        if not path.exists():
            raise InputError("data", str(path), "does not exist", f"name {KINDS}")
        raise InputError("data", str(path), "is of an unknown kind", f"give {KINDS}")

    def _check_no_target(self, path: Path) -> None:
        for option, given in (("--target", self.target), ("--drop", self.drop)):
            if given:
                raise InputError(option, given, f"is for tables, which {path.name} is not", "leave it out")

    def _columns(self, path: Path, table: Any, needs_target: bool) -> tuple[Any, Any]:
        names = [str(column) for column in table.columns]
        if self.target is None and needs_target:
            remedy = f"give one of {shown(names)}"
            raise InputError("--target", None, f"is missing: which column of {path.name} has the labels", remedy)
        for option, wanted in (("--target", (self.target,) if self.target else ()), ("--drop", self.drop)):
            for name in wanted:
                if name not in names and (needs_target or option == "--drop"):
                    close = difflib.get_close_matches(name, names, n=1)
                    remedy = f"did you mean {close[0]}?" if close else f"give one of {shown(names)}"
                    raise InputError(option, name, f"is no column of {path.name}", remedy)
        labels = table[self.target] if self.target in names else None
        table = table.drop(columns=[name for name in (self.target, *self.drop) if name in names])
        if not len(table.columns):
            raise InputError("data", str(path), "has no column of inputs", "give some beside the labels")
        return table, labels


def _npz(path: Path) -> tuple[Any, ...]:
    with _told(path, "write it by numpy.savez(file, x=..., y=...)"), open_file(path) as stream:
        arrays = read_arrays(stream, most=psutil.virtual_memory().available // 2)
    if "x" not in arrays:
        problem = f"has no array x, but {shown(list(arrays)) if arrays else 'none at all'}"
        raise InputError("data", str(path), problem, "write it by numpy.savez(file, x=..., y=...)")
    return tuple(arrays.get(name) for name in (("x", "y", "x_test", "y_test") if _has_test(arrays) else ("x", "y")))


def _has_test(arrays: dict[str, np.ndarray]) -> bool:
    return "x_test" in arrays or "y_test" in arrays


def _table(path: Path) -> Any:
    import pandas as pd  # slow to import, and needed for tables alone

    remedy = "give a table of rows with a line of names" if path.suffix.lower() == ".csv" else "give a Parquet file"
    with _told(path, remedy), open_file(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, of what is checked here
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(stream, low_memory=False, float_precision="round_trip")
        else:
            table = pd.read_parquet(io.BytesIO(stream.read()))
    if not len(table):
        raise InputError("data", str(path), "has no rows", remedy)
    return table


@contextlib.contextmanager
def _told(path: Path, remedy: str) -> Iterator[None]:
    """Whatever a library says of a file, as the user's error."""
    try:
        yield
    except ImportError as error:
        raise InputError("data", str(path), f"needs a package ({reason(error)})", "install pyarrow") from None
    except MemoryError:
        raise
    except Exception as error:  # readers of damaged files raise nearly anything
        raise InputError("data", str(path), f"cannot be read ({reason(error)})", remedy) from None
