"""Runs that version 0.1 wrote, which said neither what their data held nor which algorithm had trained them.

Its algorithm is the first that has a number. Of its data sets those are known that had to be the published ones;
runs of others keep their numbers, but no request finds them, and none finds runs on JAX in which something was not
finite: a NaN could become 0 there.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from t1t2_pt.config import FIELDS, field_info
from t1t2_pt.datasets import DATASETS

UNKNOWN = "unknown"  # as the content of data
FIRST_ALGORITHM = 1
_CAME_LATER = {"network": "mlp", "width": 1.0, "activation": "relu", "per_map": []}  # than its first digests


def is_early(values: Mapping[str, Any]) -> bool:
    """Whether a run's plain values (`StoredRun.as_dict`) are of version 0.1."""
    return "algorithm" not in values["config"]


def migrated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of a run of version 0.1 as those of a run of this version, but for its digest.

    Raises
    ------
    ValueError
        If its digest does not fit its config.
    """
    config, provenance = values["config"], values["provenance"]
    if _digest(config) != values["digest"]:
        raise ValueError("its digest does not fit its config")
    source, data = DATASETS.get(config["dataset"]), UNKNOWN
    if source is not None and source.fingerprint is not None:
        official = str(provenance["data"]).startswith(source.official) and not _doubtful(values)
        data = source.fingerprint if official else UNKNOWN
    return {
        **values,
        "config": {**config, "data": data, "algorithm": FIRST_ALGORITHM},
        "provenance": {**provenance, "migrated": "from t1t2_pt 0.1, which recorded no algorithm"},
    }


def _doubtful(values: Mapping[str, Any]) -> bool:
    counts = (column for name, column in values["history"].items() if name.startswith("repaired"))
    return values["provenance"]["backend"] == "jax" and any(count for column in counts for count in column)


def _digest(config: Mapping[str, Any]) -> str:
    """As version 0.1 named a run."""
    values = {k: v for k, v in config.items() if k not in _CAME_LATER or v != _CAME_LATER[k]}
    if not config["tune"]:
        values = {k: v for k, v in values.items() if k not in FIELDS or field_info(k)["group"] != "tuning"}
    text = json.dumps([1, values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
