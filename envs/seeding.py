"""One seed for every episode, so that an episode depends on its seed and actions alone."""

import numpy as np


def episode_seed(seed: int, index: int, episode: int) -> int:
    """The seed of one episode, in [0, 2**31).

    Args:
        seed: seed of the run, not negative.
        index: row of the environment copy, 0 <= index < E.
        episode: number of the episode within that copy, counted from 0.

    Raises:
        ValueError: an argument is negative.
    """
    if min(seed, index, episode) < 0:
        raise ValueError(
            f"seed, index and episode must not be negative, got {(seed, index, episode)}"
        )
    # The spawn key is hashed separately from the entropy: (1, 0, 2) and (0, 1, 2) differ.
    sequence = np.random.SeedSequence(int(seed), spawn_key=(int(index), int(episode)))
    # 31 bits: emulators hold their seed in a signed 32-bit integer.
    return int(sequence.generate_state(1)[0] >> 1)
