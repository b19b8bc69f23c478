"""Which kind each space is of."""

import gymnasium.spaces as gym
import numpy as np
import pytest

from dreamer_jax import spaces
from dreamer_jax.spaces import Spaces
from envs.kinds import Bits, Choice, Image, Symbols, Text, Vector

ITEMS, SLOTS = 64, 20


def test_every_kind_of_observation() -> None:
    """As each says: neither its length nor its classes tell a text from choices, or from bits."""
    seen = {
        "screen": Image(64, 64, 3),
        "mask": Image(48, 48, 1),
        "position": Vector(3),
        "map": Choice([256]),
        "mixed": Choice([2, 3]),
        "bag": Choice([ITEMS] * SLOTS),
        "answer": Choice([2]),
        "badges": Bits(40),
        "door": Bits(1),
        "sign": Text(SLOTS, ITEMS),
        "letter": Text(1, 2),
        "board": Symbols(8, 9, 2, classes=13),
    }
    found = spaces.observations(seen)
    assert found == Spaces(
        images={"mask": (48, 48, 1), "screen": (64, 64, 3)},
        vectors={"position": 3},
        choices={"answer": (2,), "bag": (ITEMS,) * SLOTS, "map": (256,), "mixed": (2, 3)},
        bits={"badges": 40, "door": 1},
        texts={"letter": (1, 2), "sign": (SLOTS, ITEMS)},
        symbols={"board": (8, 9, 2, 13)},
    )
    assert found.keys == seen.keys()
    assert list(found.flat) == sorted(seen.keys() - {"mask", "screen", "sign", "letter", "board"})
    assert {k: x.shape[2:] for k, x in spaces.zeros(found, 4, 2).items()} == {
        key: space.shape for key, space in seen.items()
    }


@pytest.mark.parametrize(
    "space", [gym.Box(0, 255, (64, 64, 3), np.uint8), gym.MultiDiscrete([2, 2]), gym.Discrete(2)]
)
def test_a_space_that_does_not_say_its_kind_is_named(space: gym.Space) -> None:
    with pytest.raises(ValueError, match=r"'where' is .*kind is None.* image, vector, choice"):
        spaces.observations({"where": space})


def test_a_space_of_a_kind_that_it_cannot_be_is_named() -> None:
    class Wrong(gym.MultiDiscrete):
        kind = "bits"

    class Flat(gym.MultiDiscrete):
        kind = "symbols"

    with pytest.raises(ValueError, match=r"'where' is .*kind is 'bits'"):
        spaces.observations({"where": Wrong([2, 3])})
    for flat in ([3, 3], [[[2, 3]]]):
        with pytest.raises(ValueError, match=r"'where' is .*kind is 'symbols'"):
            spaces.observations({"where": Flat(np.array(flat))})


def test_actions_are_choices_or_numbers() -> None:
    """A policy has a head for each choice: an action of two classes is no bit."""
    acts = {"press": gym.MultiDiscrete([2] * 40), "turn": gym.Box(-1, 1, (2,), np.float32)}
    assert spaces.actions(acts) == Spaces(vectors={"turn": 2}, choices={"press": (2,) * 40})


@pytest.mark.parametrize("read", [spaces.observations, spaces.actions])
def test_spaces_of_no_known_kind_are_named(read) -> None:
    with pytest.raises(ValueError, match=r"'where'.*float64"):
        read({"where": gym.Box(0, 1, (2,), np.float64)})
