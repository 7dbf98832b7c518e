"""What a data set is before and after its split: arrays, and where they came from."""

import dataclasses

import numpy as np

from t1t2_pt.errors import InputError


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set as published: float32 inputs [samples, features], int32 labels [samples]."""

    name: str
    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    classes: int
    provenance: str


@dataclasses.dataclass(frozen=True)
class Split:
    """T1, T2 and test, preprocessed: what training sees.

    `arrays` holds `t1_inputs` (float32 [samples, features]), `t1_labels` (int32 [samples]), and the
    same of `t2` and `test`.
    """

    arrays: dict[str, np.ndarray]
    classes: int
    provenance: str

    @property
    def features(self) -> int:
        return self.arrays["t1_inputs"].shape[1]

    @property
    def samples(self) -> dict[str, int]:
        return {name: len(self.arrays[f"{name}_labels"]) for name in ("t1", "t2", "test")}


def split_rows(samples: int, t1: int, t2: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of T1 and T2: two disjoint random parts of the training set, by seed.

    Raises
    ------
    InputError
        If either is empty or both together are larger than the training set.
    """
    for name, size in (("t1_samples", t1), ("t2_samples", t2)):
        if size < 1:
            raise InputError(name, size, "leaves the split empty", "give at least 1")
    if t1 + t2 > samples:
        raise InputError(
            "t1_samples",
            t1,
            f"with {t2} t2_samples exceeds the {samples} training samples",
            f"give at most {samples} together",
        )
    order = np.random.Generator(np.random.Philox(seed)).permutation(samples)
    return order[:t1], order[t1 : t1 + t2]


def centre(t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Subtract the mean of T1 from each feature of T1 and the others (Section 3: MNIST)."""
    mean = t1.mean(axis=0, dtype=np.float64).astype(np.float32)
    return [x - mean for x in (t1, *others)]
