"""The `c` backend: PyTensor's C linker, which needs a compiler."""

from collections.abc import Mapping

import pytensor
from pytensor.compile.mode import Mode

from t1t2_pt.backends import caches
from t1t2_pt.backends.host import HostBackend
from t1t2_pt.backends.interface import FACTORS_INTO_CHOICES
from t1t2_pt.ops.static_elemwise import UseStaticLoops

AFTER_ALL = 99  # position among PyTensor's rewrites, behind fusion and in-place ones


class CBackend(HostBackend):
    """C++ of PyTensor's, compiled into its folder."""

    name = "c"

    def missing(self) -> str | None:
        if not pytensor.config.cxx:
            return "a C++ compiler (for example `apt-get install g++ python3-dev`, or the conda environment)"
        return None

    def versions(self) -> Mapping[str, str]:
        return {"compiler": pytensor.config.cxx, **super().versions()}

    def mode(self) -> Mode:
        """The linker by name, as PyTensor's default is Numba; with loops of static shapes."""
        caches.prepare_c()
        # Folding scalars into products would compute a gradient again for each of its multiples.
        mode = Mode(linker="cvm", optimizer="fast_run").excluding("local_dot22_to_dot22scalar", *FACTORS_INTO_CHOICES)
        return mode.register((UseStaticLoops(), AFTER_ALL))


BACKEND = CBackend()
