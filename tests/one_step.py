"""A T1+T2 step in float64 whose every part a test can look at."""

import numpy as np
import pytensor
import pytensor.tensor as pt
from conftest import TINY
from pytensor.compile.mode import Mode

from t1t2_pt.config import run_config
from t1t2_pt.hypergradients import hypergradient
from t1t2_pt.networks import costs
from t1t2_pt.steps import step
from t1t2_pt.steps.regularization import draws

PLAIN = Mode(linker="py", optimizer="fast_compile")
BASE = {**TINY, "hidden": (6, 5), "learning_rate": 0.05, "interval": 2, "epochs": 3}
TUNED = {**BASE, "input_noise": 0.3, "hidden_noise": 0.2, "tune": ("input_noise", "hidden_noise")}


class OneStep:
    """A T1+T2 step in float64 from a random state, as functions of the state."""

    def __init__(self, **fields):
        rng = np.random.default_rng(8)
        self.config = config = run_config(**{**TUNED, **fields})
        self.network = network = step.make_network(config, (7,), 3)
        self.state = {k: v.astype(float) for k, v in step.initial_state(config, network).items()}
        for name in network.shapes():
            self.state[name] = 0.5 * rng.standard_normal(self.state[name].shape)
        self.symbols = symbols = step.state_inputs(self.state, "float64")
        x, u = rng.standard_normal((2, 10, 7))
        y, v = rng.integers(0, 3, (2, 10)).astype("int32")
        self.t1, self.t2 = (step.Batch(pt.constant(a), pt.constant(b)) for a, b in ((x, y), (u, v)))
        self.drawn = {draw: pt.constant(rng.standard_normal(draw.shape)) for draw in draws(config, network)}
        self.done = step.train_pass(config, network, symbols, self.t1, self.drawn)
        rates = step.Rates(pt.constant(0.1), {name: pt.constant(0.01) for name in config.tune}, config.momentum)
        args = (config, network, symbols, self.t1, self.t2, self.drawn, rates, pt.constant(3.0), pt.constant(2.0))
        self.new_state, self.metrics = step.t1t2_step(*args)
        self.theta = [symbols[name] for name in network.shapes()]
        self.hyper = [symbols[name] for name in config.tune]
        self.c2 = costs.cross_entropy(network.logits(symbols, self.t2.inputs), self.t2.labels)

    def value(self, *graphs):
        function = pytensor.function(list(self.symbols.values()), graphs, mode=PLAIN, on_unused_input="ignore")
        return function(*self.state.values())

    def moved(self):
        """Minus the hyperparameters' moves per step size."""
        new = self.value(*(self.new_state[name] for name in self.config.tune))
        return [(self.state[name] - n) / 0.01 for name, n in zip(self.config.tune, new, strict=True)]

    def eq3(self, c2=None):
        limited = {"max_norm": self.config.gradient_norm}
        return self.value(
            *hypergradient(self.done.cost, self.c2 if c2 is None else c2, self.theta, self.hyper, **limited)
        )


FREE = {"gradient_norm": None, "hypergradient_norm": None, "hypergradient_clip": None}
