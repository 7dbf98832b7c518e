"""What a list of runs has to know of them: names of fields, their defaults, signs of hyperparameters.

All of it follows from rooms whose import takes a second, so it is kept in the user's cache under the code of this
package: who lists runs reads a small file. One that is missing, damaged or of other code is made again.
"""

import contextlib
import dataclasses
import functools
import json
from typing import Any

from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.files import compiled_cache, keep

FINISHED, DIVERGED = "finished", "diverged"  # status of a run


@dataclasses.dataclass(frozen=True)
class Names:
    """What there is of a run.

    Parameters
    ----------
    defaults
        Of each field of its config, by its name of today; plain values as JSON has them.
    former
        The names under which some are stored.
    symbols
        Of each hyperparameter, such as `n0`, in their usual order.
    own
        Names of data sets that are somebody's own files.
    measured
        Columns of every evaluation.
    digest_version
        Begins what a run's digest is of.
    """

    defaults: dict[str, Any]
    former: dict[str, str]
    symbols: dict[str, str]
    own: list[str]
    measured: list[str]
    digest_version: int


@functools.cache
def names() -> Names:
    """Of this version, from the user's cache or made."""
    folder = compiled_cache()
    path = None if folder is None else folder / "names.json"
    if path is not None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(path.read_text())
            if kept["code"] == CODE:
                return Names(**kept["names"])
    made = _made()
    if path is not None:
        text = json.dumps({"code": CODE, "names": dataclasses.asdict(made)})
        keep(path, lambda partial: partial.write_text(text))
    return made


def _made() -> Names:
    from t1t2_pt.config import DIGEST_VERSION, FIELDS, FORMER_NAMES, RunConfig
    from t1t2_pt.config.fields import default
    from t1t2_pt.datasets import OWN_SOURCES
    from t1t2_pt.regularizers import HYPERPARAMETERS
    from t1t2_pt.steps.columns import EVALUATION

    return Names(
        defaults=json.loads(json.dumps({name: default(name, RunConfig) for name in FIELDS})),
        former=dict(FORMER_NAMES),
        symbols={name: one.symbol for name, one in HYPERPARAMETERS.items()},
        own=list(OWN_SOURCES),
        measured=list(EVALUATION),
        digest_version=DIGEST_VERSION,
    )
