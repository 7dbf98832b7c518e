"""Modules and arguments by the names that they had in version 0.1, for programs that use them so.

from t1t2_pt.layers import relu    # lies in t1t2_pt.networks.layers
conv2d(x, filters, border="full")  # takes `padding`
"""

import functools
import importlib
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "t1t2_pt.costs": "t1t2_pt.networks.costs",
    "t1t2_pt.layers": "t1t2_pt.networks.layers",
    "t1t2_pt.limits": "t1t2_pt.hypergradients.limits",
    "t1t2_pt.noise": "t1t2_pt.steps.noise",
    "t1t2_pt.schedules": "t1t2_pt.optimizers.schedules",
    "t1t2_pt.step": "t1t2_pt.steps.step",
}


class OldNames(MetaPathFinder, Loader):
    """Finds a module under its old name: the same object as under the new one."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """A specification where the name is an old one."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of today."""
        module = importlib.import_module(MOVED[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It is executed already; its own specification goes back where the import put this one."""
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


class Forwarding(ModuleType):
    """A module whose attributes are those of another, which is imported when one is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


def renamed_arguments[**P, Result](**names: str) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """A decorator for functions whose keyword arguments have new names: from old name to new."""

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            for old in names.keys() & kwargs.keys():
                if names[old] in kwargs:
                    raise TypeError(f"{function.__name__}: got {old}, which is now {names[old]}, beside that")
                kwargs[names[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
