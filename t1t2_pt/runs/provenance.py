"""What computes here: backend and device, versions, the checkout and its commit, the machine."""

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

from t1t2_pt.backends import Backend
from t1t2_pt.backends.memory import usable_cores
from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.repository import REPOSITORY
from t1t2_pt.system.version import VERSION

UNKNOWN = "unknown"  # a processor; the commit of what does not run from a checkout of its own
_PROCESSOR = (  # lines that tell it, and how they are shown
    {"model name": "", "cpu family": "family ", "model": "model "},
    {"CPU implementer": "implementer ", "CPU part": "part "},
)
CODE_NAME = "code"  # as which the code of this package is recorded
NOT_ARITHMETIC = ("t1t2_pt", "commit", CODE_NAME)  # what may differ where the same is computed to the last bit


def environment(backend: Backend) -> dict[str, str]:
    """What a result depends on beside its config and its company."""
    packages = {name: importlib.metadata.version(name) for name in ("pytensor", "numpy")}
    return {
        "backend": backend.name,
        **backend.versions(),
        **packages,
        "python": platform.python_version(),
        "t1t2_pt": VERSION,
        "commit": _commit(),
        CODE_NAME: CODE,
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(usable_cores()),
    }


@functools.cache
def _processor() -> str:
    """Which processor this is: what it can do decides in which order sums are taken."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        first: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            first.setdefault(name.strip(), value.strip())
        names = next(names for names in _PROCESSOR if next(iter(names)) in first)
        return ", ".join(f"{shown}{first[name]}" for name, shown in names.items() if name in first)
    except (OSError, StopIteration):  # not Linux, or a processor that says something else
        return platform.processor() or UNKNOWN


@functools.cache  # asked for every run, while the code that runs is the one imported
def _commit() -> str:
    """The checkout's commit, marked where files differ from it; `unknown` where the package is not of one.

    A package that is installed may lie within a repository that has nothing to do with it.
    """
    own = str(Path(__file__).resolve().relative_to(REPOSITORY))
    if _git("ls-files", "--full-name", "--", own) != own:  # from the top of the repository, where it is tracked
        return UNKNOWN
    return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") or UNKNOWN


def _git(*arguments: str) -> str | None:
    """What git says in the checkout; None where there is no git, or it refuses."""
    command = ["git", "-C", str(REPOSITORY), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
