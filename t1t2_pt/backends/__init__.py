"""Backends: the same program compiled by JAX, by Numba or to C; found here by name.

A module of this folder that has a `BACKEND` adds it, and imports what it computes with when that is used; its
`VARIANTS`, if any, are asked for by name only.

Imports `steps` and what that imports.
"""

from t1t2_pt.backends.interface import Arrays, Backend, Compiled, Population
from t1t2_pt.backends.program import Program, run_constants
from t1t2_pt.system.discovery import modules_of
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

_FIRST = ("jax", "numba", "c")  # the fastest first, as `auto` tries them; then others by name


def _found() -> tuple[dict[str, Backend], dict[str, Backend]]:
    """Those that `auto` may take, and those that must be asked for."""
    modules = [*modules_of(__name__, __path__)]
    found = {module.BACKEND.name: module.BACKEND for module in modules if hasattr(module, "BACKEND")}
    order = [*(name for name in _FIRST if name in found), *sorted(found.keys() - set(_FIRST))]
    variants = {one.name: one for module in modules for one in getattr(module, "VARIANTS", ())}
    return {name: found[name] for name in order}, variants


BACKENDS, VARIANTS = _found()


def get_backend(name: str = "auto") -> Backend:
    """The backend of that name; `auto` takes JAX where it is installed, else Numba, else C, else another.

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
