"""What the times were measured on, and with what."""

import os
import platform
from pathlib import Path

from t1t2_pt.cli.doctor import examine


def describe() -> dict:
    """Processor, cores, memory, and the versions and BLAS in use."""
    report = examine()
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "versions": report["versions"],
        "blas": report["BLAS"],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
