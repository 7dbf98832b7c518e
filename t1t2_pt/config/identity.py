"""Which runs are the same: the canonical form of a config, its digest, and what shares a compiled graph.

The digest names a run in the store. It must stay when the program gains an option: a field that came after
the digest's version is in it only where it is not at its default, and a field that was renamed has its old name.
"""

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

from t1t2_pt.config.fields import default, words
from t1t2_pt.datasets import source_of
from t1t2_pt.optimizers import OPTIMIZERS, SCHEDULES
from t1t2_pt.regularizers import HIDDEN, HYPERPARAMETERS, REGULARIZER_OF, STEP_SIZES

if TYPE_CHECKING:
    from t1t2_pt.config.run_config import RunConfig

DIGEST_VERSION = 2
OF_VERSION_2 = frozenset(
    [
        "dataset",
        "t1_samples",
        "t2_samples",
        "split_seed",
        "network",
        "hidden",
        "width",
        "activation",
        "batch_norm",
        "noise_before_softmax",
        "input_noise",
        "hidden_noise",
        "l2",
        "tune",
        "per_unit",
        "epochs",
        "batch_size",
        "optimizer",
        "learning_rate",
        "schedule",
        "hold",
        "gradient_norm",
        "interval",
        "hyper_optimizer",
        "noise_learning_rate",
        "l2_learning_rate",
        "hyper_schedule",
        "validation_gradient_at",
        "hypergradient_norm",
        "hypergradient_clip",
        "evaluate_every",
        "seed",
        "data",
        "algorithm",
    ]
)
FORMER_NAMES = {"per_unit": "per_map"}

OWN = ("seed", "learning_rate", *STEP_SIZES)  # of each run of a population
LOOP = (
    *("dataset", "split_seed", "preprocessing", "contrast", "t2_from", "data"),
    *("epochs", "interval", "tune_after", "tune_every", "evaluate_every", "monitor"),
)


def canonical_values(config: "RunConfig") -> dict[str, Any]:
    """What the canonical form has otherwise: defaults for what does nothing, names in their usual order."""
    groups = {field.name: words(field.name, type(config))["group"] for field in dataclasses.fields(config)}
    idle = {name for name, group in groups.items() if group == "tuning"} if not config.tune else set()
    idle |= _idle_of_optimizers(config) | _idle_of_statistics(config)
    moved_by = {one.step_size.field for name in config.tune if (one := HYPERPARAMETERS[name]).step_size}
    idle |= STEP_SIZES.keys() - moved_by
    if _softmax_noise_is_idle(config):
        idle.add("noise_before_softmax")
    if not any(one.places is HIDDEN for one in config.regularizers):
        idle.add("noise_at")
    if config.preprocessing == source_of(config.dataset).preprocessing:
        idle.add("preprocessing")
    if _order_of_limits_is_idle(config):
        idle.add("hypergradient_limits")
    if not any(REGULARIZER_OF[name].perturbs for name in config.tune):
        idle.add("hyper_decay")
    if not config.tune or config.t2_batch_size == config.batch_size:
        idle.add("t2_batch_size")
    values = {name: default(name, type(config)) for name in idle}
    if not config.tune and config.batch_size > config.t2_samples:
        values["t2_batch_size"] = config.t2_samples  # which has to be said, whatever it is
    if isinstance(config.activation, tuple) and len(set(config.activation)) == 1:
        values["activation"] = config.activation[0]
    for field in ("tune", "first_apart", "per_unit"):
        values[field] = tuple(name for name in HYPERPARAMETERS if name in getattr(config, field))
    if config.evaluate_every >= config.epochs:
        values["evaluate_every"] = 0  # at the end only, either way
    return values | _limits_that_bind(config)


def _idle_of_optimizers(config: "RunConfig") -> set[str]:
    """Options of optimisers and schedules that none of those chosen makes something of."""
    schedules = [config.schedule, config.hyper_schedule] if config.tune else [config.schedule]
    optimizers = [config.optimizer, config.hyper_optimizer] if config.tune else [config.optimizer]
    has_momentum = any("momentum" in OPTIMIZERS[name].uses for name in optimizers)
    idle = set() if has_momentum else {"momentum", "momentum_schedule"}
    if isinstance(config.momentum, tuple) and has_momentum:
        schedules.append(config.momentum_schedule)
    else:
        idle.add("momentum_schedule")
    used = {option for name in schedules for option in SCHEDULES[name].uses}
    return idle | ({"hold", "half_life"} - used)


def _idle_of_statistics(config: "RunConfig") -> set[str]:
    """Options of batch normalisation that do nothing."""
    if not config.batch_norm:
        return {"batch_norm_scale", "validation_statistics", "test_statistics", "statistics_weight"}
    return set() if config.has_running_statistics else {"statistics_weight"}


def _softmax_noise_is_idle(config: "RunConfig") -> bool:
    hidden = [one for one in config.regularizers if one.places is HIDDEN]
    tuned = [one for one in hidden if any(part.name in config.tune for part in one.hyperparameters)]
    return not hidden or (config.noise_before_softmax == "fixed" and not tuned)


def _order_of_limits_is_idle(config: "RunConfig") -> bool:
    """Whether there is one limit that acts on a hypergradient alike in any order; a norm of each layer's is another."""
    if config.hypergradient_norm is None:
        return True
    each = config.hypergradient_limits == "rescale-each-clip"
    return config.hypergradient_clip is None and (_tunes_single_numbers(config) or not each)


def _tunes_single_numbers(config: "RunConfig") -> bool:
    apart = {*config.per_unit, *config.first_apart}
    return not any(name in apart or isinstance(config.level(name), tuple) for name in config.tune)


def _limits_that_bind(config: "RunConfig") -> dict[str, Any]:
    """Of a clip and a limit on the norm of single numbers, only the smaller does anything."""
    clip, norm = config.hypergradient_clip, config.hypergradient_norm
    if not config.tune or clip is None or norm is None:
        return {}
    if not _tunes_single_numbers(config):
        return {}
    # Both limit the number to the smaller, in either order.
    order = {"hypergradient_limits": default("hypergradient_limits", type(config))}
    return order | ({"hypergradient_clip": None} if clip >= norm else {"hypergradient_norm": None})


def plain_values(config: "RunConfig") -> dict[str, Any]:
    """The fields as JSON has them, by the names of version 2; later ones only where they are not at their default."""
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    defaults = {field.name: default(field.name, type(config)) for field in dataclasses.fields(config)}
    return {
        FORMER_NAMES.get(name, name): value
        for name, value in values.items()
        if name in OF_VERSION_2 or getattr(config, name) != defaults[name]
    }


def digest(canonical: "RunConfig") -> str:
    """SHA-256 (hex) of a canonical config."""
    text = json.dumps([DIGEST_VERSION, plain_values(canonical)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def structure(canonical: "RunConfig") -> str:
    """See `RunConfig.structure`."""
    return json.dumps(_shared_values(canonical), sort_keys=True)


def graph(canonical: "RunConfig") -> str:
    """See `RunConfig.graph`."""
    values = _shared_values(canonical)
    return json.dumps({name: value for name, value in values.items() if name not in LOOP}, sort_keys=True)


def _shared_values(canonical: "RunConfig") -> dict[str, Any]:
    values = {name: value for name, value in canonical.as_dict().items() if name not in OWN}
    for name in HYPERPARAMETERS:
        level = values.get(name)
        values[name] = len(level) if isinstance(level, list) else level is not None
    return values
