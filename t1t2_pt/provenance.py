"""What computes here: backend and device, versions, the checkout and its commit, the machine."""

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

from t1t2_pt.backends import Backend

REPOSITORY = Path(__file__).resolve().parents[1]


def environment(backend: Backend) -> dict[str, str]:
    """What a result depends on beside its config."""
    packages = {name: importlib.metadata.version(name) for name in ("pytensor", "numpy")}
    return {
        "backend": backend.name,
        **backend.versions(),
        **packages,
        "python": platform.python_version(),
        "t1t2_pt": importlib.metadata.version("t1t2_pt"),
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


@functools.cache  # asked for every run, while the code that runs is the one imported
def _commit() -> str:
    """The checkout's commit, marked where files differ from it; `unknown` outside a checkout."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
