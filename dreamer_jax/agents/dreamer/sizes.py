"""The size of a model that a machine can train, and what one step of it costs."""

import dataclasses

from dreamer_jax.agents.dreamer.config import SIZES, DreamerConfig
from dreamer_jax.machine import Machine
from dreamer_jax.spaces import Interface

USEFUL_RATE = 1_000  # replayed steps each second; at train ratio 32, an agent then acts at 31 Hz
# Operations of an update, for each replayed step: linear and quadratic in the width of layers, as
# counted in the traced updates of nano and 1m (experiments/bench, GFLOP).
LAYERS = (0.7e6, 1.7e6)
IMAGE = (6.6e6, 2.8e6)  # of 64 x 64 pixels
PIXELS = 64 * 64
UNITS = 16  # of a layer, for each unit of depth


def operations(config: DreamerConfig, interface: Interface) -> float:
    """Floating-point operations of an update, for each replayed step; about.

    Those of images grow with `depth` and the number of pixels, all others with `units`.
    """
    model = config.resolved().model
    images = sum(h * w for h, w, _ in interface.obs.images.values()) / PIXELS
    return images * _polynomial(IMAGE, model.depth) + _polynomial(LAYERS, model.units / UNITS)


def _polynomial(coefficients: tuple[float, float], x: float) -> float:
    linear, quadratic = coefficients
    return linear * x + quadratic * x * x


def fitted(config: DreamerConfig, machine: Machine, interface: Interface) -> DreamerConfig:
    """The largest size, at most that of `config`, that learns USEFUL_RATE steps a second.

    It is nano where none does. Widths that `config` gives as numbers stay.
    """
    depths = sorted({depth for depth in SIZES.values() if depth < config.model.depth}, reverse=True)
    for depth in (config.model.depth, *depths):
        smaller = dataclasses.replace(config, model=dataclasses.replace(config.model, depth=depth))
        if machine.rate >= USEFUL_RATE * operations(smaller, interface):
            return smaller
    return smaller


def dtype(config: DreamerConfig) -> str:
    """The type to compute in."""
    return config.model.dtype


def name(config: DreamerConfig) -> str:
    """The name that --size has for the depth, or the depth."""
    depth = config.model.depth
    return next((name for name, each in SIZES.items() if each == depth), str(depth))
