"""Tables that come as CSV files: the paper's numbers, and what the figure scripts wrote."""

import io
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.reading import read_file

LARGEST = 10_000_000  # bytes


def read_table(
    path: Path,
    words: Collection[str] = (),
    numbers: Collection[str] = (),
    remedy: str = "restore it from version control",
) -> pd.DataFrame:
    """A table with these columns, and perhaps more.

    Parameters
    ----------
    words, numbers
        Columns that it must have, of texts and of numbers.
    remedy
        What is told to be done about a file that is something else.

    Raises
    ------
    InputError
        Naming the file, if it cannot be read, is no table, is empty or lacks a column.
    """
    try:
        content = read_file(path, LARGEST)
        table = pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(words, str), na_filter=bool(numbers) or not words)
        missing = [name for name in (*words, *numbers) if name not in table]
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        for name in numbers:
            table[name] = pd.to_numeric(table[name])
        if table.empty:
            raise ValueError("it has no rows")
    except Exception as error:  # pandas too raises nearly anything
        raise InputError("file", str(path), f"is not a table of ours ({reason(error)})", remedy) from None
    return table
