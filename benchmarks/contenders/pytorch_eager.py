"""PyTorch by hand, eager: double backward for the mixed derivative, the fused Adam."""

import numpy as np
import torch

from benchmarks import problem as p
from benchmarks.problem import ImageProblem, Problem, digest


class Contender:
    def __init__(self, problem: Problem | ImageProblem):
        self.problem = problem
        self.shapes = [(problem.batch, *shape) for shape in problem.activations]
        self._logits = self._image_logits if isinstance(problem, ImageProblem) else self._feature_logits
        x, y = problem.data()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.x, self.y = self._tensor(x), self._tensor(y).long()
        self._start()

    def t1(self, steps: int) -> None:
        self._run(steps, tune=False)

    def t1t2(self, steps: int) -> None:
        self._run(steps, tune=True)

    def check(self) -> dict:
        x1, y1, x2, y2, noise = self.problem.first_step()
        x1, x2 = self._tensor(x1), self._tensor(x2)
        y1, y2 = self._tensor(y1).long(), self._tensor(y2).long()
        hypergradients = self._step((x1, y1), (x2, y2), [self._tensor(n) for n in noise])
        result = digest(hypergradients.tolist(), [w.detach().cpu().numpy() for w in self.parameters[::2]])
        self._start()
        return result

    def _tensor(self, array):
        return torch.from_numpy(array).to(self.device)

    def _parameter(self, array):
        if array.ndim == 4:  # filters [out, in, height, width], as the library has them
            array = np.ascontiguousarray(array.transpose(3, 2, 0, 1))
        return self._tensor(array).clone().requires_grad_()

    def _start(self) -> None:
        self.parameters = [self._parameter(a) for layer in self.problem.start() for a in layer]
        self.levels = torch.full((self.problem.levels,), p.NOISE_LEVEL, device=self.device)
        self.levels.requires_grad_()
        self.adam = torch.optim.Adam(self.parameters, lr=p.LEARNING_RATE, betas=(p.BETA1, p.BETA2), fused=True)

    def _run(self, steps: int, tune: bool) -> None:
        one, two = (torch.from_numpy(self.problem.rows(steps, stream)).long() for stream in (3, 4))
        for i in range(steps):
            noise = [torch.randn(shape, device=self.device) for shape in self.shapes]
            t1 = self.x[one[i]], self.y[one[i]]
            self._step(t1, (self.x[two[i]], self.y[two[i]]) if tune else None, noise)
        if self.device == "cuda":
            torch.cuda.synchronize()

    def _step(self, t1, t2, noise):
        cost = self._cost(*t1, noise)
        hypergradients = None
        if t2 is None:
            gradients = torch.autograd.grad(cost, self.parameters)
        else:
            gradients = torch.autograd.grad(cost, self.parameters, create_graph=True)
            direction = _clipped(torch.autograd.grad(self._cost(*t2), self.parameters))
            (hypergradients,) = torch.autograd.grad(gradients, self.levels, direction)
            hypergradients = -hypergradients
        gradients = [g.detach() for g in gradients]
        for g in gradients:
            torch.nan_to_num_(g, nan=0.0, posinf=0.0, neginf=0.0)
        for parameter, g in zip(self.parameters, _clipped(gradients), strict=True):
            parameter.grad = g
        self.adam.step()
        if hypergradients is not None:
            with torch.no_grad():
                self.levels.sub_(p.HYPER_RATE * hypergradients).clamp_(min=0)
        return hypergradients

    def _cost(self, x, y, noise=None):
        return torch.nn.functional.cross_entropy(self._logits(x, noise), y)

    def _feature_logits(self, x, noise):
        *hidden, last_weights, last_bias = self.parameters

        def perturb(i, h):
            return h if noise is None else torch.addcmul(h, self.levels[i], noise[i])

        h = x
        for i, (weights, bias) in enumerate(zip(hidden[::2], hidden[1::2], strict=True)):
            h = torch.relu(_normalised(perturb(i, h) @ weights, 0) + bias)
        return torch.addmm(last_bias, perturb(len(hidden) // 2, h), last_weights)

    def _image_logits(self, x, noise):
        h = x.permute(0, 3, 1, 2)
        layers = list(zip(self.parameters[::2], self.parameters[1::2], self.problem.layers, strict=True))
        for i, (filters, bias, (_, _, stride, around)) in enumerate(layers):
            if noise is not None:
                h = torch.addcmul(h, self.levels[min(i, 1)], noise[i].permute(0, 3, 1, 2))
            z = torch.nn.functional.conv2d(h, filters, None, stride, around)
            if i == len(layers) - 1:
                return (z + bias[:, None, None]).mean((2, 3))
            h = torch.relu(_normalised(z, (0, 2, 3)) + bias[:, None, None])
        return None


def _normalised(z, axes):
    # By hand: the library's batch_norm has no second derivative without a learned scale.
    centred = z - z.mean(axes, keepdim=True)
    return centred * torch.rsqrt((centred * centred).mean(axes, keepdim=True) + p.NORM_EPSILON)


def _clipped(gradients):
    norms = torch.stack(torch._foreach_norm(gradients))
    scales = torch.where(norms > p.LARGEST_NORM, p.LARGEST_NORM / norms, torch.ones_like(norms))
    return torch._foreach_mul(list(gradients), list(scales.unbind()))
