"""Where PyTensor puts the Python that it generates: in a folder of this process, which goes when it ends.

Left to itself, PyTensor writes a file for each function into the system's temporary folder and never removes it.
"""

import atexit
import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytensor

from t1t2_pt.system.errors import InputError, reason

_SETTING = "generated_src_dir"  # of PyTensor 3.3 and newer


@contextlib.contextmanager
def generated_sources(read_again: bool) -> Iterator[None]:
    """Let PyTensor generate sources in the block.

    Parameters
    ----------
    read_again
        Whether anybody reads them later: Numba does, when a function is first called.

    Raises
    ------
    InputError
        If no temporary folder can be made.
    """
    if not hasattr(pytensor.config, _SETTING):
        yield
        return
    folder = Path(_folder().name) / ("kept" if read_again else "used")
    try:
        with pytensor.config.change_flags(**{_SETTING: str(folder)}):
            yield
    finally:
        if not read_again:
            for path in folder.glob("*"):
                path.unlink(missing_ok=True)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="t1t2_pt-", ignore_cleanup_errors=True)
    except OSError as error:
        problem = f"no temporary folder can be made ({reason(error)})"
        raise InputError(
            "TMPDIR", os.environ.get("TMPDIR", ""), problem, "let it name a folder that you can write to"
        ) from None
    atexit.register(folder.cleanup)  # left to itself it goes, too, with a ResourceWarning
    return folder
