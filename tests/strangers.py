"""Twenty functions of somebody who uses PyTensor, compiled with or without our package imported before.

`python tests/strangers.py WITH OUTPUTS`: for each linker and function a line of JSON with what its graph has
become, and for the linkers in OUTPUTS (comma-separated) with what it computes. WITH is a module to import, or `-`.
"""

import hashlib
import importlib
import json
import sys
import warnings

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode, get_mode

warnings.simplefilter("ignore")
MODES = {"numba": get_mode("NUMBA"), "c": Mode("cvm", "fast_run"), "jax": get_mode("JAX")}


def functions():
    """Inputs, output and values by name: products, norms, scans, convolutions and what is usual beside them."""
    rng = np.random.default_rng(0)
    values = {}

    def tensor(name, *shape, dtype="float64", known=True):
        values[name] = (rng.standard_normal(shape) * 2).astype(dtype)
        return pt.tensor(name, shape=shape if known else (None,) * len(shape), dtype=dtype)

    a, b, c = tensor("a", 4, 30), tensor("b", 30, 3), tensor("c", 3, 20)
    f, g, h = (tensor(n, *s, dtype="float32") for n, s in (("f", (4, 30)), ("g", (30, 3)), ("h", (3, 20))))
    p, q = tensor("p", 5, 4, known=False), tensor("q", 4, 5, known=False)
    i, j = (tensor(n, *s, dtype="int8") for n, s in (("i", (4, 30)), ("j", (30, 3))))
    m, n = (tensor(name, *s, dtype="bool") for name, s in (("m", (4, 30)), ("n", (30, 3))))
    v, w, s = tensor("v", 30), pytensor.shared(rng.standard_normal((30, 3)), name="w"), tensor("s")
    image, kernel = tensor("image", 1, 8, 8), tensor("kernel", 1, 3, 3)
    batch = tensor("batch", 2, 30, 3)
    labels = pt.constant(np.array([0, 2, 1, 0]))
    begin, turn, back = tensor("begin", 5), tensor("turn", 5, 5), tensor("back", 5, 5)
    states, _ = pytensor.scan(lambda h: pt.tanh(h @ (turn @ back)), outputs_info=[begin], n_steps=4)
    logits = a @ w
    loss = -pt.special.log_softmax(logits, axis=1)[pt.arange(4), labels].mean()
    return values, {
        "chain": ([a, b, c], a @ (b @ c)),
        "chain, product used twice": ([a, b, c], (a @ (b @ c)).sum() + (b @ c).max()),
        "chain in float32": ([f, g, h], f @ (g @ h)),
        "scaled chain": ([a, b, c, s], (a * s) @ ((b @ c) / s)),
        "chain of sums": ([a, b, c], a @ (b @ c + 1.0)),
        "whole numbers": ([i, j, c], (i @ j) @ c.astype("int8")),
        "truth values": ([m, n, c, s], ((m @ n) * s) @ c),
        "unknown sizes": ([p, q], p @ (q @ p)),
        "square of a norm": ([b, c], ((b @ c) ** 2).sum()),
        "norm": ([g, h], pt.sqrt(pt.sum((g @ h) * (g @ h)))),
        "linalg norm": ([b, c], pt.linalg.norm(b @ c)),
        "inner product": ([b, c], ((b @ c) * pt.ones((30, 20))).sum()),
        "sum of squares of a gradient": ([a], pt.sqr(pt.grad(pt.sqr(a @ w).mean(), w)).sum()),
        "softmax regression": ([a], pt.grad(loss, w)),
        "hessian times vector": ([a, v], pt.grad((pt.grad(pt.sqr(pt.tanh(a @ v)).sum(), v) * v).sum(), v)),
        "batched": ([batch, c, a], a @ (batch @ c)),
        "scan": ([begin, turn, back], states),
        "gradient through scan": ([begin, turn, back], pt.grad(states.sum(), turn)),
        "convolution": ([image, kernel], pt.signal.convolve2d(image[0], kernel[0], mode="valid")),
        "element-wise": ([a, s], pt.log1p(pt.exp(a * s)).sum(axis=0)),
    }


def _computed(inputs, output, mode, values) -> str:
    try:
        result = pytensor.function(inputs, output, mode=mode)(*(values[x.name] for x in inputs))
    except NotImplementedError as error:  # PyTensor has no convolution for JAX
        return str(error)
    return hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest()


def main() -> None:
    """See the module."""
    module, outputs = sys.argv[1:]
    if module != "-":
        importlib.import_module(module)
    values, found = functions()
    for linker, mode in MODES.items():
        for name, (inputs, output) in found.items():
            # The linker's rewrites without its compiler, which takes seconds for each.
            rewritten = pytensor.function(inputs, output, mode=Mode("py", mode.provided_optimizer))
            line = [linker, name, pytensor.dprint(rewritten, file="str")]
            if linker in outputs.split(","):
                line.append(_computed(inputs, output, mode, values))
            print(json.dumps(line))


if __name__ == "__main__":
    main()
