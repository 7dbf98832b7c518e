"""A BLAS for the C backend where the machine has none to link: the one inside SciPy's wheel.

`pip install scipy` brings OpenBLAS, with its names prefixed. C compiled against those names is three
times as fast as PyTensor's way out, which calls NumPy for each product.
"""

import functools
import warnings
from pathlib import Path

import pytensor
import threadpoolctl

NO_BLAS = "PyTensor could not link to a BLAS"
PREFIX = "scipy_"
REAL = ("axpy", "copy", "scal", "dot", "nrm2", "asum", "gemv", "ger", "gemm", "symm", "syrk", "trsm", "trmm", "swap")
NAMES = [kind + name + "_" for kind in "sd" for name in REAL]


@functools.cache
def compiler_flags() -> dict[str, str]:
    """PyTensor settings under which C is linked to SciPy's BLAS; none where PyTensor has found one, or SciPy none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=NO_BLAS)
        if pytensor.config.blas__ldflags or not pytensor.config.cxx:
            return {}
    library = _library()
    if library is None:
        return {}
    names = " ".join(f"-D{name}={PREFIX}{name}" for name in NAMES)
    return {
        "blas__ldflags": f"-L{library.parent} -l{library.stem.removeprefix('lib')} -Wl,-rpath,{library.parent}",
        "gcc__cxxflags": f"{pytensor.config.gcc__cxxflags} {names}".strip(),
    }


def kernels() -> str:
    """The BLAS libraries in this process and the kernels that they chose for its processor, for a reader."""
    import scipy.linalg  # noqa: F401  (loads its own, whoever has been here before)

    found = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    texts = (f"{one['internal_api']} {one['version']} {one.get('architecture', '')}".strip() for one in found)
    return ", ".join(dict.fromkeys(sorted(texts))) or "none"


def linked() -> str:
    """What C's matrix products are linked to, for a reader."""
    library = _library()
    if compiler_flags() and library is not None:
        return f"SciPy's {library.name}"
    return pytensor.config.blas__ldflags or "none: its matrix products go through NumPy"


def _library() -> Path | None:
    import scipy

    folder = Path(scipy.__file__).parents[1] / "scipy.libs"
    found = sorted(folder.glob("libscipy_openblas-*.so"))
    # A path with a space or a comma would have to be escaped for the linker.
    return found[0] if found and not set(" ,") & set(str(found[0])) else None
