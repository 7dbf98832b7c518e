"""Costs and penalties: what T1 and T2 measure."""

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable


def cross_entropies(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """Cross-entropy in nats of each sample, [batch], of logits [batch, classes] against integer labels [batch].

    Stable: the largest logit is subtracted before exponentials. The label is picked by comparison,
    which unlike indexing stays element-wise in every derivative.
    """
    classes = logits.type.shape[1] or logits.shape[1]
    shifted = logits - disconnected_grad(logits.max(axis=1, keepdims=True))
    log_normaliser = pt.log(pt.exp(shifted).sum(axis=1))
    chosen = pt.eq(labels[:, None], pt.arange(classes, dtype=labels.dtype)[None, :])
    return log_normaliser - (shifted * pt.cast(chosen, logits.dtype)).sum(axis=1)


def squared_errors(outputs: TensorVariable, targets: TensorVariable) -> TensorVariable:
    """Squared error of each sample, summed over its outputs, [batch], of outputs and targets [batch, outputs]."""
    return pt.sqr(outputs - targets).sum(axis=1)


def mistakes(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """1 for each sample whose largest logit is not the label's, else 0: [batch], in the dtype of the logits."""
    return pt.cast(pt.neq(pt.argmax(logits, axis=1), labels), logits.dtype)


def cross_entropy(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """Mean cross-entropy in nats over a batch, see `cross_entropies`."""
    return cross_entropies(logits, labels).mean()


def error_rate(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """Share of a batch whose largest logit is not the label's, in [0, 1]."""
    return mistakes(logits, labels).mean()


def zero(dtype: str) -> TensorVariable:
    """The penalty of a model without one."""
    return pt.constant(np.zeros((), dtype=dtype))
