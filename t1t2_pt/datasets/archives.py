"""Reading members of a downloaded archive, without unpacking anything onto the disk."""

import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from t1t2_pt.datasets.sources import bad_file
from t1t2_pt.errors import InputError, reason


def read_members(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """Contents of the named members of a gzipped tar archive, wherever in its folders they lie.

    Parameters
    ----------
    sizes
        File names without folders, and the bytes that each must have.

    Raises
    ------
    InputError
        Naming the archive, if it cannot be read, a member is missing, doubled, of another size or
        not a plain file, or any member's name leads out of the archive's own folder.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts or "\\" in member.name:
                    raise bad_file(path, f"has a member whose name leads elsewhere ({member.name[:80]!r})")
                if member.isdir():
                    continue
                if not member.isfile():
                    raise bad_file(path, f"has a member that is not a plain file ({member.name[:80]!r})")
                if name.name not in sizes:
                    continue
                if name.name in found:
                    raise bad_file(path, f"has {name.name} twice")
                if member.size != sizes[name.name]:
                    raise bad_file(
                        path, f"has {name.name} of {member.size} bytes, where {sizes[name.name]} are expected"
                    )
                found[name.name] = archive.extractfile(member).read()
    except InputError:
        raise
    except Exception as error:  # a damaged archive makes tarfile raise nearly anything
        raise bad_file(path, f"cannot be read ({reason(error)})") from None
    missing = [name for name in sizes if name not in found]
    if missing:
        raise bad_file(path, f"lacks {', '.join(missing)}")
    return found
