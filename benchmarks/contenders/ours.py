"""This package, on one of its backends, through the functions that train every run."""

import numpy as np
import pytensor.tensor as pt

from benchmarks import problem as p
from benchmarks.problem import ImageProblem, Problem, digest
from t1t2_pt.backends import Program, get_backend, run_constants
from t1t2_pt.config import RunConfig, run_config
from t1t2_pt.steps import step
from t1t2_pt.steps.regularization import draws

TUNED = ("input_noise", "hidden_noise")


class Contender:
    def __init__(self, problem: Problem | ImageProblem, backend: str = "auto", runs: int = 1):
        self.problem, self.backend = problem, get_backend(backend)
        self.config = _config(problem)
        self.network = step.make_network(self.config, problem.activations[0], p.CLASSES)
        x, y = problem.data()
        samples = dict.fromkeys(("t1", "t2", "test"), len(x))
        program = Program(self.config, self.network, samples)
        data = {f"{name}_{kind}": array for name in samples for kind, array in (("inputs", x), ("labels", y))}
        states = [self._start() for _ in range(runs)]
        constants = [run_constants(self.config, "float32")] * runs
        self.population = self.backend.compile(program).populate(data, states, constants)
        self.runs, self.step = runs, 0

    def t1(self, steps: int) -> None:
        self._run(steps, interval=1 << 30)

    def t1t2(self, steps: int) -> None:
        self._run(steps, interval=1)

    def train(self, steps: int) -> None:
        """As in practice: a T1+T2 step in every ten."""
        self._run(steps, interval=10)

    def check(self) -> dict:
        x1, y1, x2, y2, noise = self.problem.first_step()
        start = self._start()
        state = step.state_inputs(start, "float32")
        inputs = {name: pt.tensor(name, shape=a.shape, dtype=a.dtype) for name, a in _named(x1, y1, x2, y2, noise)}
        rate, count = np.float32(p.LEARNING_RATE), pt.constant(np.float32(1))
        rates = step.Rates(pt.constant(rate), {name: pt.constant(np.float32(p.HYPER_RATE)) for name in TUNED})
        new_state, _ = step.t1t2_step(
            self.config,
            self.network,
            state,
            step.Batch(inputs["x1"], inputs["y1"]),
            step.Batch(inputs["x2"], inputs["y2"]),
            {draw: inputs[f"noise{draw.position}"] for draw in draws(self.config, self.network)},
            rates,
            count,
            count,
        )
        names = [*TUNED, *self.network.weight_names]
        function = self.backend.function({**state, **inputs}, {name: new_state[name] for name in names})
        new = function({**start, **dict(_named(x1, y1, x2, y2, noise))})
        moved = [np.atleast_1d(start[name] - new[name]) for name in TUNED]
        return digest(np.concatenate(moved) / p.HYPER_RATE, [new[name] for name in self.network.weight_names])

    def _run(self, steps: int, interval: int) -> None:
        hyper_steps = -(-steps // interval)
        t1_rows, t2_rows = (
            np.broadcast_to(self.problem.rows(count, stream), (self.runs, count, self.problem.batch))
            for count, stream in ((steps, 3), (hyper_steps, 4))
        )
        self.population.epoch(self.step, 1 << 20, interval, t1_rows, t2_rows)
        self.population.state(("input_noise",))
        self.step += steps

    def _start(self) -> dict[str, np.ndarray]:
        state = step.initial_state(self.config, self.network)
        for i, (weights, bias) in enumerate(self.problem.start()):
            state[f"weights_{i}"], state[f"bias_{i}"] = weights, bias
        return state


def _config(problem) -> RunConfig:
    if isinstance(problem, ImageProblem):
        network = {"network": "all-cnn-c", "dataset": "cifar10", "width": problem.width, "hidden_noise": p.NOISE_LEVEL}
    else:
        network = {"hidden": problem.hidden, "hidden_noise": (p.NOISE_LEVEL,) * len(problem.hidden)}
    return run_config(
        **network,
        batch_size=problem.batch,
        input_noise=p.NOISE_LEVEL,
        tune=TUNED,
        learning_rate=p.LEARNING_RATE,
        noise_learning_rate=p.HYPER_RATE,
        hypergradient_clip=None,
        hypergradient_norm=None,
        schedule="constant",
        hyper_schedule="constant",
        t1_samples=problem.samples,
        t2_samples=problem.samples,
    )


def _named(x1, y1, x2, y2, noise):
    return [("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2), *((f"noise{i}", n) for i, n in enumerate(noise))]
