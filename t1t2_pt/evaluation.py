"""What a run has reached: cost and error on T1, T2 and test, without noise or penalty.

Batch normalisation uses exact statistics: those of the whole of T1 under the current parameters,
layer by layer, found in the same pass that evaluates T1.
"""

from collections.abc import Mapping

from pytensor.tensor.variable import TensorVariable

from t1t2_pt import costs
from t1t2_pt.networks import MLP
from t1t2_pt.step import Batch, Tensors

SETS = ("t1", "t2", "test")


def evaluate(network: MLP, parameters: Mapping[str, TensorVariable], sets: Mapping[str, Batch]) -> Tensors:
    """Metrics `t1_cost`, `t1_error`, `t2_cost`, ... of the clean model.

    Parameters
    ----------
    parameters
        Elementary parameters by name.
    sets
        The whole of T1, T2 and test, by the names in `SETS`.

    Returns
    -------
    Scalars by name: costs in nats, errors in [0, 1].
    """
    metrics: Tensors = {}
    statistics = None
    for name in SETS:
        logits, used = network.logits(parameters, sets[name].inputs, statistics=statistics)
        statistics = statistics or used
        metrics[f"{name}_cost"] = costs.cross_entropy(logits, sets[name].labels)
        metrics[f"{name}_error"] = costs.error_rate(logits, sets[name].labels)
    return metrics
