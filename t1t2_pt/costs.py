"""Costs and penalties: what T1 and T2 measure."""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable


def cross_entropy(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """Mean cross-entropy in nats of logits [batch, classes] against integer labels [batch].

    Stable: the largest logit is subtracted before exponentials. The label is picked by comparison,
    which unlike indexing stays element-wise in every derivative.
    """
    classes = logits.type.shape[1] or logits.shape[1]
    shifted = logits - disconnected_grad(logits.max(axis=1, keepdims=True))
    log_normaliser = pt.log(pt.exp(shifted).sum(axis=1))
    chosen = pt.eq(labels[:, None], pt.arange(classes, dtype=labels.dtype)[None, :])
    return (log_normaliser - (shifted * pt.cast(chosen, logits.dtype)).sum(axis=1)).mean()


def error_rate(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """Share of a batch whose largest logit is not the label's, in [0, 1]."""
    wrong = pt.neq(pt.argmax(logits, axis=1), labels)
    return pt.cast(wrong, logits.dtype).mean()


def l2_penalty(weights: Sequence[TensorVariable], strength: TensorVariable) -> TensorVariable:
    """Omega = sum over layers of strength * sum(W**2); no factor 1/2, no biases (the authors' program).

    `strength` is a scalar for all layers or a vector [layers].
    """
    squares = [(w * w).sum() for w in weights]
    if strength.type.ndim == 0:
        return strength * sum(squares[1:], squares[0])
    terms = [strength[i] * square for i, square in enumerate(squares)]
    return sum(terms[1:], terms[0])


def zero(dtype: str) -> TensorVariable:
    """The penalty of a model without one."""
    return pt.constant(np.zeros((), dtype=dtype))
