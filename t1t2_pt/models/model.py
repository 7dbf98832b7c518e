"""A trained network with all that it takes to predict: preprocessing, batch-norm statistics, names of classes."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytensor
import pytensor.tensor as pt

from t1t2_pt.backends import Arrays, get_backend
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import Names
from t1t2_pt.datasets.own_data import inputs_like
from t1t2_pt.datasets.own_labels import Label
from t1t2_pt.datasets.preprocessing import Preparation
from t1t2_pt.networks.network import Network
from t1t2_pt.steps.evaluation import make_plan
from t1t2_pt.steps.step import make_network

DTYPE = "float32"
MOMENTS = ("mean", "variance")

Statistics = Mapping[int, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


@dataclasses.dataclass(frozen=True)
class Model:
    """A trained network.

    Parameters
    ----------
    config
        Of the run that trained it.
    sample_shape, kind
        Shape and type of a sample as it was given, before preprocessing.
    number_of_classes
        How many there are.
    parameters
        Elementary parameters by the names of `Network.shapes`, float32.
    statistics
        Mean and variance [channels] by the number of each layer that normalises, as the run's evaluation used them.
    preparation
        What was done to the samples.
    names
        Of classes, features and labels.
    data
        What it was trained on.
    measured
        What the run measured at its end, such as `test_error`.
    """

    config: RunConfig
    sample_shape: tuple[int, ...]
    kind: str
    number_of_classes: int
    parameters: Arrays
    statistics: Statistics
    preparation: Preparation
    names: Names = Names()  # noqa: RUF009  (frozen)
    data: str = ""
    measured: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def network(self) -> Network:
        """What its parameters are of."""
        return make_network(self.config, self.sample_shape, self.number_of_classes)

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels by the number of their class."""
        return self.names.classes or tuple(range(self.number_of_classes))

    def predict_proba(self, x: Any, backend: str = "auto", name: str = "arrays") -> npt.NDArray[np.float32]:
        """Probabilities of the classes.

        Parameters
        ----------
        x
            Samples as those of training, before preprocessing: an array [samples, ...], or a table with the columns
            of training, in any order.
        backend
            What computes it.
        name
            What errors call the samples.

        Returns
        -------
        [samples, classes].

        Raises
        ------
        InputError
            If the samples are others, or the backend is not installed.
        """
        logits = self.logits(self.samples(x, name), backend).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    def predict(self, x: Any, backend: str = "auto", name: str = "arrays") -> npt.NDArray[Any]:
        """The most probable label of each sample, as the labels were given; parameters as of `predict_proba`."""
        return self.labels(self.predict_proba(x, backend, name))

    def labels(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """The label that is most probable in each row."""
        return np.array(self.classes)[probabilities.argmax(axis=1)]

    def samples(self, x: Any, name: str = "arrays") -> npt.NDArray[Any]:
        """Samples as those of training, checked.

        Raises
        ------
        InputError
            If they are others.
        """
        like = np.empty((0, *self.sample_shape), self.kind)
        return inputs_like(name, "x", x, like, self.names.features)

    def logits(self, samples: npt.NDArray[Any], backend: str = "auto") -> npt.NDArray[np.float32]:
        """[samples, classes], of `samples`."""
        network = self.network
        compute = _compiled(get_backend(backend).name, network)
        fixed = {
            f"{moment}_{i}": pair[place] for i, pair in self.statistics.items() for place, moment in enumerate(MOMENTS)
        }
        chunk = make_plan(network, 1).chunk
        found = [np.empty((0, self.number_of_classes), np.float32)]
        for start in range(0, len(samples), chunk):
            inputs = self.preparation(samples[start : start + chunk]).reshape(-1, *network.input_shape)
            found.append(compute({**self.parameters, **fixed, "inputs": inputs})["logits"])
        return np.concatenate(found)


@functools.lru_cache(maxsize=8)
def _compiled(backend: str, network: Network) -> Callable[[Arrays], Arrays]:
    """The logits of a network, from parameters, statistics and inputs by their names."""
    with pytensor.config.change_flags(floatX=DTYPE, traceback__limit=0):
        tensors = {name: pt.tensor(name, shape=shape, dtype=DTYPE) for name, shape in network.shapes().items()}
        statistics = {}
        for i in (i for i in range(len(network.layers)) if network.normalises(i)):
            shape = network.activations[i + 1][-1:]
            mean, variance = (pt.tensor(f"{moment}_{i}", shape=shape, dtype=DTYPE) for moment in MOMENTS)
            statistics[i] = mean, variance
        inputs = pt.tensor("inputs", shape=(None, *network.input_shape), dtype=DTYPE)
        logits = network.forward(tensors, inputs, statistics=statistics).logits
        fixed = {f"{moment}_{i}": pair[place] for i, pair in statistics.items() for place, moment in enumerate(MOMENTS)}
        return get_backend(backend).function({**tensors, **fixed, "inputs": inputs}, {"logits": logits})
