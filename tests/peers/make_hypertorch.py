"""Makes `hypertorch.json`: hypergradients by hypertorch (Grazzi et al., 2020) of a small logistic regression.

Run it with a Python that has PyTorch and hypertorch's package `hypergrad`, as `benchmarks/make-torch` and
`pip install hypertorch`, or a clone of github.com/prolearner/hypertorch on PYTHONPATH, make one. The tests read the
file, and need neither.
"""

import importlib
import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
hypergrad = importlib.import_module("hypergrad")

SAMPLES, FEATURES, RATE, STEPS = 15, 4, 0.1, 6


def main() -> None:
    """Draw the problem and write it with its answers."""
    generator = torch.Generator().manual_seed(0)
    x, v = (torch.randn(SAMPLES, FEATURES, generator=generator) for _ in range(2))
    y, u = (torch.randint(0, 2, (SAMPLES,), generator=generator).to(torch.float64) for _ in range(2))
    start = torch.randn(FEATURES, generator=generator)
    level = torch.rand(FEATURES, generator=generator) * 0.5 + 0.1

    def train(params, hparams):
        error = torch.nn.functional.binary_cross_entropy_with_logits(x @ params[0], y)
        return error + (hparams[0] * params[0] ** 2).sum()

    def val(params, hparams):
        return torch.nn.functional.binary_cross_entropy_with_logits(v @ params[0], u)

    def update(params, hparams):
        (gradient,) = torch.autograd.grad(train(params, hparams), params, create_graph=True)
        return [params[0] - RATE * gradient]

    answers = {}

    def keep(name, method, params, **options):
        hparams = [level.clone().requires_grad_(True)]
        (gradient,) = method(params(hparams), hparams, outer_loss=val, set_grad=False, **options)
        answers[name] = gradient.detach().tolist()

    def here(hparams):
        return [start.clone().requires_grad_(True)]

    def way(hparams):
        states = [[start.clone().requires_grad_(True)]]
        for _ in range(STEPS):
            states.append(update(states[-1], hparams))
        return states

    keep("reverse_unroll", hypergrad.reverse_unroll, lambda hparams: way(hparams)[-1])
    keep("reverse", hypergrad.reverse, way, update_map_history=[update] * STEPS)
    # Where it stops by its tolerance it gives the iterate before the last: all steps are taken, which end at 0.
    keep("CG", hypergrad.CG, here, K=FEATURES, fp_map=update, tol=0.0)
    keep("fixed_point", hypergrad.fixed_point, here, K=5, fp_map=update, tol=0.0)
    problem = {"x": x, "v": v, "y": y, "u": u, "start": start, "level": level}
    content = {name: tensor.tolist() for name, tensor in problem.items()}
    content |= {"rate": RATE, "steps": STEPS, "terms": 5, "torch": torch.__version__, "answers": answers}
    pathlib.Path(__file__).with_name("hypertorch.json").write_text(json.dumps(content, indent=1) + "\n")


main()
