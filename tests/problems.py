"""A small problem to take hypergradients of, and the same by finite differences."""

import numpy as np
import pytensor
import pytensor.tensor as pt
from conftest import need
from pytensor.compile.mode import Mode

from t1t2_pt import hypergradient
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import Network, mlp
from t1t2_pt.regularizers import REGULARIZERS

PLAIN = Mode(linker="py", optimizer="fast_compile")


def make_mlp(features, hidden, classes, batch_norm):
    return Network((features,), mlp(hidden), classes, batch_norm)


class Problem:
    """T1 and T2 costs of a small float64 network with values for everything in them.

    `levels` is "tied", "layer" or "map": what each hyperparameter has a number for.
    """

    def __init__(self, kinds=("noise", "l2"), levels="tied", network=None, seed=0, samples=8):
        rng = np.random.default_rng(seed)
        self.network = network or make_mlp(6, (5, 4), 3, True)
        self.kinds, self.levels = kinds, levels
        shapes = self.network.shapes()
        self.theta = {name: 0.7 * rng.standard_normal(shape) for name, shape in shapes.items()}
        maps = [shape[-1] for shape in self.network.activations]
        self.hidden_maps, self.l2_maps = maps[1:-1], [shapes[name][-1] for name in self.network.weight_names]
        self.hyper = {}
        if "noise" in kinds:
            self.hyper["input_noise"] = rng.uniform(0.1, 0.6, maps[0] if levels == "map" else ())
            self.hyper["hidden_noise"] = rng.uniform(0.1, 0.6, self.size(self.hidden_maps))
        if "l2" in kinds:
            self.hyper["l2"] = rng.uniform(0.01, 0.1, self.size(self.l2_maps))
        self.hyper = {name: np.asarray(value) for name, value in self.hyper.items()}
        self.noise = [rng.standard_normal((samples, *shape)) for shape in self.network.activations[:-1]]
        shape, classes = self.network.input_shape, self.network.classes
        self.batches = [
            (rng.standard_normal((samples, *shape)), rng.integers(0, classes, samples).astype("int32"))
            for _ in range(2)
        ]

    def size(self, maps):
        return {"tied": (), "layer": len(maps), "map": sum(maps)}[self.levels]

    def of_layer(self, value, maps, layer):
        """The level or levels of one layer, of values in any array library."""
        if self.levels == "tied":
            return value
        start = sum(maps[:layer])
        return value[layer] if self.levels == "layer" else value[start : start + maps[layer]]

    def graph(self):
        """Symbolic parameters, hyperparameters and both costs; data and noise are constants."""
        theta = {k: pt.tensor(k, shape=v.shape, dtype="float64") for k, v in self.theta.items()}
        hyper = {k: pt.tensor(k, shape=np.shape(v), dtype="float64") for k, v in self.hyper.items()}
        (x1, y1), (x2, y2) = self.batches

        def perturb(i, h):
            if "noise" not in self.kinds:
                return h
            level = hyper["input_noise"] if i == 0 else self.of_layer(hyper["hidden_noise"], self.hidden_maps, i - 1)
            return REGULARIZERS["input_noise"].perturb(h, pt.constant(self.noise[i]), level)

        logits = self.network.logits(theta, pt.constant(x1), perturb)
        train = costs.cross_entropy(logits, pt.constant(y1))
        if "l2" in self.kinds:
            weights = [theta[name] for name in self.network.weight_names]
            strengths = [self.of_layer(hyper["l2"], self.l2_maps, i) for i in range(len(weights))]
            train = train + REGULARIZERS["l2"].penalty(weights, strengths)
        logits = self.network.logits(theta, pt.constant(x2))
        return theta, hyper, train, costs.cross_entropy(logits, pt.constant(y2))

    def hypergradient(self, **options):
        theta, hyper, train, val = self.graph()
        g = hypergradient(train, val, list(theta.values()), list(hyper.values()), **options)
        function = pytensor.function([*theta.values(), *hyper.values()], g, mode=PLAIN)
        return function(*self.theta.values(), *self.hyper.values())

    def cost_after_update(self):
        """(hyperparameters, eta) -> C2(theta - eta * grad C1~), by nothing but first derivatives."""
        theta, hyper, train, val = self.graph()
        gradient = pytensor.function(
            [*theta.values(), *hyper.values()], pt.grad(train, list(theta.values())), mode=PLAIN
        )
        after = pytensor.function(list(theta.values()), val, mode=PLAIN)

        def cost(values, eta):
            g = gradient(*self.theta.values(), *values.values())
            return float(after(*(t - eta * d for t, d in zip(self.theta.values(), g, strict=True))))

        return cost


def by_finite_differences(problem, eta, delta=1e-3):
    """d C2(theta - eta grad C1~) / d lambda / eta, central to fourth order in lambda and to second in eta."""
    cost = problem.cost_after_update()
    results = []
    for name, value in problem.hyper.items():
        result = np.zeros_like(value)
        for index in np.ndindex(np.shape(value)):

            def difference(step, eta, name=name, index=index):
                moved = {k: v.copy() for k, v in problem.hyper.items()}
                moved[name][index] += step
                up = cost(moved, eta)
                moved[name][index] -= 2 * step
                return (up - cost(moved, eta)) / (2 * step)

            def derivative(eta, difference=difference):
                return (4 * difference(delta / 2, eta) - difference(delta, eta)) / 3

            # An odd function of eta to leading order: the even part is the change of grad C2 along the update.
            first = (derivative(eta) - derivative(-eta)) / (2 * eta)
            second = (derivative(2 * eta) - derivative(-2 * eta)) / (4 * eta)
            result[index] = (4 * first - second) / 3
        results.append(result)
    return results


def eq3_by_hand(problem, forward):
    """Eq. 3 written from the paper with jax.numpy and jax.vjp, around `forward(theta, x, hyper=None)` to logits."""
    import jax
    import jax.numpy as jnp

    (x1, y1), (x2, y2) = problem.batches

    def nll(logits, y):
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(y)), y])

    def c1(theta, hyper):
        penalty = 0.0
        if "l2" in hyper:
            for layer, name in enumerate(problem.network.weight_names):
                strength = problem.of_layer(hyper["l2"], problem.l2_maps, layer)
                penalty += jnp.sum(strength * theta[name] ** 2)
        return nll(forward(theta, x1, hyper), y1) + penalty

    with jax.enable_x64(True):
        theta, hyper = ({k: jnp.asarray(v) for k, v in d.items()} for d in (problem.theta, problem.hyper))
        v = jax.grad(lambda t: nll(forward(t, x2), y2))(theta)
        _, pull = jax.vjp(lambda h: jax.grad(c1)(theta, h), hyper)
        (result,) = pull(v)
        return [-np.asarray(result[k]) for k in problem.hyper]


_functions = {}


def by_backend(backend, key, make):
    """What a backend makes of (inputs, outputs), once for each key; skips the test where it is not installed."""
    found = need(backend)
    if (backend, key) not in _functions:
        _functions[backend, key] = found.function(*make())
    return _functions[backend, key]
