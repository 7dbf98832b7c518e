"""Where data files are looked for, and how they are fetched when they are nowhere.

In this order: the folder given, `$T1T2_DATA`, the repository's own `data/`, the user's cache, and
last a download into that cache by pooch, checked before it is used.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pooch

from t1t2_pt.errors import InputError

REPOSITORY_DATA = Path(__file__).resolve().parents[2] / "data"


def candidates(dataset: str, data_dir: Path | None) -> Iterator[Path]:
    """Folders in which a data set may lie, in the order in which they are tried."""
    given = [Path(data_dir)] if data_dir is not None else []
    if os.environ.get("T1T2_DATA"):
        given.append(Path(os.environ["T1T2_DATA"]))
    for folder in (*given, REPOSITORY_DATA, Path(pooch.os_cache("t1t2_pt"))):
        yield folder / dataset


def locate(dataset: str, registry: dict[str, str], base_url: str, data_dir: Path | None = None) -> Path:
    """The folder that has all files of a data set, fetching them if there is none.

    Parameters
    ----------
    registry
        File names and their checksums, as pooch writes them (`md5:...`).
    base_url
        Address that the file names are appended to.

    Raises
    ------
    InputError
        If the files are nowhere and cannot be fetched, with the ways to provide them.
    """
    if data_dir is not None and not Path(data_dir).is_dir():
        raise InputError("data_dir", str(data_dir), "is not a folder", "give the folder that holds the data sets")
    folders = list(candidates(dataset, data_dir))
    for folder in folders:
        if all((folder / name).is_file() for name in registry):
            return folder
    fetcher = pooch.create(path=folders[-1], base_url=base_url, registry=registry, retry_if_failed=2)
    pooch.get_logger().setLevel("WARNING")
    try:
        for name in registry:
            fetcher.fetch(name, progressbar=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            "dataset",
            dataset,
            f"is not on this machine and could not be fetched from {base_url} ({reason[:120]})",
            f"put {', '.join(registry)} into a folder {dataset} and name its parent by --data-dir or T1T2_DATA, "
            "or connect to the internet and try again",
        ) from None
    return folders[-1]
