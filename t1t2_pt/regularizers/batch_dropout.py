"""Dropout of the same units in all samples of a batch (the authors' dropOutB)."""

from collections.abc import Sequence

from t1t2_pt.regularizers.dropout import LARGEST, Dropout
from t1t2_pt.regularizers.regularizer import of_activations


class BatchDropout(Dropout):
    """Each unit once per batch."""

    def draw_shape(self, batch: int, activation: Sequence[int]) -> tuple[int, ...]:
        """[1, *activation]."""
        return (1, *activation)


REGULARIZERS = of_activations(
    BatchDropout, "batch_dropout", "b", "rate of dropout, the same in all samples of a batch,", None, LARGEST
)
