"""Spaces of Gymnasium as JSON, and observations and actions as its environments have them."""

import json
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from envs import space_json
from envs.gym_options import Options
from envs.native import Native, batch_size

BOUNDS = spaces.Box(np.array([-np.inf, 0], np.float32), np.array([1, np.inf], np.float32))
PIXELS = spaces.Box(0, 255, (40, 50, 3), np.uint8)
NESTED = spaces.Dict(
    camera=PIXELS,
    robot=spaces.Dict(arm=BOUNDS, gear=spaces.Discrete(5, start=-2)),
    flags=spaces.MultiBinary(3),
)
EVERY: list[Any] = [
    *(BOUNDS, PIXELS, NESTED, spaces.Discrete(4), spaces.MultiBinary((2, 3))),
    spaces.MultiDiscrete(np.array([[3, 2], [4, 4]]), start=np.array([[1, 0], [0, -1]])),
    spaces.Tuple((spaces.Text(7, min_length=2, charset="abc "), spaces.Discrete(2))),
    spaces.Box(-3, 9, (2, 2), np.int16),
]


@pytest.mark.parametrize("space", EVERY, ids=str)
def test_a_space_comes_back_from_json(space: Any) -> None:
    text = json.dumps(space_json.to_json(space), allow_nan=False)
    assert space_json.from_json(json.loads(text)) == space


def test_a_space_that_is_not_known_has_no_json() -> None:
    unknown = spaces.Sequence(spaces.Discrete(2))
    assert space_json.to_json(unknown) is None
    assert space_json.to_json(spaces.Dict(a=BOUNDS, b=unknown)) is None
    many = spaces.Box(np.zeros(20_000, np.float32), np.arange(1, 20_001, dtype=np.float32))
    assert space_json.to_json(many) is None


@pytest.mark.parametrize(
    "saved",
    [
        {},
        [],
        None,
        {"type": "Function"},
        {"type": "Box", "shape": [2], "dtype": "object", "low": 0, "high": 1},
        {"type": "Box", "shape": [-2], "dtype": "uint8", "low": 0, "high": 1},
        {"type": "Discrete", "n": "many", "start": 0},
        {"type": "Dict", "spaces": [1]},
    ],
    ids=str,
)
def test_what_is_no_space_is_refused(saved: Any) -> None:
    with pytest.raises(ValueError, match="is no space"):
        space_json.from_json(saved)


def stacked(space: Any, rows: list[Any]) -> Any:
    """A batch, as the vector environments of Gymnasium make it."""
    return concatenate(space, rows, create_empty_array(space, n=len(rows)))


@pytest.mark.parametrize("space", [BOUNDS, PIXELS, NESTED, spaces.Discrete(4), EVERY[6]], ids=str)
def test_one_observation_and_a_batch_are_told_apart(space: Any) -> None:
    space.seed(0)
    rows = [space.sample() for _ in range(3)]
    native = Native(space, spaces.Discrete(2), Options(size=32))
    ones = [native.encode(row) for row in rows]
    batch = native.encode(stacked(space, rows))
    assert not batch.single and all(one.single for one in ones)
    for key, array in batch.arrays.items():
        assert len(array) == 3 and array.shape[1:] == (native.obs_space[key].shape or ())
        np.testing.assert_array_equal(array, np.concatenate([one.arrays[key] for one in ones]))


ACTIONS: list[Any] = [
    spaces.Discrete(3, start=5),
    spaces.MultiDiscrete([2, 4]),
    spaces.Box(np.array([-2, 0], np.float32), np.array([2, 10], np.float32)),
    spaces.Dict(press=spaces.Discrete(2), turn=spaces.Box(-1, 1, (1,), np.float32)),
]


@pytest.mark.parametrize("space", ACTIONS, ids=str)
def test_actions_go_out_and_come_back(space: Any) -> None:
    native = Native(BOUNDS, space, Options())
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for key, each in native.act_space.items():
        if isinstance(each, spaces.MultiDiscrete):
            arrays[key] = generator.integers(0, each.nvec, (4, len(each.nvec))).astype(np.int32)
        else:
            arrays[key] = generator.uniform(-1, 1, (4, *(each.shape or ()))).astype(np.float32)
    batch = native.decode(arrays, single=False)
    assert batch_size(space, batch) == 4 and batch_space(space, 4).contains(batch)
    one = native.decode({key: x[:1] for key, x in arrays.items()}, single=True)
    assert space.contains(one)
    again, single = native.encode_action(batch)
    assert not single and native.encode_action(one).single
    for key, x in arrays.items():
        np.testing.assert_allclose(again[key], x, atol=1e-6)


@pytest.mark.parametrize(
    ("obs", "reason"),
    [
        (np.zeros(3), r"shape \[2\].*for N at once, got \[3\]|should be"),
        (np.zeros((2, 2, 2)), r"got \[2, 2, 2\]"),
        (np.array([0, np.nan]), "finite"),
        ("left", "got"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(obs: Any, reason: str) -> None:
    native = Native(BOUNDS, spaces.Discrete(2), Options())
    with pytest.raises(ValueError, match=reason):
        native.encode(obs)


def test_a_lack_is_named() -> None:
    native = Native(NESTED, spaces.Discrete(2), Options(size=32))
    with pytest.raises(ValueError, match="camera"):
        native.encode({"robot": {}})
    with pytest.raises(ValueError, match="no action of"):
        native.encode_action(7)
