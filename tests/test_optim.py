"""LaProp with adaptive clipping against a loop in NumPy."""

import dataclasses
from typing import Any

import jax
import numpy as np
import optax
import pytest

from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.nn import optim

Tree = dict[str, np.ndarray]

CONFIG = dataclasses.asdict(Optimizer(learning_rate=0.01, warmup=3))


def parameters() -> Tree:
    generator = np.random.default_rng(0)
    shapes = {"matrix": (4, 6), "kernel": (3, 3, 2, 4), "scale": (6,)}
    tree = {name: generator.normal(size=shape) for name, shape in shapes.items()}
    return {**tree, "zeros": np.zeros(5), "still": np.ones(2)}


def gradients(step: int) -> Tree:
    """Ordinary, huge, tiny, none at all, ordinary; `still` never gets any."""
    generator = np.random.default_rng(100 + step)
    size = (1.0, 100.0, 1e-9, 0.0, 1.0)[step]
    tree = {name: size * generator.normal(size=x.shape) for name, x in parameters().items()}
    return {**tree, "still": np.zeros(2)}


def clipped(gradient: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    limit = 0.3 * max(1e-3, float(np.sqrt((parameter**2).sum())))
    return gradient / max(1.0, float(np.sqrt((gradient**2).sum())) / limit)


def arrays(tree: Tree) -> Tree:
    return {name: np.asarray(x, np.float32) for name, x in tree.items()}


def stepped(
    optimizer: optax.GradientTransformation, gradients: Tree, state: Any, params: Tree
) -> tuple[Tree, Any]:
    """What to add to the parameters, and the next state."""
    updates: Any
    updates, state = optimizer.update(arrays(gradients), state, params)
    return jax.tree.map(np.asarray, updates), state


def test_laprop_against_a_loop() -> None:
    optimizer = optim.laprop(**CONFIG)
    params = arrays(parameters())
    state = optimizer.init(params)
    expected = parameters()
    square = {name: np.zeros_like(x) for name, x in expected.items()}
    momentum = {name: np.zeros_like(x) for name, x in expected.items()}
    for step in range(5):
        updates, state = stepped(optimizer, gradients(step), state, params)
        params = {name: x + updates[name] for name, x in params.items()}
        rate = 0.01 * min(1.0, step / 3)
        for name, gradient in gradients(step).items():
            g = clipped(gradient, expected[name])
            square[name] = 0.999 * square[name] + 0.001 * g**2
            scaled = g / (np.sqrt(square[name] / (1 - 0.999 ** (step + 1))) + 1e-20)
            momentum[name] = 0.9 * momentum[name] + 0.1 * scaled
            change = -rate * momentum[name] / (1 - 0.9 ** (step + 1))
            np.testing.assert_allclose(updates[name], change, rtol=3e-4, atol=1e-7)
            expected[name] = expected[name] + change
    np.testing.assert_array_equal(params["still"], np.ones(2))


def test_the_first_update_changes_nothing() -> None:
    optimizer = optim.laprop(**CONFIG)
    params = arrays(parameters())
    updates, _ = stepped(optimizer, gradients(0), optimizer.init(params), params)
    assert not any(update.any() for update in updates.values())


def test_warm_up_is_linear_then_constant() -> None:
    optimizer = optim.laprop(**CONFIG)
    params = {"x": np.ones(3, np.float32)}
    state, steps = optimizer.init(params), []
    for _ in range(6):
        updates, state = stepped(optimizer, {"x": np.full(3, 0.1)}, state, params)
        steps.append(-updates["x"][0])  # a constant gradient is normalized to 1
    np.testing.assert_allclose(steps, np.array([0, 1, 2, 3, 3, 3]) * 0.01 / 3, rtol=1e-3)


@pytest.mark.parametrize(
    ("gradient", "parameter", "expected"),
    [
        ([3.0, 4.0], [0.0, 10.0], [1.8, 2.4]),  # norm 5, limit 3
        ([0.3, 0.4], [0.0, 10.0], [0.3, 0.4]),  # within the limit
        ([3.0, 4.0], [0.0, 0.0], [1.8e-4, 2.4e-4]),  # the floor, 0.3 * 1e-3
    ],
)
def test_clipping_by_hand(
    gradient: list[float], parameter: list[float], expected: list[float]
) -> None:
    clip = optim.clip_per_tensor(clip=0.3, floor=1e-3)
    tree = arrays({"x": np.array(parameter)})
    updates, _ = stepped(clip, {"x": np.array(gradient)}, clip.init(tree), tree)
    np.testing.assert_allclose(updates["x"], expected, rtol=1e-6)


def test_tensors_are_clipped_one_by_one() -> None:
    clip = optim.clip_per_tensor(clip=0.3, floor=1e-3)
    tree = arrays({"huge": np.ones((2, 3)), "small": np.ones(4)})
    slopes = arrays({"huge": np.full((2, 3), 1e3), "small": np.full(4, 1e-3)})
    updates, _ = stepped(clip, slopes, clip.init(tree), tree)
    np.testing.assert_allclose(np.linalg.norm(updates["huge"]), 0.3 * np.sqrt(6), rtol=1e-5)
    np.testing.assert_array_equal(updates["small"], slopes["small"])
