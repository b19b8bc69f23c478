"""Which keys of an observation are read, and how: pictures, symbols, options, refusals."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from envs import kinds
from envs.codecs import Actions, Observations
from envs.codecs.axes import likely

BOOL: Any = bool  # as the dtype of a box


def encoded(space: spaces.Space[Any], value: Any, kind: str = "") -> tuple[Any, np.ndarray]:
    """The agent's space of a whole observation, and the encoding of a value."""
    observations = Observations(space, 64, kinds=f"observation={kind}" if kind else "")
    ((key, agent_space),) = observations.spaces.items()
    array = observations.encode([value, value])[key]
    assert array.shape[0] == 2 and agent_space.contains(array[0])
    return agent_space, array[0]


@pytest.mark.parametrize("shape", [(84, 84, 3), (210, 160, 3), (3, 84, 84), (4, 84, 84), (84, 84)])
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint8, 0, 255),
        (np.float32, 0, 1),
        (np.float64, 0, 255),
        (np.float32, -1, 1),
        (np.float16, 0, 1),
        (np.uint16, 0, 65535),
        (np.int32, 0, 255),
        (np.int64, -100, 100),
    ],
)
def test_pictures_of_any_type_are_scaled_by_their_bounds(
    shape: tuple[int, ...], dtype: Any, low: int, high: int
) -> None:
    space = spaces.Box(low, high, shape, dtype)
    channels = {2: 1, 3: min(shape)}[len(shape)]
    for share in (0, 0.25, 1):
        value = np.full(shape, low + share * (high - low)).astype(dtype)
        agent_space, array = encoded(space, value)
        assert agent_space == kinds.Image(64, 64, channels)
        expected = 255 * (float(value.flat[0]) - low) / (high - low)
        np.testing.assert_allclose(array, expected, atol=0.5)


def test_stacks_of_pictures_join_their_channels() -> None:
    value = np.random.default_rng(0).uniform(-1, 1, (4, 64, 64, 3)).astype(np.float32)
    array = encoded(spaces.Box(-1, 1, value.shape), value)[1]
    for frame in range(4):
        expected = np.rint(255 * (value[frame] + 1) / 2)
        np.testing.assert_array_equal(array[..., 3 * frame : 3 * frame + 3], expected)


def test_pixels_beyond_their_bounds_do_not_wrap() -> None:
    value = np.linspace(-1, 2, 64 * 64, dtype=np.float32).reshape(64, 64)
    array = encoded(spaces.Box(0, 1, (64, 64)), value)[1].ravel()
    assert array[0] == 0 and array[-1] == 255 and (np.diff(array.astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((5,), (1, 5, 1)),
        ((1, 1), (1, 1, 1)),
        ((10, 10, 1), (10, 10, 1)),
        ((7, 7, 3), (7, 7, 3)),
        ((3, 7, 7), (7, 7, 3)),
        ((6, 7, 2), (6, 7, 2)),
        ((2, 6, 7), (6, 7, 2)),
        ((5, 4, 26), (5, 4, 26)),
        ((8, 8, 111), (8, 8, 111)),
        ((4, 10, 10, 1), (10, 10, 4)),
        ((4, 2, 9, 9), (9, 9, 8)),
    ],
)
def test_axes_of_a_grid(shape: tuple[int, ...], grid: tuple[int, int, int]) -> None:
    found = likely(shape)
    assert found is not None and found.shape == grid
    value = np.arange(math.prod(shape)).reshape(1, *shape)
    assert sorted(found.arrange(value).ravel().tolist()) == list(range(value.size))
    assert likely((2, 2, 2, 2, 2)) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
@pytest.mark.parametrize("low", [0, -3])
def test_whole_numbers_of_few_values_are_symbols(dtype: Any, low: int) -> None:
    if low < 0 and dtype == np.uint8:
        return
    space = spaces.Box(low, low + 5, (3, 10, 10), dtype)
    value = np.random.default_rng(0).integers(low, low + 6, space.shape).astype(dtype)
    agent_space, array = encoded(space, value)
    assert type(agent_space) is kinds.Symbols and agent_space == kinds.Symbols(10, 10, 3, classes=6)
    np.testing.assert_array_equal(array, np.moveaxis(value, 0, -1) - low)
    beyond = encoded_unchecked(space, np.full(space.shape, 100, dtype))
    assert (beyond == 5).all()


@pytest.mark.parametrize("high", [1, 3])
def test_classes_beyond_the_bounds_are_the_nearest(high: int) -> None:
    space = spaces.Box(0, high, (3,), np.int64)
    assert encoded_unchecked(space, np.array([-1, 1, 9])).tolist() == [0, 1, high]


def encoded_unchecked(space: spaces.Space[Any], value: Any) -> np.ndarray:
    (array,) = Observations(space, 64).encode([value]).values()
    return array[0]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Box(0, 1, (9,), np.int8), kinds.Bits(9)),
        (spaces.Box(0, 1, (), np.int32), kinds.Bits(1)),
        (spaces.Box(0, 1, (3,), BOOL), kinds.Bits(3)),
        (spaces.Box(-1, 1, (4,), np.int64), kinds.Choice([3] * 4)),
        (spaces.Box(np.array([0, 5]), np.array([2, 9]), dtype=np.int64), kinds.Choice([3, 5])),
        (spaces.Box(0, 31, (200,), np.uint8), kinds.Vector(200)),  # too many classes
        (spaces.Box(0, 99, (2, 3), np.int64), kinds.Vector(6)),
        (spaces.Box(0, 255, (7, 7, 3), np.uint8), kinds.Vector(147)),
        (spaces.Box(0, 1, (5, 5, 2), BOOL), kinds.Symbols(5, 5, 2, classes=2)),
        (spaces.Box(0, 31, (64, 64), np.uint8), kinds.Symbols(64, 64, 1, classes=32)),
        (spaces.Box(0, 1, (84, 84), np.uint8), kinds.Image(64, 64, 1)),  # too many cells
        (spaces.Box(0, 5, (64, 96, 3), np.uint8), kinds.Image(64, 64, 3)),
        (spaces.Box(-np.inf, np.inf, (), np.float64), kinds.Vector(1)),
        (spaces.Box(-1, 1, (2, 1, 2, 1, 2)), kinds.Vector(8)),
        (spaces.Discrete(1), kinds.Choice([1])),
        (spaces.Discrete(5, dtype=np.int8), kinds.Choice([5])),
        (spaces.MultiBinary((2, 3)), kinds.Bits(6)),
        (spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])), kinds.Choice([2, 3, 4, 5])),
        (spaces.Text(5, min_length=0, charset=""), kinds.Text(5, 2)),
        (kinds.Symbols(3, 7, 7, classes=4), kinds.Symbols(3, 7, 7, classes=4)),
    ],
    ids=str,
)
def test_every_space_has_a_kind(space: spaces.Space[Any], expected: Any) -> None:
    found, _ = encoded(space, space.sample())
    assert type(found) is type(expected) and found == expected


def test_few_values_too_many_for_symbols_are_bright_pictures() -> None:
    _, array = encoded(spaces.Box(0, 5, (96, 96, 3), np.uint8), np.full((96, 96, 3), 5, np.uint8))
    assert (array == 255).all()


def test_texts_outside_of_their_space() -> None:
    space = spaces.Text(4, charset="abc")
    assert encoded(space, "a?cé")[1].tolist() == [1, 4, 3, 4]
    assert encoded(space, "abcabc")[1].tolist() == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("space", "kind", "expected"),
    [
        (spaces.Box(0, 255, (7, 7, 3), np.uint8), "symbols", kinds.Symbols(7, 7, 3, classes=256)),
        (spaces.Box(0, 3, (5, 5)), "symbols", kinds.Symbols(5, 5, 1, classes=4)),
        (spaces.MultiBinary((8, 9)), "symbols", kinds.Symbols(8, 9, 1, classes=2)),
        (spaces.MultiDiscrete(np.array([[3, 4]])), "symbols", kinds.Symbols(1, 2, 1, classes=4)),
        (spaces.Box(0, 1, (300, 200), np.uint8), "symbols", kinds.Symbols(300, 200, 1, classes=2)),
        (spaces.Box(0, 5, (10, 10, 1), np.uint8), "image", kinds.Image(64, 64, 1)),
        (spaces.Box(0, 5, (40, 40, 40), np.uint8), "image", kinds.Image(64, 64, 40)),
        (spaces.Box(0, 5, (2, 3, 1), np.uint8), "vector", kinds.Vector(6)),
        (spaces.Box(0, 1, (64, 64, 3)), "vector", kinds.Vector(12288)),
        (spaces.Discrete(2**40), "vector", kinds.Vector(1)),
        (spaces.MultiBinary(3), "choice", kinds.Choice([2, 2, 2])),
        (spaces.Box(0, 300, (2,), np.int64), "choice", kinds.Choice([301, 301])),
        (spaces.Box(0, 1, (2, 2), np.int64), "bits", kinds.Bits(4)),
        (spaces.MultiDiscrete([50_000] * 64), "text", kinds.Text(64, 50_000)),
        (spaces.Text(4, charset="ab"), "text", kinds.Text(4, 4)),
    ],
    ids=str,
)
def test_kinds_as_asked(space: spaces.Space[Any], kind: str, expected: Any) -> None:
    found, _ = encoded(space, space.sample(), kind)
    assert type(found) is type(expected) and found == expected


class Draws:
    """Random spaces."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)

    def number(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high))

    def box(self) -> spaces.Space[Any]:
        types: list[Any] = [np.uint8, np.int32, np.int64, np.float32, np.float64, BOOL]
        dtype = types[self.number(0, len(types))]
        shape = tuple(self.number(1, 9) for _ in range(self.number(0, 5)))
        if dtype is BOOL or self.number(0, 2):
            return spaces.Box(0, 1, shape, dtype)
        low = 0 if dtype == np.uint8 else self.number(-9, 1)
        high = np.inf if dtype in (np.float32, np.float64) and self.number(0, 2) else low + 40
        return spaces.Box(low, min(high, [9, 40, 250, np.inf][self.number(0, 4)]), shape, dtype)

    def leaf(self, actions: bool) -> spaces.Space[Any]:
        makers: list[Any] = [
            self.box,
            lambda: spaces.Discrete(self.number(1, 9), start=self.number(-5, 5)),
            lambda: spaces.MultiDiscrete(self.random.integers(1, 9, (self.number(1, 3), 2))),
            lambda: spaces.MultiBinary([self.number(1, 4), self.number(1, 4)]),
            lambda: spaces.Text(self.number(1, 9), charset="abc"),
            lambda: spaces.Box(0, 255, (self.number(32, 99), self.number(32, 99)), np.uint8),
        ]
        return makers[self.number(0, 4 if actions else len(makers))]()

    def space(self, depth: int, actions: bool) -> spaces.Space[Any]:
        form = self.number(0, 3) if depth else 2
        if form == 2:
            return self.leaf(actions)
        parts = [self.space(depth - 1, actions) for _ in range(self.number(1, 4))]
        return spaces.Tuple(parts) if form else spaces.Dict(dict(zip("abc", parts, strict=False)))


@pytest.mark.parametrize("seed", range(8))
def test_random_spaces_are_read_as_the_agent_sees_them(seed: int) -> None:
    draws = Draws(seed)
    for i in range(30):
        space = draws.space(3, actions=False)
        space.seed(i)
        observations = Observations(space, 64)
        assert observations.described.count(": ") >= 1 and "\n" not in observations.described
        raw = [space.sample() for _ in range(3)]
        arrays = observations.encode(raw)
        assert arrays.keys() == observations.spaces.keys()
        for (key, array), row in itertools.product(arrays.items(), range(3)):
            agent_space = observations.spaces[key]
            assert array.dtype == agent_space.dtype and agent_space.contains(array[row]), key
        again = observations.encode(raw)
        assert all((arrays[key] == again[key]).all() for key in arrays)


@pytest.mark.filterwarnings("ignore:.*Casting input x to numpy array")  # boxes without axes
@pytest.mark.parametrize("seed", range(8))
def test_random_actions_are_elements_of_their_space(seed: int) -> None:
    draws = Draws(100 + seed)
    for i in range(30):
        space = draws.space(3, actions=True)
        actions = Actions(space)
        action = {}
        for key, agent_space in actions.spaces.items():
            agent_space.seed(i)
            action[key] = np.stack([agent_space.sample() for _ in range(3)])
            if isinstance(agent_space, spaces.Box):
                action[key] *= draws.number(1, 4)
        for native in actions.decode(action, 3):
            assert space.contains(native), space
