"""What an environment may return, and what is said of everything else."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from envs.arrivals import Arrivals, outcome
from envs.codecs import Observations
from envs.vector.copy_protocol import NotFinite, Outcome, Unexpected

BOX = spaces.Box(-1, 1, (3,))
WIDE = spaces.Box(-1e9, 1e9, (2,), np.float64)
BYTES = spaces.Box(0, 255, (2, 2), np.uint8)
COUNT = spaces.Discrete(4, start=-1)
MANY = spaces.MultiDiscrete([2, 5], start=[0, 3])
BITS = spaces.MultiBinary(3)
WORD = spaces.Text(4, charset="abc")
NESTED = spaces.Dict(
    {"robot": spaces.Dict({"arm": BOX, "hand": BOX}), "pair": spaces.Tuple((BOX, WORD))}
)


def accepted(space: spaces.Space[Any], value: Any) -> dict[str, np.ndarray]:
    observations = Observations(space, 64)
    arrived = Arrivals(observations.leaves, observations.spaces).observation(value)
    return {key: x[0] for key, x in observations.encode([arrived]).items()}


GOOD = [
    (BOX, np.zeros(3, np.float32), [0, 0, 0]),
    (BOX, np.ones(3), [1, 1, 1]),
    (BOX, [1, 0, -1], [1, 0, -1]),
    (BOX, (True, False, True), [1, 0, 1]),
    (BOX, np.ones((1, 3), np.float16), [1, 1, 1]),
    (BOX, np.ones((3, 1), np.int8), [1, 1, 1]),
    (BOX, np.full(3, 7.0), [7, 7, 7]),  # beyond its bounds: many environments state them wrongly
    (WIDE, np.array([1e9, 0.5]), [1e9, 0.5]),
    (spaces.Box(0, 1, ()), 0.5, [0.5]),
    (COUNT, -1, [0]),
    (COUNT, np.int64(2), [3]),
    (COUNT, np.array(2), [3]),
    (COUNT, np.array([2]), [3]),
    (COUNT, 1.0, [2]),
    (COUNT, True, [2]),
    (MANY, np.array([1, 7]), [1, 4]),
    (MANY, [0.0, 3.0], [0, 0]),
    (BITS, [True, False, True], [1, 0, 1]),
    (BITS, np.array([0, 1, 0], np.int8), [0, 1, 0]),
    (WORD, "ab", [1, 2, 0, 0]),
    (WORD, np.array("ab"), [1, 2, 0, 0]),
    (WORD, np.str_(""), [0, 0, 0, 0]),
]


@pytest.mark.parametrize(("space", "value", "expected"), GOOD)
def test_what_can_be_read_without_a_loss_is_read(space, value, expected):
    (found,) = accepted(space, value).values()
    np.testing.assert_array_equal(found, np.array(expected, found.dtype))


class Strange:
    def __repr__(self):
        raise RuntimeError("no name")

    def __array__(self, *_, **__):
        raise RuntimeError("no array")


BAD = [
    (BOX, np.zeros(4), r"'vector' should be Box.*, got an array of shape \(4,\)"),
    (BOX, np.zeros((3, 3)), r"shape \(3, 3\)"),
    (BOX, 0.0, r"shape \(\)"),
    (BOX, None, "got None"),
    (BOX, "abc", "got 'abc'"),
    (BOX, [[1, 2], [3]], r"got \[\[1, 2\], \[3\]\]"),
    (BOX, [1, None, 2], r"got \[1, None, 2\]"),
    (BOX, np.array([1j, 0, 0]), "got array"),
    (BOX, {"a": 1}, "got {'a': 1}"),
    (BOX, Strange(), "got an object of type Strange"),
    (BYTES, np.full((2, 2), 0.5), r"'vector' should be Box.*, got 0.5, which is no uint8"),
    (BYTES, np.full((2, 2), 256), "got 256, which is no uint8"),
    (BYTES, np.full((2, 2), -1), "got -1, which is no uint8"),
    (COUNT, 3, "'discrete' should be from -1 to 2, got 3"),
    (COUNT, -2, "got -2"),
    (COUNT, 0.5, "got 0.5, which is no int64"),
    (COUNT, np.array([1, 1]), r"shape \(2,\)"),
    (COUNT, None, "got None"),
    (COUNT, float("nan"), "got nan, which is no int64"),
    (MANY, [2, 3], r"'discrete' should be in MultiDiscrete\(.*\), got 2"),
    (MANY, [0, 2], "got 2"),
    (MANY, [0, 3, 0], r"shape \(3,\)"),
    (BITS, [0, 2, 0], "got 2"),
    (WORD, b"ab", "'text' should be a text, got b'ab'"),
    (WORD, 7, "got 7"),
    (WORD, None, "got None"),
    (WORD, [["a"], ["b", "c"]], r"got \[\['a'\], \['b', 'c'\]\]"),
    (WORD, Strange(), "got an object of type Strange"),
    (NESTED, {}, "'pair/0' is missing, got keys $"),
    (NESTED, {"pair": (np.zeros(3), "a")}, "'robot/arm' is missing, got keys pair$"),
    (NESTED, {"pair": (np.zeros(3, np.float32),)}, r"'pair/1' is missing, got \(array"),
    (NESTED, {"pair": (np.zeros(3), "a"), "robot": {"arm": None}}, "'robot/arm' should be .*None"),
    (NESTED, None, "'pair/0' is missing, got None"),
    (NESTED, np.zeros(1, [("arm", float)]), r"'pair/0' is missing, got array\(\[\(0"),
    (
        NESTED,
        dict.fromkeys(map(str, range(999))),
        "'pair/0' is missing, got keys 0, 1, 2, .*[.]{3}$",
    ),
]


@pytest.mark.parametrize(("space", "value", "message"), BAD)
def test_everything_else_is_refused_in_one_line(space, value, message):
    with pytest.raises(Unexpected, match=message) as caught:
        accepted(space, value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
    assert not isinstance(caught.value, NotFinite)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_that_are_not_finite_are_named(number, dtype):
    """1e39 does not fit into float32, as which numbers are kept."""
    with np.errstate(over="ignore"):
        value = np.array([0, number, number], np.float64).astype(dtype)
    for space in (BOX, spaces.Box(-1, 1, (3,), dtype)):
        with pytest.raises(NotFinite, match=r"'vector' should be finite, got \S+ in 2 places"):
            accepted(space, value)


def test_further_keys_do_no_harm():
    value = {
        "robot": {"arm": np.ones(3), "hand": np.ones((1, 3)), "foot": object()},
        "pair": [np.zeros(3), "abc", None],
        "more": object(),
    }
    found = accepted(NESTED, value)
    assert sorted(found) == ["pair/0", "pair/1", "robot/arm", "robot/hand"]
    np.testing.assert_array_equal(found["robot/hand"], np.ones(3))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1, False, False), (1.0, False, False)),
        ((np.float64(0.5), np.True_, 0), (0.5, True, False)),
        ((np.array([2.0]), np.array([False]), np.array(1)), (2.0, False, True)),
        ((True, 1, 0.0), (1.0, True, False)),
        ((-1e200, False, False), None),
        ((np.nan, False, False), None),
        ((np.array([-np.inf]), False, False), None),
    ],
)
def test_rewards_and_flags(given, expected):
    if expected is None:
        with pytest.raises(NotFinite, match="the reward should be finite, got"):
            outcome(None, *given)
    else:
        found = outcome(None, *given)
        assert found == Outcome(None, *expected)
        assert [type(x) for x in found[1:4]] == [float, bool, bool]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((None, False, False), "the reward should be a number, got None"),
        (("1", False, False), "the reward should be a number, got '1'"),
        (
            ([1.0, 2.0], False, False),
            r"the reward should be a number, got an array of shape \(2,\)",
        ),
        (({}, False, False), "the reward should be a number, got {}"),
        ((0.0, None, False), "'terminated' should be a number, got None"),
        ((0.0, False, {}), "'truncated' should be a number, got {}"),
        ((0.0, 2, False), "'terminated' should be true or false, got 2"),
        ((0.0, np.array([True, False]), False), r"'terminated' .* shape \(2,\)"),
    ],
)
def test_rewards_and_flags_that_are_none(given, message):
    with pytest.raises(Unexpected, match=message):
        outcome(None, *given)
