"""Finding what the modules of a package offer, so that a new file in it is known without being listed anywhere."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType


def modules_of(package: str, path: Iterable[str]) -> Iterator[ModuleType]:
    """The modules of a package, imported, in the order of their names.

    Parameters
    ----------
    package, path
        Its `__name__` and `__path__`.
    """
    for name in sorted(found.name for found in pkgutil.iter_modules(path)):
        yield importlib.import_module(f"{package}.{name}")
