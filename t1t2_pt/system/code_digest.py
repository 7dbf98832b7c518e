"""The code of this package as it was when this process imported it, in a few letters.

The same run has one name in the store whatever version trains it, so those who train for one store must
have the same code; and what is compiled from it is kept under it.
"""

import hashlib
from pathlib import Path

from t1t2_pt.system.version import VERSION


def fingerprint(package: Path) -> str:
    """Version and digest of all Python files below a folder, with their names."""
    code = hashlib.sha256()
    for path in sorted(path for path in package.rglob("[!.]*.py") if path.is_file()):
        content = path.read_bytes()
        code.update(f"{path.relative_to(package)} {len(content)}\n".encode() + content)
    return f"{VERSION} {code.hexdigest()[:16]}"


# At once: files may change while a process goes on with what it has.
CODE = fingerprint(Path(__file__).resolve().parents[1])
