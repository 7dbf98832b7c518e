"""Costs and penalties: what T1 and T2 measure."""

from collections.abc import Sequence

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


def mistakes(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """1 for each sample whose largest logit is not the label's, else 0: [batch], in the dtype of the logits."""
    return pt.cast(pt.neq(pt.argmax(logits, axis=1), labels), logits.dtype)


def cross_entropy(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """Mean cross-entropy in nats over a batch, see `cross_entropies`."""
    return cross_entropies(logits, labels).mean()


def error_rate(logits: TensorVariable, labels: TensorVariable) -> TensorVariable:
    """Share of a batch whose largest logit is not the label's, in [0, 1]."""
    return mistakes(logits, labels).mean()


def l2_penalty(weights: Sequence[TensorVariable], strengths: Sequence[TensorVariable]) -> TensorVariable:
    """Omega = sum over layers of strength * sum(W**2); no factor 1/2, no biases (the authors' program).

    Each layer's strength is a scalar, or [maps out] with one for each of the last axis of its weights.
    """
    first = strengths[0]
    if first.type.ndim == 0 and all(strength is first for strength in strengths):
        squares = [pt.sqr(w).sum() for w in weights]
        return first * sum(squares[1:], squares[0])
    terms = []
    for w, strength in zip(weights, strengths, strict=True):
        axes = None if strength.type.ndim == 0 else tuple(range(w.type.ndim - 1))
        term = strength * pt.sqr(w).sum(axis=axes)
        terms.append(term if term.type.ndim == 0 else term.sum())
    return sum(terms[1:], terms[0])


def zero(dtype: str) -> TensorVariable:
    """The penalty of a model without one."""
    return pt.constant(np.zeros((), dtype=dtype))
