"""Layers in NumPy, as the formulas have them, and random parameters for the real ones."""

from typing import Any

import jax
import numpy as np


def variables(net: Any, *inputs: Any) -> dict[str, Any]:
    """Parameters for a network, all of them random, biases and scales too."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda x: np.float32(0.3 * generator.normal(size=x.shape)), shapes)


def conv(x: np.ndarray, params: Any) -> np.ndarray:
    padded = np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)])
    patches = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (1, 2))
    return np.einsum("nhwcij,ijco->nhwo", patches, params["kernel"]) + params["bias"]


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def linear(x: np.ndarray, params: Any) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def logits(x: np.ndarray, params: Any) -> np.ndarray:
    return x @ params["kernel"] + 30 * params["bias"]


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def norm(x: np.ndarray, params: Any) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-4) * params["scale"]


def norm_act(x: np.ndarray, params: Any) -> np.ndarray:
    return silu(norm(x, params))
