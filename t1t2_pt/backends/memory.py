"""How many runs fit: an estimate of a run's memory, and what a machine has to give."""

import contextlib
import ctypes
import gc
import math
import os

from t1t2_pt.config import RunConfig
from t1t2_pt.networks import Network
from t1t2_pt.optimizers import MEMORY

SHARE = 0.5  # of free memory that runs may take together; data and compilers need some too
PASSES = 6  # activations of a batch that are alive at once, in numbers of a forward pass
FLOAT = 4  # bytes


def run_bytes(config: RunConfig, network: Network) -> int:
    """Memory that training a run takes at its peak, in bytes of float32: state, gradients and activations.

    A T1+T2 step holds the activations of both batches, of the tangents and of their adjoints, and the
    noise; the gradients of all parameters are alive together before the update.
    """
    parameters = sum(math.prod(shape) for shape in network.shapes().values())
    activations = config.batch_size * sum(math.prod(shape) for shape in network.activations)
    state = parameters * (1 + len(MEMORY[config.optimizer]))
    return FLOAT * (state + 2 * parameters + PASSES * activations)


def free_host_memory() -> int:
    """Bytes of memory that the machine has free, as far as the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not on every system
        return 2 << 30


def runs_that_fit(config: RunConfig, network: Network, free: int) -> int:
    """How many runs may train at once in so many free bytes; at least one."""
    return max(1, int(SHARE * free) // run_bytes(config, network))


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
