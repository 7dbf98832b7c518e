"""How a trained network is taken from a run: its parameters, and the statistics that its evaluation used."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytensor

from t1t2_pt.backends import Arrays, Backend, Program
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import Split
from t1t2_pt.models.model import DTYPE, Model, Statistics
from t1t2_pt.networks.network import Network
from t1t2_pt.steps import running_moments
from t1t2_pt.steps.evaluation import RUNNING, Stage, statistics_of
from t1t2_pt.steps.step import make_network
from t1t2_pt.system.errors import InputError


def check_keepable(split: Split) -> None:
    """Check that what preprocessed these data can be done to others.

    Raises
    ------
    InputError
        If it does not say what it has fitted.
    """
    if split.preparation is None:
        problem = "says nothing of what it fits, so that no network can be kept with it"
        raise InputError("preprocessing", split.provenance, problem, "make it a `Fitted`, see datasets/preprocessing")


def model_of(config: RunConfig, split: Split, state: Arrays, backend: Backend, measured: Mapping[str, float]) -> Model:
    """The network of a run.

    Parameters
    ----------
    state
        The run's whole state at its end.
    measured
        The last row of its history.

    Raises
    ------
    InputError
        As `check_keepable`.
    """
    check_keepable(split)
    assert split.preparation is not None
    network = make_network(config, split.input_shape, split.classes)
    parameters = {name: np.array(state[name]) for name in network.shapes()}
    return Model(
        config=config,
        sample_shape=split.input_shape,
        kind=split.kind,
        number_of_classes=split.classes,
        parameters=parameters,
        statistics=_statistics(config, network, split, state, backend),
        preparation=split.preparation,
        names=split.names,
        data=split.provenance,
        measured=dict(measured),
    )


def _statistics(config: RunConfig, network: Network, split: Split, state: Arrays, backend: Backend) -> Statistics:
    """Mean and variance by layer: the running averages, or what an evaluation computes of T1."""
    if not network.batch_norm:
        return {}
    if config.test_statistics == RUNNING:
        names = running_moments.names(network)
        return {i: (np.array(state[mean]), np.array(state[variance])) for i, (mean, variance) in names.items()}
    program = Program(config, network, split.samples)
    data = {
        "t1_inputs": split.arrays["t1_inputs"].reshape(-1, *network.input_shape),
        "t1_labels": split.arrays["t1_labels"],
    }
    with pytensor.config.change_flags(floatX=DTYPE, traceback__limit=0):
        stages = [_compiled(stage, state, backend) for stage in program.graphs.stages]
    found = statistics_of(stages, program.plan, data)
    return {i: (_float32(values["mean"]), _float32(values["variance"])) for i, values in found.items()}


def _float32(values: Any) -> npt.NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _compiled(stage: Stage, state: Arrays, backend: Backend) -> Any:
    """A stage of the evaluation, compiled when it is first needed: the last one seldom is."""

    @functools.cache
    def function() -> Any:
        return backend.function({**stage.parameters, **stage.inputs}, stage.outputs)

    parameters = {name: state[name] for name in stage.parameters}
    return lambda values: function()({**parameters, **{name: values[name] for name in stage.inputs}})
