"""Options of commands and scripts: how values are written, and how a wrong one is told."""

import argparse
import sys
import types
import typing
from pathlib import Path

from t1t2_pt.config import FIELDS, field_info
from t1t2_pt.errors import InputError


class OneLineParser(argparse.ArgumentParser):
    """Tells a wrong option in one line, as other wrong input is told."""

    def error(self, message: str):
        print(f"{self.prog}: {message}; try {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def read_field(name: str, text: str):
    """The value of a `RunConfig` field as written on the command line.

    Raises
    ------
    InputError
        If the text is not of the field's type.
    """
    kinds = _kinds(FIELDS[name].type)
    if text.lower() == "none" and (type(None) in kinds or kinds.get(tuple) is str):
        return None if type(None) in kinds else ()
    try:
        if tuple in kinds and ("," in text or float not in kinds):
            item = kinds[tuple]
            return tuple(item(part.strip()) for part in text.split(",") if part.strip())
        if bool in kinds:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if int in kinds:
            return int(text)
        return float(text) if float in kinds else text
    except (ValueError, KeyError):
        raise InputError(name, text, "has the wrong form", field_info(name)["remedy"]) from None


def _kinds(annotation) -> dict[type, type | None]:
    """The plain types in an annotation; for a tuple, the type of its items."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return {kind: item for part in typing.get_args(annotation) for kind, item in _kinds(part).items()}
    if origin is tuple:
        (item,) = _kinds(typing.get_args(annotation)[0])
        return {tuple: item}
    return {str: None} if origin is typing.Literal else {annotation: None}


def metavar(name: str) -> str:
    """What `--help` shows for the value of a field."""
    kinds = _kinds(FIELDS[name].type)
    if tuple in kinds:
        return "A,B,.." if float not in kinds else "X|X,Y,.."
    return {bool: "BOOL", int: "N", float: "X"}.get(next(iter(kinds)), "NAME")


def show_value(value) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def add_data_dir(parser) -> None:
    """The option that names the folder of the data sets."""
    parser.add_argument("--data-dir", type=Path, help="folder that holds data sets (default: T1T2_DATA, data/, cache)")
