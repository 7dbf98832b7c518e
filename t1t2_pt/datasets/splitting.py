"""Which training samples are T1's and which T2's, by seed."""

import numpy as np

from t1t2_pt.datasets.preprocessing import check_known
from t1t2_pt.system.errors import InputError

T2_FROM = {
    "apart": "no sample is in both",
    "t1": "T2 is a part of T1, to see what tuning does without data of its own",
}


def sizes_that_fit(
    usual: tuple[int, int], samples: int, t1: int | None = None, t2: int | None = None
) -> tuple[int, int]:
    """Sizes of T1 and T2: those given, and the usual for the others, or as much as there is in the same proportion.

    Parameters
    ----------
    usual
        Of both, where there are enough.
    samples
        In the training set.
    t1, t2
        What is given, however large; None: it is to fit.
    """
    if sum(usual) > samples:
        share = max(1, samples * usual[1] // sum(usual))
        left_of_t1, left_of_t2 = (samples - given if given and given < samples else samples for given in (t1, t2))
        usual = min(max(1, samples - share), left_of_t2), min(share, left_of_t1)
    return usual[0] if t1 is None else t1, usual[1] if t2 is None else t2


def split_rows(
    samples: int, t1: int, t2: int, seed: int, groups: np.ndarray | None = None, t2_from: str = "apart"
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of T1 and T2: two random parts of the training set, by seed.

    Parameters
    ----------
    groups
        As in `Dataset`: where the parts are apart, no group has samples in both.
    t2_from
        A name in `T2_FROM`. Without groups T1 is the same in both.

    Raises
    ------
    InputError
        If either is empty, both together are larger than the training set, or T2 is larger than what it is from.
    """
    check_known("t2_from", t2_from, T2_FROM)
    for name, size in (("t1_samples", t1), ("t2_samples", t2)):
        if size < 1:
            raise InputError(name, size, "leaves the split empty", "give at least 1")
    if t2_from == "apart" and t1 + t2 > samples:
        share = max(1, samples * t2 // (t1 + t2))
        raise InputError(
            "t1_samples",
            t1,
            f"with {t2} t2_samples exceeds the {samples} training samples",
            f"give at most {samples} together, such as --t1-samples {samples - share} --t2-samples {share}",
        )
    order = np.random.Generator(np.random.Philox(seed)).permutation(samples)
    if t2_from == "t1":
        return _part_of_t1(order, t1, t2)
    if groups is None:
        return order[:t1], order[t1 : t1 + t2]
    return _split_groups(order, t1, t2, groups)


def _part_of_t1(order: np.ndarray, t1: int, t2: int) -> tuple[np.ndarray, np.ndarray]:
    """The first of a random order, and the first of those."""
    if t1 > len(order):
        raise InputError("t1_samples", t1, f"exceeds the {len(order)} training samples", f"give at most {len(order)}")
    if t2 > t1:
        raise InputError("t2_samples", t2, f"exceeds the {t1} t1_samples that it is from", f"give at most {t1}")
    return order[:t1], order[:t2]


def _split_groups(order: np.ndarray, t1: int, t2: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T2 from samples that are alone in their group, the first of them in a random order; T1 from the rest."""
    alone = np.bincount(groups)[groups[order]] == 1
    single = order[alone]
    if len(single) < t2:
        raise InputError(
            "t2_samples", t2, f"exceeds the {len(single)} training samples that show what no other shows", "give fewer"
        )
    t2_rows = single[:t2]
    return order[~np.isin(order, t2_rows)][:t1], t2_rows
