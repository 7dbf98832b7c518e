"""The least that any program must do: the matrix products in NumPy's BLAS, and a pass over the optimiser.

Of a T1+T2 step these are the products after re-association, so that fewer are not known. The pass
reads the gradient and reads and writes parameters and both moments once.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.problem import CLASSES, Problem

CORES = os.cpu_count() or 1
BLOCK = 1 << 15


class Contender:
    def __init__(self, problem: Problem):
        self.problem = problem
        self.pool = ThreadPoolExecutor(CORES)
        self.results: dict[tuple[int, int], np.ndarray] = {}
        rng = np.random.default_rng(0)
        self.weights = [w for w, _ in problem.start()]
        self.h = [rng.standard_normal((problem.batch, n), dtype=np.float32) for n in problem.sizes]
        self.gradient, self.parameters, self.first, self.second = np.ones((4, problem.parameters), np.float32)

    def t1(self, steps: int) -> None:
        for _ in range(steps):
            self._pass()
            for i in range(len(self.weights)):
                self._product(self.h[i].T, self.h[i + 1])  # gradient of the weights
            self._optimise()

    def t1t2(self, steps: int) -> None:
        for _ in range(steps):
            self.t1(1)
            self._pass()  # T2
            self._pass(first=1, input_gradient=True)  # tangent forward, its adjoint backward
            for h, next_h in zip(self.h, self.h[1:], strict=False):
                if next_h.shape[1] == CLASSES:
                    v = self._product(h.T, next_h)
                    self._product(h, v)
                    self._product(next_h, v.T)
                    continue
                for one, other in ((h, next_h), (next_h, h)):
                    self._product(one, one.T)  # for the norm
                    self._product(self._product(one, one.T), other)

    def _pass(self, first: int = 0, input_gradient: bool = False) -> None:
        for i in range(first, len(self.weights)):
            self._product(self.h[i], self.weights[i])
        for i in range(0 if input_gradient else 1, len(self.weights)):
            self._product(self.h[i + 1], self.weights[i].T)

    def _product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        # Into memory that is there: fresh pages would cost as much as the smaller products.
        shape = a.shape[0], b.shape[1]
        if shape not in self.results:
            self.results[shape] = np.empty(shape, np.float32)
        return np.matmul(a, b, out=self.results[shape])

    def _optimise(self) -> None:
        for _ in self.pool.map(
            self._optimise_part, np.array_split(np.arange(0, self.problem.parameters, BLOCK), CORES)
        ):
            pass

    def _optimise_part(self, starts: np.ndarray) -> None:
        # A block at a time, small enough to stay in the cache between the operations.
        for start in starts:
            block = slice(start, start + BLOCK)
            g, w = self.gradient[block], self.parameters[block]
            self.first[block] += g
            self.second[block] += g
            w += self.first[block]
