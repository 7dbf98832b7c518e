"""Where data files are looked for, and how they are fetched when they are nowhere.

In this order: the folder given, `$T1T2_DATA`, the repository's own `data/`, the user's cache, and
last a download into that cache by pooch, checked before it is used.
"""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from t1t2_pt.errors import InputError, reason
from t1t2_pt.files import user_cache
from t1t2_pt.streams import tell

REPOSITORY_DATA = Path(__file__).resolve().parents[2] / "data"
PROVENANCE = "PROVENANCE"
REMEDY = f"delete it and fetch it again, or say in a file {PROVENANCE} beside it what it is"


@dataclasses.dataclass(frozen=True)
class Remote:
    """Files to download.

    Parameters
    ----------
    dataset
        Name of the data set, and of its folder.
    base_url
        Address that the file names are appended to.
    files
        File names and their checksums, as pooch writes them (`md5:...`).
    """

    dataset: str
    base_url: str
    files: Mapping[str, str]


def candidates(dataset: str, data_dir: Path | None) -> Iterator[Path]:
    """Folders in which a data set may lie, in the order in which they are tried.

    Raises
    ------
    InputError
        If the folder given is none.
    """
    if data_dir is not None and not Path(data_dir).is_dir():
        raise InputError("data_dir", str(data_dir), "is not a folder", "give the folder that holds the data sets")
    given = [Path(data_dir)] if data_dir is not None else []
    if os.environ.get("T1T2_DATA"):
        given.append(Path(os.environ["T1T2_DATA"]).absolute())
    for folder in (*given, REPOSITORY_DATA, user_cache()):
        yield folder / dataset


def find(remote: Remote, data_dir: Path | None = None) -> Path | None:
    """The first folder that has all files, or None."""
    for folder in candidates(remote.dataset, data_dir):
        if all((folder / name).is_file() for name in remote.files):
            return folder
    return None


def locate(remote: Remote, data_dir: Path | None = None) -> Path:
    """The folder that has all files, fetching them if there is none.

    Raises
    ------
    InputError
        If the files are nowhere and cannot be fetched, with the ways to provide them.
    """
    return find(remote, data_dir) or fetch(remote)


def fetch(remote: Remote, progress: bool = True) -> Path:
    """Download all files into the user's cache and check them; returns their folder.

    Raises
    ------
    InputError
        As `locate`; nothing of a file that failed is left.
    """
    folder = user_cache() / remote.dataset
    fetcher = pooch.create(path=folder, base_url=remote.base_url, registry=dict(remote.files), retry_if_failed=2)
    pooch.get_logger().setLevel("WARNING")
    try:
        for name in remote.files:
            if progress:
                tell(f"{name}: from {remote.base_url} to {folder}")
            with contextlib.closing(_Bar(name, shown=progress)) as bar:
                fetcher.fetch(name, downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=30))
    except (OSError, ValueError) as error:
        names = ", ".join(remote.files)
        raise InputError(
            "dataset",
            remote.dataset,
            f"is not on this machine and could not be fetched from {remote.base_url} ({reason(error)})",
            f"put {names} into a folder {remote.dataset} and name its parent by --data-dir, or by T1T2_DATA, "
            f"or connect to the internet and run `t1t2 data fetch {remote.dataset}`",
        ) from None
    return folder


def provenance(folder: Path, official: str) -> str:
    """What the data in a folder are: what their PROVENANCE file says, else `official`.

    Raises
    ------
    InputError
        If that file cannot be read.
    """
    path = folder / PROVENANCE
    if not path.is_file():
        return official
    try:
        text = " ".join(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("data file", str(path), f"cannot be read ({error})", "write it as UTF-8 text") from None
    return text[:500].rstrip(".") or "of unknown origin"


def check_md5(path: Path, expected: str) -> None:
    """Compare a file with the MD5 that its publisher gives (`md5:...`).

    Raises
    ------
    InputError
        Naming the file, if it differs or cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})") from None
    if f"md5:{found}" != expected:
        raise bad_file(path, f"has a wrong checksum (MD5 {found})")


def bad_file(path: Path, problem: str) -> InputError:
    """The error for a data file that cannot be used."""
    return InputError("data file", str(path), problem, REMEDY)


class _Bar:
    """A progress bar as pooch drives it (`total`, `update`, `reset`, `close`), drawn by rich in a terminal."""

    def __init__(self, name: str, shown: bool):
        console = Console(stderr=True)
        columns = TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
        self._progress = Progress(*columns, console=console, disable=not (shown and console.is_terminal))
        self._task = self._progress.add_task(name)
        self._progress.start()

    @property
    def total(self):
        return self._progress.tasks[0].total

    @total.setter
    def total(self, value):
        self._progress.update(self._task, total=value)

    def update(self, amount):
        self._progress.advance(self._task, amount)

    def reset(self):
        self._progress.reset(self._task)

    def close(self):
        self._progress.stop()
