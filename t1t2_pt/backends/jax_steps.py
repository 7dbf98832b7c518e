"""Steps of any graph on JAX: the values of shared variables stay on the device between the steps."""

import dataclasses
import warnings
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import graph_inputs
from pytensor.link.basic import Container

from t1t2_pt.backends.exported import Traceable, compiler_options, making, use_compilation_cache
from t1t2_pt.backends.jax_functions import jax_functions
from t1t2_pt.backends.shared_steps import SharedStep, Values
from t1t2_pt.system.errors import InputError

KEY = "jax_state"  # what PyTensor's random variables take of a generator under JAX
WORD = 32  # bits; a key has two


@dataclasses.dataclass(frozen=True)
class _Compiled:
    """A step's function of changing values, other ones and inputs, and the containers of the former by name."""

    function: Traceable
    changed: Mapping[str, Container]
    others: Mapping[str, Container]


class JaxSteps:
    """Compiled steps around values on the device; see `SharedSteps`.

    Parameters
    ----------
    precision
        Of matrix products.
    """

    def __init__(self, precision: str) -> None:
        self._precision = precision
        self._compiled: dict[SharedStep, _Compiled] = {}
        # By container, which a shared variable and its stand-ins have in common:
        self._held: dict[Container, Any] = {}  # on the device
        self._seen: dict[Container, object] = {}  # what was in it when the device had the same
        self._behind: set[Container] = set()  # has what was before the last step

    def __call__(self, step: SharedStep, values: Values) -> Values:
        import jax

        with jax.enable_x64(True):
            if step not in self._compiled:
                self._compiled[step] = self._made(step)
            compiled = self._compiled[step]
            changed, others = self._read(compiled.changed), self._read(compiled.others)
            new, outputs = compiled.function(changed, others, {name: values[name] for name in step.inputs})
            for name, container in compiled.changed.items():
                self._held[container] = new[name]
            self._behind.update(compiled.changed.values())
            return jax.device_get(outputs)

    def write_back(self, wanted: Collection[SharedVariable]) -> None:
        """Copies, which others may change."""
        import jax

        written = list(self._behind.intersection(shared.container for shared in wanted))
        values = jax.device_get([self._held[container] for container in written])
        for container, value in zip(written, values, strict=True):
            before = container.storage[0]
            now = _with_key(before, value[KEY]) if _is_generator(before) else np.array(value)
            container.storage[0] = self._seen[container] = now
        self._behind.difference_update(written)

    def _made(self, step: SharedStep) -> _Compiled:
        import jax

        use_compilation_cache()
        results = [*step.outputs.values(), *step.updates.values()]
        read = [variable for variable in graph_inputs(results) if isinstance(variable, SharedVariable)]
        names = {shared: f"shared {place}" for place, shared in enumerate(dict.fromkeys([*step.updates, *read]))}
        inputs: dict[str, Any] = {**{name: shared for shared, name in names.items()}, **step.inputs}
        new: dict[str, Any] = {names[shared]: variable for shared, variable in step.updates.items()}
        with making(), warnings.catch_warnings():
            # Checks of sizes that are not known; JAX has its own.
            warnings.filterwarnings("ignore", message="Skipping .* as JAX tracing would remove it")
            (function,) = jax_functions(inputs, [(new, step.outputs)], self._precision)

        def call(changed: Values, others: Values, values: Values) -> Any:
            return function({**changed, **others, **values})

        # What NumPy may look at must not be overwritten, and on a CPU it looks at the very memory.
        donated = () if jax.default_backend() == "cpu" else (0,)
        containers = {name: shared.container for shared, name in names.items()}
        return _Compiled(
            jax.jit(call, donate_argnums=donated, compiler_options=compiler_options()),
            {name: container for name, container in containers.items() if name in new},
            {name: container for name, container in containers.items() if name not in new},
        )

    def _read(self, containers: Mapping[str, Container]) -> Values:
        """Values on the device, put there again where a container has a new one."""
        import jax

        for container in containers.values():
            value = container.storage[0]
            if self._seen.get(container) is not value:
                self._held[container] = jax.device_put({KEY: _key(value)} if _is_generator(value) else np.array(value))
                self._seen[container] = value
                self._behind.discard(container)
        return {name: self._held[container] for name, container in containers.items()}


def _is_generator(value: object) -> bool:
    return isinstance(value, np.random.Generator)


def _key(generator: np.random.Generator) -> np.ndarray:
    """JAX's key, as PyTensor makes it: the lowest words of the generator's state."""
    state = generator.bit_generator.state["state"]
    if not isinstance(state.get("state"), int):
        kind = type(generator.bit_generator).__name__
        raise InputError("generator", kind, "is no generator that JAX can go on from", "give np.random.default_rng")
    return np.array([state["state"] >> shift & (1 << WORD) - 1 for shift in (0, WORD)], "uint32")


def _with_key(generator: np.random.Generator, key: np.ndarray) -> np.random.Generator:
    """A generator of the same kind that has this key."""
    state = generator.bit_generator.state
    low, high = map(int, key)
    state["state"]["state"] = state["state"]["state"] >> 2 * WORD << 2 * WORD | high << WORD | low
    bits = type(generator.bit_generator)(0)
    bits.state = state
    return np.random.Generator(bits)
