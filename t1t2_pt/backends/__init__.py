"""Backends: the same program compiled by JAX, by Numba or to C."""

from t1t2_pt.backends.base import Arrays, Backend, Compiled, Population
from t1t2_pt.backends.host import HostBackend
from t1t2_pt.backends.jax import JaxBackend
from t1t2_pt.backends.program import Program, run_constants
from t1t2_pt.errors import InputError

__all__ = [
    "BACKENDS",
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


def get_backend(name: str = "auto") -> Backend:
    """The backend of that name; `auto` takes JAX where it is installed, else Numba, else C.

    Raises
    ------
    InputError
        For an unknown name, or a backend that is not installed.
    """
    if name == "auto":
        for backend in BACKENDS.values():
            if backend.missing() is None:
                return backend
    if name not in BACKENDS:
        raise InputError("backend", name, "is unknown", f"give auto, {', '.join(BACKENDS)}")
    missing = BACKENDS[name].missing()
    if missing is not None:
        raise InputError("backend", name, "is not installed", f"install {missing}, or give --backend auto")
    return BACKENDS[name]
