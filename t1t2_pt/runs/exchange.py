"""Runs as files: JSON lines to keep or send, histories as CSV to look at elsewhere."""

import csv
import gzip
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

from t1t2_pt.config import FIELDS
from t1t2_pt.runs.record import NotARunError, StoredRun
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import check_can_write, make_folder, replacing
from t1t2_pt.system.reading import read_file

ENDINGS = (".jsonl", ".jsonl.gz", ".csv")
SMALL = 1 << 26  # bytes that any file may hold when inflated
MOST_INFLATED = 100  # times the size of a larger file: histories shrink to a third, or to a tenth


def check_export(field: str, path: Path) -> None:
    """Check that runs can be written to this file; writes nothing.

    Raises
    ------
    InputError
        For an unknown ending or a place that cannot be written.
    """
    if not path.name.endswith(ENDINGS):
        raise InputError(
            field, str(path), "has an unknown ending", f"name it {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )
    check_can_write(field, path)


def export_runs(runs: Sequence[StoredRun], path: Path) -> None:
    """Write runs: `.jsonl` and `.jsonl.gz` whole runs, a line each; `.csv` histories, a row per epoch."""
    make_folder(path.parent)
    content = (_histories(runs) if path.suffix == ".csv" else _lines(runs)).encode()
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def read_runs(path: Path) -> list[StoredRun]:
    """Runs from a `.jsonl` or `.jsonl.gz` file, each once.

    Raises
    ------
    InputError
        If the file cannot be read, or a line is not a whole run whose digest fits its config.
    """
    remedy = "give a file that `t1t2 runs export` wrote"
    try:
        text = read_file(path, most=max(SMALL, MOST_INFLATED * path.stat().st_size)).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file", str(path), f"cannot be read ({reason(error)})", remedy) from None
    runs: dict[str, StoredRun] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            run = StoredRun.from_dict(json.loads(line))
        except (NotARunError, ValueError, RecursionError) as error:
            raise InputError("file", str(path), f"line {number} is not a run ({reason(error)})", remedy) from None
        runs.setdefault(run.digest, run)
    return list(runs.values())


def _lines(runs: Sequence[StoredRun]) -> str:
    return "".join(json.dumps(run.as_dict(), allow_nan=False) + "\n" for run in runs)


def _histories(runs: Sequence[StoredRun]) -> str:
    """A row for each epoch of each run: history, what the data were, and the config; what is missing is empty."""
    columns = list(dict.fromkeys(name for run in runs for name in run.history))
    fields = list(FIELDS)
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["digest", *columns, "status", "data_provenance", *(f"config.{name}" for name in fields)])
    for run in runs:
        epochs = len(run.history["epoch"])
        values = ([*map(_cell, run.history.get(column, [None] * epochs))] for column in columns)
        config = [_cell(getattr(run.config, name)) for name in fields]
        same = ([value] * epochs for value in (run.status, run.provenance["data"], *config))
        writer.writerows(zip([run.digest] * epochs, *values, *same, strict=True))
    return stream.getvalue()


def _cell(value: object) -> object:
    """A value as CSV has it: nothing where it is missing or not finite, several with signs between."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return ";".join(map(str, value)) if isinstance(value, tuple) else value
