"""The `numba` backend: PyTensor's Numba linker."""

import importlib.metadata
from collections.abc import Mapping

from pytensor.compile.mode import Mode, get_mode

from t1t2_pt.backends import caches
from t1t2_pt.backends.host import HostBackend
from t1t2_pt.backends.interface import FACTORS_INTO_CHOICES


class NumbaBackend(HostBackend):
    """Compiled by Numba, in this process or from its cache."""

    name = "numba"

    def versions(self) -> Mapping[str, str]:
        return {"numba": importlib.metadata.version("numba"), **super().versions()}

    def mode(self) -> Mode:
        """PyTensor's own for Numba."""
        caches.prepare_numba()
        return get_mode("NUMBA").excluding(*FACTORS_INTO_CHOICES)


BACKEND = NumbaBackend()
