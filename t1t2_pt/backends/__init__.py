"""Backends: the same program compiled by JAX, by Numba or to C.

Imports `steps` and what that imports.
"""

from t1t2_pt.backends.host import HostBackend
from t1t2_pt.backends.interface import Arrays, Backend, Compiled, Population
from t1t2_pt.backends.jax import JaxBackend
from t1t2_pt.backends.program import Program, run_constants
from t1t2_pt.system.errors import InputError

__all__ = [
    "BACKENDS",
    "VARIANTS",
    "Arrays",
    "Backend",
    "Compiled",
    "Population",
    "Program",
    "get_backend",
    "run_constants",
]

# In the order in which `auto` tries them.
BACKENDS: dict[str, Backend] = {
    backend.name: backend for backend in (JaxBackend(), HostBackend("numba"), HostBackend("c"))
}


# Asked for by name only.
VARIANTS: dict[str, Backend] = {backend.name: backend for backend in (JaxBackend(tf32=True),)}


def get_backend(name: str = "auto") -> Backend:
    """The backend of that name; `auto` takes JAX where it is installed, else Numba, else C.

    `jax+tf32` is JAX with products of TF32 on GPUs that have it: faster, with 10 bits after the point in place of 23.

    Raises
    ------
    InputError
        For an unknown name, or a backend that is not installed.
    """
    if name == "auto":
        for backend in BACKENDS.values():
            if backend.missing() is None:
                return backend
    known = {**BACKENDS, **VARIANTS}
    if name not in known:
        raise InputError("backend", name, "is unknown", f"give auto, {', '.join(known)}")
    missing = known[name].missing()
    if missing is not None:
        raise InputError("backend", name, "is not installed", f"install {missing}, or give --backend auto")
    return known[name]
