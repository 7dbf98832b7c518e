"""The choices that the paper leaves open, or that its authors' program made otherwise, as named sets of fields.

A program is no field of a run: it says what some fields are where they are not given, and a run is named by what
they then are. docs/programs.md has the sets side by side, with what no field can follow.
"""

import difflib
from typing import Any

from t1t2_pt.system.errors import InputError

_MARCH: dict[str, Any] = {
    "initialization": "fan-in",
    "noise_before_softmax": "tuned",
    "schedule": "linear",
    "hyper_schedule": "linear",
    "gradient_norm": None,
    "hypergradient_norm": None,
    "hypergradient_clip": None,
    "validation_gradient_at": "current",
    "validation_statistics": "running",
    "statistics_weight": 0.15,
    "test_statistics": "running",
}
PROGRAMS: dict[str, dict[str, Any]] = {
    "march-2016": _MARCH,
    "may-2016": {
        "initialization": "fan-in-out",
        "noise_before_softmax": "fixed",
        "schedule": "hold_then_linear",
        "hyper_schedule": "hold_then_linear",
        "hold": 0.86,
        "gradient_norm": 3.0,
        "hypergradient_norm": 3.0,
        "hypergradient_clip": 10.0,
        "hypergradient_limits": "rescale-each-clip",
        "validation_gradient_at": "current",
        "validation_statistics": "batch",
        "test_statistics": "batches",
    },
    "paper": {**_MARCH, "validation_gradient_at": "next"},
}
PUBLISHED = "march-2016"  # the program of the published pictures, which the figures follow
DESCRIPTIONS: dict[str, str] = {
    "march-2016": "the authors' program of 11 March 2016, with which the paper's pictures were published",
    "may-2016": "the authors' program of late May 2016",
    "paper": "what the paper says, and march-2016 where it is silent",
}


def program_fields(name: str) -> dict[str, Any]:
    """The fields of a program.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in PROGRAMS:
        close = difflib.get_close_matches(name, PROGRAMS, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"give {', '.join(PROGRAMS)}"
        raise InputError("program", name, "is unknown", remedy)
    return PROGRAMS[name]
