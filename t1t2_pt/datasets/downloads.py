"""Downloads into the user's cache by pooch, each file checked before it is used."""

import contextlib
import os
import sys
from collections.abc import Mapping

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import user_cache


def fetch(dataset: str, base_url: str, files: Mapping[str, str], progress: bool = True) -> None:
    """Download files into a data set's folder in the user's cache, and check them.

    Parameters
    ----------
    base_url
        Address that the file names are appended to.
    files
        File names and their checksums, as pooch writes them (`md5:...`).

    Raises
    ------
    InputError
        If they cannot be fetched, with the ways to provide them; nothing of a file that failed is left.
    """
    folder = user_cache() / dataset
    fetcher = pooch.create(path=folder, base_url=base_url, registry=dict(files), retry_if_failed=2)
    pooch.get_logger().setLevel("WARNING")
    try:
        for name in files:
            if os.path.lexists(folder / name) and not os.path.isfile(folder / name):
                raise OSError(f"{folder / name} is not a plain file")
            if progress:
                print(f"{name}: from {base_url} to {folder}", file=sys.stderr, flush=True)
            with contextlib.closing(_Bar(name, shown=progress)) as bar:
                fetcher.fetch(name, downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=30))
    except (OSError, ValueError) as error:
        raise InputError(
            "dataset",
            dataset,
            f"is not on this machine and could not be fetched from {base_url} ({reason(error)})",
            f"put {', '.join(files)} into a folder {dataset} and name its parent by --data-dir, or by T1T2_DATA, "
            f"or connect to the internet and run `t1t2 data fetch {dataset}`",
        ) from None


class _Bar:
    """A progress bar as pooch drives it (`total`, `update`, `reset`, `close`), drawn by rich in a terminal."""

    def __init__(self, name: str, shown: bool) -> None:
        console = Console(stderr=True)
        columns = TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
        self._progress = Progress(*columns, console=console, disable=not (shown and console.is_terminal))
        self._task = self._progress.add_task(name)
        self._progress.start()

    @property
    def total(self) -> float | None:
        return self._progress.tasks[0].total

    @total.setter
    def total(self, value: float) -> None:
        self._progress.update(self._task, total=value)

    def update(self, amount: float) -> None:
        self._progress.advance(self._task, amount)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop()
