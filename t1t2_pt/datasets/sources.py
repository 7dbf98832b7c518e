"""Where a data set lies on this machine, and what its files are said to be.

It is looked for in the folder given, `$T1T2_DATA`, the repository's own `data/` and the user's cache, in this
order; in each of them in a folder of its name and in the folder itself. A place that the user named and that
cannot be used is told, never passed over.

A file named PROVENANCE beside the files says what they are: then they need not be the published ones, and may
be a part of them. What it says goes into every result, with a digest of the content.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from t1t2_pt.datasets import downloads
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import user_cache
from t1t2_pt.system.readable import one_line
from t1t2_pt.system.reading import read_file

REPOSITORY_DATA = Path(__file__).resolve().parents[2] / "data"
PROVENANCE = "PROVENANCE"
LONGEST_PROVENANCE = 500  # characters of it that are kept

GIVEN = ("data_dir", "T1T2_DATA")  # what names a folder of data sets, as errors call it


@dataclasses.dataclass(frozen=True)
class Remote:
    """A data set as it is published.

    Parameters
    ----------
    dataset
        Its name, and that of its folder.
    base_url
        Address that the file names are appended to.
    files
        Files to download and their checksums, as pooch writes them (`md5:...`).
    forms
        The files that make it up on this machine, in each of its forms: for every file as it is called here, the
        other names it goes by. Default: those to download.
    folders
        Where else it may lie in a folder of data sets, besides in one of its name and in that folder itself.
    useless
        What may lie there that cannot be read: names in lower case, and what is told of them.
    shared_names
        Whether other data sets have files of these names: then they are its own only in folders called after it.
    """

    dataset: str
    base_url: str
    files: Mapping[str, str]
    forms: tuple[Mapping[str, Sequence[str]], ...] = ()
    folders: tuple[str, ...] = ()
    useless: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shared_names: bool = False


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a data set lies on this machine.

    Parameters
    ----------
    path
        Its folder, or its only file.
    files
        Each file, by the name under which it is published.
    declared
        What a PROVENANCE beside them says they are; None: nothing, so they must be the published ones.
    """

    path: Path
    files: Mapping[str, Path]
    declared: str | None = None

    def provenance(self, official: str, *arrays: np.ndarray) -> str:
        """What results say of the data: what is declared of them and a digest of their content, or else `official`."""
        return official if self.declared is None else f"{self.declared} ({content(*arrays)})"


def content(*arrays: np.ndarray) -> str:
    """What results say of data that are not the published ones: the beginning of their fingerprint."""
    return f"content {fingerprint(*arrays)[:12]}"


def fingerprint(*arrays: np.ndarray) -> str:
    """32 hexadecimal digits that tell this content from any other."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()[:32]


def given(data_dir: Path | None) -> Iterator[Path]:
    """The folders of data sets that the user named, by option and by `$T1T2_DATA`.

    Raises
    ------
    InputError
        If one of them is no folder, or cannot be read.
    """
    for field, folder in zip(GIVEN, (data_dir, os.environ.get("T1T2_DATA") or None), strict=True):
        if folder is not None:
            try:
                os.listdir(folder)
            except (OSError, ValueError) as error:
                remedy = "give the folder that holds the data sets"
                raise InputError(field, str(folder), _unlisted(error), remedy) from None
            yield Path(folder).absolute()  # the current folder of a worker is another


def _unlisted(error: OSError | ValueError) -> str:
    no_folder = isinstance(error, FileNotFoundError | NotADirectoryError)
    return "is not a folder" if no_folder else f"cannot be read ({reason(error)})"


def find(remote: Remote, data_dir: Path | None = None) -> Place | None:
    """The first place that has all files of a data set, or None.

    Raises
    ------
    InputError
        If the user named a folder of data sets that is none, or that has this data set's folder, or some
        of its files, but not in any form that can be used.
    """
    for folder in given(data_dir):
        place = _in(folder, remote)
        if place is not None:
            return place
        _refuse(folder, remote)
    return _in(REPOSITORY_DATA, remote) or _in(user_cache(), remote)


def locate(remote: Remote, data_dir: Path | None = None) -> Place:
    """As `find`, fetching what is nowhere.

    Raises
    ------
    InputError
        As `find`, and if it cannot be fetched.
    """
    return find(remote, data_dir) or fetch(remote)


def fetch(remote: Remote, progress: bool = True) -> Place:
    """Download a data set into the user's cache.

    Raises
    ------
    InputError
        If it cannot be fetched.
    """
    downloads.fetch(remote.dataset, remote.base_url, remote.files, progress)
    place = _in(user_cache(), remote)
    if place is None:
        raise InputError("dataset", remote.dataset, "is no longer where it was downloaded to", "run it again")
    return place


def check_md5(path: Path, stream: BinaryIO, expected: str) -> None:
    """Compare an open file with the MD5 that its publisher gives (`md5:...`), and go back to where it begins.

    Raises
    ------
    InputError
        Naming the file, if it differs.
    """
    digest = hashlib.md5()
    while piece := stream.read(1 << 20):
        digest.update(piece)
    stream.seek(0)
    if f"md5:{digest.hexdigest()}" != expected:
        raise bad_file(path, f"has a wrong checksum (MD5 {digest.hexdigest()})", declarable=True)


def bad_file(path: Path, problem: str, declarable: bool = False) -> InputError:
    """The error for a data file that cannot be used.

    Parameters
    ----------
    declarable
        Whether it could be used if a PROVENANCE said what it is.
    """
    if user_cache() in path.parents:
        remedy = f"`t1t2 data fetch {path.relative_to(user_cache()).parts[0]}` replaces it"
    elif REPOSITORY_DATA in path.parents:
        remedy = "restore it from version control"
    else:
        remedy = "put a sound copy in its place, or move its folder away"
    if declarable:
        remedy += f"; or say in a file {PROVENANCE} beside it what it is"
    return InputError("data file", str(path), problem, remedy)


def _in(root: Path, remote: Remote) -> Place | None:
    """A data set in a folder of data sets."""
    for folder in _folders(root, remote):
        for form in _forms(remote):
            here = ((name, _file(folder, (name, *others))) for name, others in form.items())
            files = {name: file for name, file in here if file is not None}
            if len(files) == len(form):
                path = next(iter(files.values())) if len(files) == 1 else folder
                return Place(path, files, _declared(folder))
    return None


def _forms(remote: Remote) -> tuple[Mapping[str, Sequence[str]], ...]:
    return remote.forms or (dict.fromkeys(remote.files, ()),)


def _folders(root: Path, remote: Remote) -> Iterator[Path]:
    """Where a data set may lie in a folder of data sets."""
    called = [Path(name).parts for name in (*remote.folders, remote.dataset)]
    for parts in called:
        found = [root]
        for part in parts:
            found = [below for above in found for below in _named(above, part)]
        yield from found
    if not remote.shared_names or any(_lower(root.parts[-len(parts) :]) == _lower(parts) for parts in called):
        yield root


def _lower(parts: Sequence[str]) -> list[str]:
    return [part.lower() for part in parts]


def _file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these that is a file, or a link to one."""
    return next((path for name in names for path in _named(folder, name) if os.path.isfile(path)), None)


def _named(folder: Path, name: str) -> list[Path]:
    """What has this name in whatever case, the exact one first; nothing where the folder cannot be read."""
    try:
        found = [here for here in os.listdir(folder) if here.lower() == name.lower()]
    except OSError:
        return []
    return [folder / here for here in sorted(found, key=lambda here: (here != name, here))]


def _refuse(root: Path, remote: Remote) -> None:
    """Tell of what was meant to be this data set, in a folder of data sets where it cannot be found."""
    for folder in _folders(root, remote):
        problem = _problem(folder, remote)
        if problem is None and folder != root:
            problem = f"has none of the files of {remote.dataset}"
        if problem is not None:
            files = f"{', '.join(remote.files)} ({remote.base_url})"
            raise InputError("data folder", str(folder), problem, f"put {files} there, or move it away")


def _problem(folder: Path, remote: Remote) -> str | None:
    """Why a folder with something of a data set cannot be used; None where it has nothing of it."""
    try:
        here = {name.lower() for name in os.listdir(folder)}
    except OSError as error:
        return _unlisted(error)
    for name, text in remote.useless.items():
        if name in here:
            return text
    for form in _forms(remote):
        missing = [name for name, others in form.items() if _file(folder, (name, *others)) is None]
        for name in missing:
            if here & {one.lower() for one in (name, *form[name])}:
                return f"has {name}, which is not a file"
        if len(missing) < len(form):
            return f"lacks {', '.join(missing)}"
    return None


def _declared(folder: Path) -> str | None:
    """What a PROVENANCE file says; None where there is none.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    path = folder / PROVENANCE
    if not os.path.lexists(path):
        return None
    try:
        text = one_line(read_file(path, 1 << 20).decode())
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read ({reason(error)})"
        raise InputError("data file", str(path), problem, "write it as UTF-8 text") from None
    return text[:LONGEST_PROVENANCE].rstrip(".") or "of unknown origin"
