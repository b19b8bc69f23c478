"""Moments of an episode, as an agent remembers them, sees them and dreams of them."""

from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Memory(NamedTuple):
    """What an agent remembers of the episodes that it plays, after one of its steps; never changed.

    Keep it to come back to this moment, as often as you like.
    """

    carry: Any  # [E, ...] on the device
    action: Arrays | None  # [E, n] by key, chosen at this moment; None if none was yet
    index: int  # steps so far
    seed: int  # that all draws follow from, together with `index`
    rows: int  # E, the number of episodes
    single: bool  # of one observation, not of a batch


class View(NamedTuple):
    """What the model says of a moment; [E] in a batch, without that axis for one observation."""

    obs: Arrays  # [E, ...] the most likely observation, by key, as the agent sees it
    reward: np.ndarray  # [E] float32, expected with the observation
    continue_: np.ndarray  # [E] float32, probability to continue, times the discount
    value: np.ndarray  # [E] float32, the return that the critic expects from here


class Dream(NamedTuple):
    """Imagined futures: H steps, N futures; in a batch of E, that axis comes third.

    Entry t follows from action t.
    """

    action: Arrays  # [H, N, n] by key, as the agent has it
    obs: Arrays  # [H, N, ...] by key, as the agent sees it
    reward: np.ndarray  # [H, N] float32
    continue_: np.ndarray  # [H, N] float32, probability to continue, times the discount
    value: np.ndarray  # [H, N] float32
