"""How many runs fit: an estimate of a run's memory, and what a machine has to give.

How many runs train together follows from what the machine has in all, not from what is free: a run's last
bits depend on its company, and a run that is stopped and started again must meet the same.
"""

import contextlib
import ctypes
import functools
import gc
import math
import os
from pathlib import Path, PurePosixPath

import psutil

from t1t2_pt.config import RunConfig
from t1t2_pt.networks.network import Network
from t1t2_pt.optimizers import OPTIMIZERS
from t1t2_pt.system.errors import InputError

SHARE = 0.5  # of all memory that runs may take together; data and compilers need some too
PASSES = 6  # activations of a batch that are alive at once, in numbers of a forward pass
FLOAT = 4  # bytes


def run_bytes(config: RunConfig, network: Network) -> int:
    """Memory that training a run takes at its peak, in bytes of float32: state, gradients and activations."""
    return _state_bytes(config, network) + _activation_bytes(config, network)


def _state_bytes(config: RunConfig, network: Network) -> int:
    """Of the state, and of the gradients of all parameters, which are alive together before the update."""
    return FLOAT * network.parameter_count * (1 + len(OPTIMIZERS[config.optimizer].memory) + 2)


def _activation_bytes(config: RunConfig, network: Network) -> int:
    """Of both batches of a T1+T2 step, of the tangents and of their adjoints, and of the noise."""
    return FLOAT * PASSES * config.batch_size * sum(math.prod(shape) for shape in network.activations)


@functools.cache
def host_memory() -> int:
    """Bytes of memory that this process can have at most: the machine's, or the limit of its container."""
    return min([psutil.virtual_memory().total, *_container_limits()])


def available_memory() -> int:
    """Bytes of memory that can be had now, caches of files included."""
    return min(psutil.virtual_memory().available, host_memory())


def _container_limits() -> list[int]:
    """Limits of the control groups that this process is in, in both of Linux's versions; none elsewhere."""
    limits = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                root, name = Path("/sys/fs/cgroup"), "memory.max"
            elif "memory" in controllers.split(","):
                root, name = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
            else:
                continue
            group = PurePosixPath(path.lstrip("/"))
            for folder in (group, *group.parents):
                with contextlib.suppress(OSError, ValueError):  # "max" is no limit
                    limits.append(int((root / folder / name).read_text()))
    return limits


def runs_that_fit(config: RunConfig, network: Network, memory: int) -> int:
    """How many runs may train at once in so many bytes; at least one."""
    return max(1, int(SHARE * memory) // run_bytes(config, network))


def check_fits(config: RunConfig, network: Network, runs: int, available: float) -> None:
    """Check that runs that train together fit into so many bytes.

    Raises
    ------
    InputError
        Naming what makes them too large, with the bytes that they would take.
    """
    needed = runs * run_bytes(config, network)
    if needed <= available:
        return
    if _activation_bytes(config, network) > _state_bytes(config, network):
        field, remedy = "batch_size", "give a smaller one"
    else:
        field = "width" if network.is_convolutional else "hidden"
        remedy = "give a narrower network"
    together = f"with {runs} runs at once " if runs > 1 else ""
    problem = f"{together}takes {in_units(needed)} of memory, where {in_units(available)} can be had"
    raise InputError(field, getattr(config, field), problem, f"{remedy}, or a machine with more memory")


def in_units(number: float) -> str:
    """A number of bytes for a reader."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB")
    power = min(len(units) - 1, max(0, int(math.log10(max(number, 1)) // 3)))
    return f"{number / 1000**power:.3g} {units[power]}"


def usable_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def give_memory_back() -> None:
    """Return freed memory to the system, which glibc would keep."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
