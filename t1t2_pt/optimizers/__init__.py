"""Optimisers and schedules of their step sizes: functions from tensors to tensors, found by name.

One function added to `rules` or `schedules`, under its decorator, is one more to choose. Imports no other room.
"""

from t1t2_pt.optimizers.rules import (
    BETA1,
    BETA2,
    EPSILON,
    MEMORY,
    MOMENTUM,
    OPTIMIZERS,
    Memory,
    Optimizer,
    Update,
    adam,
    adam_momentum,
    momentum,
    nesterov,
    optimizer,
    rmsprop,
    sgd,
    sign,
)
from t1t2_pt.optimizers.schedules import SCHEDULES, Schedule, ScheduleOptions, between, schedule

__all__ = [
    "BETA1",
    "BETA2",
    "EPSILON",
    "MEMORY",
    "MOMENTUM",
    "OPTIMIZERS",
    "SCHEDULES",
    "Memory",
    "Optimizer",
    "Schedule",
    "ScheduleOptions",
    "Update",
    "adam",
    "adam_momentum",
    "between",
    "momentum",
    "nesterov",
    "optimizer",
    "rmsprop",
    "schedule",
    "sgd",
    "sign",
]
