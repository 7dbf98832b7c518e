"""JAX functions that are kept on disk, so that the next process neither rewrites nor traces its graphs.

A function is exported as StableHLO under a key of everything that it depends on: what the caller says,
the shapes, this package's and PyTensor's code, the versions and the kind of device. What XLA makes of
it lies in JAX's own persistent cache beside it. Both are in the user's cache, `T1T2_NO_CACHE=1` leaves
both alone, and a file that is missing, damaged or of another version costs time only.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytensor

from t1t2_pt.backends import caches
from t1t2_pt.backends.generated import generated_sources
from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.files import compiled_cache, keep
from t1t2_pt.system.reading import open_file

Traceable = Callable[..., Any]  # from trees of arrays to trees of arrays

_making = threading.Lock()  # PyTensor's rewriting is not made for several threads

LARGEST_CACHE = 1 << 31  # bytes of compiled programs, of which the longest unused go first

# One product after another, each on all cores: XLA's default lets them compete, and keeps more in memory
# and copies weights for it. Whether wide vectors pay, XLA does not ask the processor.
ON_CPU: dict[str, str | bool | int] = {
    "xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED",
    "xla_cpu_copy_insertion_use_region_analysis": True,
    "xla_cpu_prefer_vector_width": 512,
}


class Exported:
    """A JAX function that is made when no file has it for the shapes at hand.

    Parameters
    ----------
    identity
        What tells this function from all others, equal in every process.
    make
        Returns the function, to be traced.
    donated
        Positions of arguments whose memory may be used again.
    """

    def __init__(self, identity: str, make: Callable[[], Traceable], donated: tuple[int, ...] = ()) -> None:
        self._identity, self._donated = identity, donated
        self._make = functools.cache(make)
        self._compiled: dict[str, Traceable] = {}
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)(*arguments)

    def compiled(self, *arguments: Any) -> Traceable:
        """The function compiled for the shapes of some arguments, in one thread at a time."""
        import jax

        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
        signature = repr(jax.tree.flatten(shapes))
        with self._lock:
            if signature not in self._compiled:
                use_compilation_cache()
                with making():
                    function = self._load(signature, shapes)
                jitted = jax.jit(function, donate_argnums=self._donated, compiler_options=compiler_options())
                one = jax.local_device_count() == 1  # several devices: compiled for the places of the arguments
                self._compiled[signature] = jitted.lower(*shapes).compile() if one else jitted
            return self._compiled[signature]

    def _load(self, signature: str, shapes: tuple[Any, ...]) -> Traceable:
        import jax

        folder = compiled_cache()
        if folder is None or jax.local_device_count() > 1:  # an export is bound to its devices
            return self._make()
        key = "\n".join((self._identity, signature, str(self._donated), _environment()))
        path = folder / "exported" / f"{hashlib.sha256(key.encode()).hexdigest()}.stablehlo"
        with contextlib.suppress(OSError, ValueError, RuntimeError, AssertionError):
            with open_file(path) as stream:
                exported = jax.export.deserialize(_checked(stream.read()))
            os.utime(path)
            return exported.call
        exported = jax.export.export(jax.jit(self._make(), donate_argnums=self._donated))(*shapes)
        content = bytes(exported.serialize())
        keep(path, lambda partial: partial.write_bytes(hashlib.sha256(content).digest() + content))
        with contextlib.suppress(OSError):
            _make_room(path.parent)
        return exported.call


@contextlib.contextmanager
def making() -> Iterator[None]:
    """While the block runs, PyTensor rewrites and translates graphs in this thread only, and leaves no files."""
    with _making, generated_sources(read_again=False):
        yield


@functools.cache
def compiler_options() -> dict[str, str | bool | int]:
    """Options for XLA with which the step is fastest here; none where it does not know them."""
    import jax

    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=ON_CPU)()
    except jax.errors.JaxRuntimeError:
        return {}
    return ON_CPU


@functools.cache
def use_compilation_cache() -> None:
    """Let JAX keep what XLA compiles, unless the user has told it where already."""
    import jax

    compiled = compiled_cache()
    if compiled is None or jax.config.jax_compilation_cache_dir is not None:
        return
    folder = compiled / "xla"
    if not caches.usable(folder):
        return
    caches.remove_damaged(folder, "*-cache", caches.is_whole_program, Path.unlink)
    # The disk may be full later, or a lock be held: it costs time only.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", LARGEST_CACHE)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _checked(content: bytes) -> bytearray:
    digest, rest = content[:32], content[32:]
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError("damaged")
    return bytearray(rest)


@functools.cache
def _environment() -> str:
    """Versions, device and the code of this package: all else that a compiled function depends on."""
    import jax

    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("pytensor", "jax", "jaxlib", "numpy")]
    settings = [str(getattr(pytensor.config, name)) for name in ("optimizer", "optimizer_excluding", "floatX")]
    return "\n".join((*versions, jax.default_backend(), *settings, CODE))


def _make_room(folder: Path) -> None:
    files = sorted(folder.glob("*.stablehlo"), key=lambda path: path.stat().st_mtime, reverse=True)
    used = 0
    for path in files:
        used += path.stat().st_size
        if used > LARGEST_CACHE:
            path.unlink(missing_ok=True)
