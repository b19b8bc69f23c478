"""Runs whose progress can be seen: a bar that grows, in front of noise that says nothing."""

import jax.numpy as jnp
import numpy as np

from dreamer_jax.spaces import Interface, Spaces
from dreamer_jax.types import Clips, Step

SIDE = 16
IMAGE = (SIDE, SIDE, 3)
INTERFACE = Interface(obs=Spaces(images={"image": IMAGE}), act=Spaces())


def clips(seed: int, *, length: int = 12, runs: int = 8, piece: int = 1) -> Clips:
    """Pieces of successive steps at random moments of runs of different durations and colors."""
    random = np.random.default_rng(seed)
    duration = random.integers(100, 200, runs)
    pieces = [np.sort(random.choice(n // piece, length // piece, replace=False)) for n in duration]
    time = np.repeat(piece * np.stack(pieces, 1), piece, axis=0)
    time += np.arange(length)[:, None] % piece
    images = random.integers(0, 100, (length, runs, *IMAGE)).astype(np.uint8)
    grown = 1 + time / duration * (SIDE - 2)
    full = np.clip(grown[..., None] - np.arange(SIDE), 0, 1)[:, :, None, :, None]  # of each pixel
    color = random.integers(150, 256, (runs, 1, 1, 3))
    images[:, :, 6:10] = full * color + (1 - full) * images[:, :, 6:10] / 2
    steps = Step(
        obs={"image": jnp.asarray(images)},
        action={},
        reward=jnp.zeros(time.shape),
        is_first=jnp.asarray(time == 0),
        is_last=jnp.asarray(time == duration - 1),
        is_terminal=jnp.zeros(time.shape, bool),
        events={},
    )
    return Clips(
        steps=steps, time=jnp.asarray(time, jnp.int32), duration=jnp.asarray(duration, jnp.int32)
    )
