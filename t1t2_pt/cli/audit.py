"""`t1t2 audit`: the hypergradients of a run's configuration, looked at before it is trained."""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import Backend, get_backend
from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.options import add_own_data, add_run_options, config_from, own_data
from t1t2_pt.cli.plain_options import add_data_dir
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import Split
from t1t2_pt.hypergradients import Method, method_named
from t1t2_pt.hypergradients.auditing import Array, Audit, Compute, audit
from t1t2_pt.networks import costs
from t1t2_pt.steps import step
from t1t2_pt.steps.regularization import draw
from t1t2_pt.sweeps.groups import data_key
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import show
from t1t2_pt.training.batches import t1_rows, t2_rows

DTYPE = "float32"


def add_command(commands: Commands, help: str) -> None:
    """Add it below a subparser."""
    result = commands.add_parser(
        "audit",
        help=help,
        description="Compare the hypergradients that a run would start with, by its --method, on its first batches of "
        "T1 and T2, with those through K updates and by the implicit function theorem, and name what makes them wrong. "
        "Exit code 1 if anything is found.",
        epilog="example: t1t2 audit --hidden 20 --input-noise 0.5 --l2 0.001 --tune input_noise,l2 --t1 1000",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.set_defaults(command=_audit)
    add_run_options(result)
    add_own_data(result.add_argument_group("own data", "a file or folder in the place of --dataset"))
    result.add_argument("--steps", type=int, default=10, metavar="K", help="updates to compare with (default: 10)")
    result.add_argument("--backend", default="auto", help="what computes it (default: auto)")
    add_data_dir(result)
    result.add_argument("--json", action="store_true", help="print JSON")


def _audit(options: argparse.Namespace) -> int:
    config = config_from(options)
    if not config.tune:
        raise InputError("tune", config.tune, "names nothing to audit", "give --tune, such as --tune input_noise")
    if options.steps < 1:
        raise InputError("--steps", options.steps, "is no number of updates", "give at least 1")
    own = own_data(options)
    split = Splits(options.data_dir, None if own is None else own[0]).get(*data_key(config))
    found = audit_run(config, split, get_backend(options.backend), options.steps)
    if options.json:
        print(json.dumps(_as_dict(found)))
    else:
        show(*str(found).splitlines())
    return 1 if found.findings else 0


def audit_run(config: RunConfig, split: Split, backend: Backend, steps: int) -> Audit:
    """The audit of a run's first step, in float32 as it is trained, by its own method, step size and optimiser.

    Methods that look ahead see the batch at hand in all updates.

    Raises
    ------
    InputError
        If the method cannot be computed for such a run.
    """
    network = step.make_network(config, split.input_shape, split.classes)
    state = step.initial_state(config, network)
    with pytensor.config.change_flags(floatX=DTYPE, traceback__limit=0):
        symbols = step.state_inputs(state, DTYPE)
        t1 = _batch(split, "t1", t1_rows(config, 1)[0], network.input_shape)
        t2 = _batch(split, "t2", t2_rows(config, 0), network.input_shape)
        drawn = draw(config, network, pt.constant(np.uint32(config.seed)), pt.constant(np.uint32(0)), DTYPE)
        done = step.train_pass(config, network, symbols, t1, drawn)
        validation_cost = costs.cross_entropy(network.logits(symbols, t2.inputs), t2.labels)
        try:
            return audit(
                done.cost,
                validation_cost,
                [symbols[name] for name in network.shapes()],
                [symbols[name] for name in config.tune],
                values={symbols[name]: value for name, value in state.items()},
                method=_method(config, done.noisy.logits),
                steps=steps,
                step_size=config.learning_rate,
                optimizer=config.optimizer,
                compute=_by(backend),
            )
        except ValueError as error:  # of what a method alone can tell, as of an optimiser that is not gone back
            problem, _, remedy = str(error).partition("; ")
            raise InputError("method", config.method, problem, remedy or "give another") from None


def _method(config: RunConfig, logits: TensorVariable) -> Method:
    """The run's method, with what a training step would tell it of the run."""
    method = method_named(config.method)
    own = {field.name for field in dataclasses.fields(method)}
    momentum = config.momentum[0] if isinstance(config.momentum, tuple) else config.momentum  # as it starts
    told: dict[str, object] = {"optimizer": config.optimizer, "momentum": momentum, "outputs": logits}
    if "optimizer" in own:
        told |= {"step_size": config.learning_rate, "at": config.validation_gradient_at}
    return dataclasses.replace(method, **{name: value for name, value in told.items() if name in own})


def _batch(split: Split, name: str, rows: Array, shape: tuple[int, ...]) -> step.Batch:
    inputs = split.arrays[f"{name}_inputs"][rows].reshape(len(rows), *shape)
    return step.Batch(pt.constant(inputs.astype(DTYPE)), pt.constant(split.arrays[f"{name}_labels"][rows]))


def _by(backend: Backend) -> Compute:
    def compute(graphs: Sequence[TensorVariable], values: Mapping[Variable, Array]) -> Sequence[Array]:
        inputs = {str(place): variable for place, variable in enumerate(values)}
        outputs = {str(place): graph for place, graph in enumerate(graphs)}
        function = backend.function(inputs, outputs)  # type: ignore[arg-type]  # all are tensors
        found = function(dict(zip(inputs, values.values(), strict=True)))
        return [np.asarray(found[name]) for name in outputs]

    return compute


def _as_dict(found: Audit) -> dict[str, list[dict[str, object]]]:
    return {
        "findings": [dataclasses.asdict(finding) for finding in found.findings],
        "comparisons": [
            {**dataclasses.asdict(one), "gradients": [np.asarray(g).tolist() for g in one.gradients]}
            for one in found.comparisons
        ],
    }
