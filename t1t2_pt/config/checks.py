"""What has to fit together in a run, beyond the kind and range of each field."""

from typing import TYPE_CHECKING

from t1t2_pt.config.fields import LARGEST_COUNT
from t1t2_pt.networks.network import CONVOLUTIONAL
from t1t2_pt.regularizers import FIRST_APART, HIDDEN, HYPERPARAMETERS, REGULARIZERS
from t1t2_pt.system.errors import InputError

if TYPE_CHECKING:
    from t1t2_pt.config.run_config import RunConfig


def check(config: "RunConfig") -> None:
    """The first thing that does not fit, told.

    Raises
    ------
    InputError
        Naming the field, its value and what to do.
    """
    _check_network(config)
    _check_levels(config)
    _check_lengths(config)
    _check_names(config)
    _check_softmax_noise(config)


def _check_network(config: "RunConfig") -> None:
    convolutional = config.network in CONVOLUTIONAL
    if convolutional and config.hidden:
        raise InputError(
            "hidden", config.hidden, f"is for the mlp, not for {config.network}", "leave it out, and give width"
        )
    if not convolutional and not config.hidden:
        remedy = "give widths of 1 or more, such as 1000,1000,1000"
        raise InputError("hidden", config.hidden, "leaves the mlp without layers", remedy)
    if not convolutional and config.width != 1:
        raise InputError("width", config.width, "is for convolutional networks", "leave it out, and give hidden")
    layers = len(config.hidden_layers)
    if isinstance(config.activation, tuple) and len(config.activation) != layers:
        problem = f"has {len(config.activation)} names for {layers} hidden layer{'s' * (layers > 1)}"
        raise InputError("activation", config.activation, problem, f"give {layers}, or one for all")


def _check_levels(config: "RunConfig") -> None:
    for name in config.hyperparameters:
        levels, level = config.levels(name), config.level(name)
        assert level is not None
        levels.check(level)
        if levels.grain == FIRST_APART and len(levels.numbers) < 2:
            problem = f"{name} has one layer"
            raise InputError("first_apart", config.first_apart, problem, f"leave {name} out of it")
    for one in REGULARIZERS.values():
        given = [config.level(part.name) is not None for part in one.hyperparameters]
        if any(given) and not all(given):
            there, lacking = (one.hyperparameters[given.index(found)].name for found in (True, False))
            raise InputError(there, config.level(there), f"does nothing without {lacking}", f"give {lacking}, too")


def _check_lengths(config: "RunConfig") -> None:
    of_t2 = "batch_size" if config.t2_batch_size is None else "t2_batch_size"
    for name, batch in (("t1_samples", "batch_size"), ("t2_samples", of_t2)):
        if getattr(config, batch) > getattr(config, name):
            raise InputError(
                batch,
                getattr(config, batch),
                f"is larger than {name} ({getattr(config, name)})",
                f"give at most {getattr(config, name)}, or more {name}",
            )
    if config.batch_norm and 1 in (config.batch_size, config.samples_of_t2):
        raise InputError(
            "batch_size" if config.batch_size == 1 else of_t2,
            1,
            "makes batch normalisation 0 whatever is learned",
            "give 2 or more, or batch_norm false",
        )
    if config.steps > LARGEST_COUNT:
        most = LARGEST_COUNT // config.steps_per_epoch
        raise InputError("epochs", config.epochs, f"makes {config.steps} updates, too many", f"give at most {most}")
    if config.tune and config.tune_after >= config.epochs:
        raise InputError(
            "tune_after",
            config.tune_after,
            f"leaves none of the {config.epochs} epochs to tune in",
            f"give at most {config.epochs - 1}, or tune none",
        )
    if config.tune and config.interval > config.steps:
        raise InputError(
            "interval",
            config.interval,
            f"is longer than the run of {config.steps} updates, in which nothing would be tuned",
            f"give at most {config.steps}, or tune none",
        )


def _check_names(config: "RunConfig") -> None:
    for field in ("tune", "first_apart", "per_unit"):
        names = getattr(config, field)
        if len(set(names)) != len(names):
            raise InputError(field, names, "names a hyperparameter twice", "name each once")
        for name in names:
            if config.level(name) is None:
                remedy = f"give {name} a number of 0 or more to start at"
                raise InputError(field, names, f"{name} has no initial value", remedy)
    for name in config.tune:
        if HYPERPARAMETERS[name].step_size is None:
            problem = f"{name} cannot be tuned: the training cost has no derivative by it"
            raise InputError("tune", config.tune, problem, f"leave {name} out; it stays as it is given")
    for name in config.per_unit:
        if name in config.first_apart:
            remedy = "name it in one of them"
            raise InputError("first_apart", config.first_apart, f"{name} is in per_unit, too", remedy)


def _check_softmax_noise(config: "RunConfig") -> None:
    hidden = [one for one in config.regularizers if one.places is HIDDEN]
    if config.noise_before_softmax != "tuned" and len(config.hidden_layers) == 1 and hidden:
        raise InputError(
            "noise_before_softmax",
            config.noise_before_softmax,
            "leaves no hidden layer with noise to tune in a network of one hidden layer",
            f"give tuned, or set {hidden[0].name} to none",
        )
