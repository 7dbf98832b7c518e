"""Reading members of a downloaded archive, without unpacking anything onto the disk."""

import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from t1t2_pt.datasets.sources import bad_file, check_md5
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.reading import Limited, open_file

BESIDE = 1 << 20  # bytes that an archive may hold besides the members named


def read_members(
    path: Path, sizes: Mapping[str, int], checksum: str | None = None, part: bool = False
) -> dict[str, bytes]:
    """Contents of the named members of a gzipped tar archive, wherever in its folders they lie.

    Parameters
    ----------
    sizes
        File names without folders, and the bytes that each must have.
    checksum
        What the archive's must be; None skips this check.
    part
        Whether members may have fewer bytes.

    Raises
    ------
    InputError
        Naming the archive, if it cannot be read, a member is missing, doubled, of another size or
        not a plain file, any member's name leads out of the archive's own folder, or it holds much more.
    """
    try:
        with open_file(path) as stream:
            if checksum is not None:
                check_md5(path, stream, checksum)
            # All is inflated on the way to the last member, and long names are read as a whole.
            inflated = Limited(gzip.GzipFile(fileobj=stream), sum(sizes.values()) + BESIDE)
            with tarfile.open(fileobj=inflated, mode="r|") as archive:
                found = _members(path, archive, sizes, part)
    except InputError:
        raise
    except Exception as error:  # a damaged archive makes tarfile raise nearly anything
        raise bad_file(path, f"cannot be read ({reason(error)})") from None
    missing = [name for name in sizes if name not in found]
    if missing:
        raise bad_file(path, f"lacks {', '.join(missing)}")
    return found


def _members(path: Path, archive: tarfile.TarFile, sizes: Mapping[str, int], part: bool) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for member in archive:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or "\\" in member.name:
            raise bad_file(path, f"has a member whose name leads elsewhere ({member.name[:80]!r})")
        if member.isdir():
            continue
        content = archive.extractfile(member) if member.isfile() else None
        if content is None:
            raise bad_file(path, f"has a member that is not a plain file ({member.name[:80]!r})")
        if name.name not in sizes:
            continue
        if name.name in found:
            raise bad_file(path, f"has {name.name} twice")
        expected = sizes[name.name]
        if member.size != expected and not (part and member.size < expected):
            problem = f"has {name.name} of {member.size} bytes, where {expected} are expected"
            raise bad_file(path, problem, declarable=not part)
        found[name.name] = content.read()
    return found
