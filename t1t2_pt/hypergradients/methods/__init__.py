"""Hypergradient methods, one file each, found here by name; written as text where a run chooses one.

    averaged(rule=adam, decay=0.99)

Imports what `hypergradients` does.
"""

import dataclasses
import re
import typing
from typing import Any

from t1t2_pt.hypergradients.method import Method
from t1t2_pt.system.discovery import modules_of


def _found() -> dict[str, type[Method]]:
    found = [module.METHOD for module in modules_of(__name__, __path__) if hasattr(module, "METHOD")]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.name != "t1t2", kind.name))}


METHODS: dict[str, type[Method]] = _found()  # the paper's first


def method_named(text: str) -> Method:
    """The method that a text names, with its options.

    Raises
    ------
    ValueError
        If there is none of that name, or an option is unknown or has a wrong value.
    """
    match = re.fullmatch(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", text)
    if match is None or match[1] not in METHODS:
        raise ValueError(f"is unknown; the methods are {', '.join(METHODS)}")
    kind = METHODS[match[1]]
    options: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in (match[2] or "").split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in kind.chosen or not equals:
            raise ValueError(
                f"{part!r} is no option of {kind.name}; its options are {', '.join(kind.chosen) or 'none'}"
            )
        options[name] = _read(kind, name, value)
    try:
        return kind(**options)
    except (ValueError, TypeError) as error:
        raise ValueError(str(error)) from None


def method_text(method: Method) -> str:
    """The shortest text that names a method: options that are not at their defaults, in their order."""
    defaults = {field.name: field.default for field in dataclasses.fields(method)}
    options = {name: getattr(method, name) for name in method.chosen}
    given = ", ".join(f"{name}={value}" for name, value in options.items() if value != defaults[name])
    return f"{method.name}({given})" if given else method.name


def _read(kind: type[Method], name: str, value: str) -> Any:
    wanted = typing.get_type_hints(kind)[name]
    if wanted is bool or typing.get_origin(wanted) is typing.Literal:
        choices = {str(choice): choice for choice in (typing.get_args(wanted) or (True, False))}
        if value not in choices:
            raise ValueError(f"{name} = {value!r}: give {' or '.join(choices)}")
        return choices[value]
    try:
        return wanted(value)
    except ValueError:
        raise ValueError(f"{name} = {value!r}: give a {'whole ' if wanted is int else ''}number") from None
