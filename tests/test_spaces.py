"""Which kind each space is of."""

import gymnasium.spaces as gym
import numpy as np
import pytest

from dreamer_jax import spaces
from dreamer_jax.spaces import ALPHABET, TEXT_LENGTH, Spaces

SIGN = [ALPHABET] * TEXT_LENGTH


def test_every_kind_of_observation() -> None:
    seen = {
        "screen": gym.Box(0, 255, (64, 64, 3), np.uint8),
        "mask": gym.Box(0, 255, (48, 48, 1), np.uint8),
        "position": gym.Box(-1, 1, (3,), np.float32),
        "map": gym.MultiDiscrete([256]),
        "types": gym.MultiDiscrete([28] * 40),
        "mixed": gym.MultiDiscrete([2, 3]),
        "badges": gym.MultiDiscrete([2] * 40),
        "door": gym.MultiDiscrete([2]),
        "sign": gym.MultiDiscrete(SIGN),
        "word": gym.MultiDiscrete(SIGN[1:]),
        "digits": gym.MultiDiscrete([ALPHABET - 1] * TEXT_LENGTH),
        "list": gym.MultiDiscrete([*SIGN, ALPHABET + 1]),
    }
    found = spaces.observations(seen)
    assert found == Spaces(
        images={"mask": (48, 48, 1), "screen": (64, 64, 3)},
        vectors={"position": 3},
        choices={
            "digits": (ALPHABET - 1,) * TEXT_LENGTH,
            "list": (*SIGN, ALPHABET + 1),
            "map": (256,),
            "mixed": (2, 3),
            "types": (28,) * 40,
            "word": tuple(SIGN[1:]),
        },
        bits={"badges": 40, "door": 1},
        texts={"sign": (TEXT_LENGTH, ALPHABET)},
    )
    assert found.keys == seen.keys()
    assert list(found.flat) == sorted(seen.keys() - {"mask", "screen", "sign"})
    assert {k: x.shape[2:] for k, x in spaces.zeros(found, 4, 2).items()} == {
        key: space.shape for key, space in seen.items()
    }


def test_actions_are_choices_or_numbers() -> None:
    """A policy has a head for each choice: an action of two classes is no bit."""
    acts = {"press": gym.MultiDiscrete([2] * 40), "turn": gym.Box(-1, 1, (2,), np.float32)}
    assert spaces.actions(acts) == Spaces({}, {"turn": 2}, {"press": (2,) * 40})


@pytest.mark.parametrize("read", [spaces.observations, spaces.actions])
def test_spaces_of_no_known_kind_are_named(read) -> None:
    with pytest.raises(ValueError, match=r"'where'.*float64"):
        read({"where": gym.Box(0, 1, (2,), np.float64)})
