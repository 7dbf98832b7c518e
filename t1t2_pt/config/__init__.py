"""What a run is, `RunConfig`: its fields and their checks, what names it, and how one is made.

Imports `datasets`, `hypergradients`, `optimizers`, `regularizers`, `networks` and `system`: what there is to choose.
"""

from t1t2_pt.config.identity import DIGEST_VERSION, FORMER_NAMES, LOOP, OWN
from t1t2_pt.config.making import (
    FIELDS,
    OPTIONS,
    USUAL,
    field_info,
    named_config,
    own_config,
    replace,
    run_config,
    with_today_names,
)
from t1t2_pt.config.programs import DESCRIPTIONS, PROGRAMS, PUBLISHED, program_fields
from t1t2_pt.config.run_config import ALGORITHM, RunConfig

__all__ = [
    "ALGORITHM",
    "DESCRIPTIONS",
    "DIGEST_VERSION",
    "FIELDS",
    "FORMER_NAMES",
    "LOOP",
    "OPTIONS",
    "OWN",
    "PROGRAMS",
    "PUBLISHED",
    "USUAL",
    "RunConfig",
    "field_info",
    "named_config",
    "own_config",
    "program_fields",
    "replace",
    "run_config",
    "with_today_names",
]
