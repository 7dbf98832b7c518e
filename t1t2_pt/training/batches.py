"""Which samples are in which batch: functions of a run's seed and a count alone."""

from typing import Protocol

import numpy as np

from t1t2_pt.backends.interface import Rows

_T1_ORDER, _T2_ORDER = 1, 2


class Batched(Protocol):
    """What of a run says how its samples are taken."""

    @property
    def seed(self) -> int: ...
    @property
    def t1_samples(self) -> int: ...
    @property
    def t2_samples(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def samples_of_t2(self) -> int: ...
    @property
    def steps_per_epoch(self) -> int: ...


def t1_rows(config: Batched, epoch: int) -> Rows:
    """Samples of T1 in each step of an epoch (from 1): int32 [steps, batch], each used at most once."""
    used = config.steps_per_epoch * config.batch_size
    order = _generator(config.seed, _T1_ORDER, epoch).permutation(config.t1_samples)
    return order[:used].astype(np.int32).reshape(config.steps_per_epoch, config.batch_size)


def t2_rows(config: Batched, hyper_step: int) -> Rows:
    """Samples of T2 in a hyperparameter step (from 0): int32 [batch], by passes over T2 in random order."""
    batch = config.samples_of_t2
    per_pass = config.t2_samples // batch
    number, place = divmod(hyper_step, per_pass)
    order = _generator(config.seed, _T2_ORDER, number).permutation(config.t2_samples)
    return order[place * batch : (place + 1) * batch].astype(np.int32)


def _generator(seed: int, stream: int, count: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed | stream << 32, count]))
