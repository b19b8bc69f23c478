"""Conversion of Gymnasium spaces: numbers, images, nesting, actions, errors."""

import numpy as np
import pytest
from gymnasium import spaces

from envs import kinds
from envs.codecs import Actions, Observations
from envs.codecs.texts import ANY_TEXT
from envs.resize import resize


def one(space: spaces.Space, value) -> tuple[spaces.Space, np.ndarray, str]:
    """The agent's space, the encoding of one value, and its key."""
    observations = Observations(space, 64)
    ((key, agent_space),) = observations.spaces.items()
    return agent_space, observations.encode([value])[key][0], key


@pytest.mark.parametrize(
    ("space", "value", "key", "expected"),
    [
        (spaces.Discrete(4), 3, "discrete", [3]),
        (spaces.Discrete(4, start=-2), 1, "discrete", [3]),
        (
            spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
            [[1, 2], [3, 4]],
            "discrete",
            [1, 2, 3, 4],
        ),
        (spaces.MultiDiscrete([3, 3], start=[1, 2]), [1, 4], "discrete", [0, 2]),
        (spaces.MultiBinary((2, 2)), [[0, 1], [1, 1]], "discrete", [0, 1, 1, 1]),
        (spaces.MultiDiscrete([256, 2]), [255, 1], "discrete", [255, 1]),
        (spaces.Text(4, charset="abc"), "cab", "text", [3, 1, 2, 0]),
        (spaces.Box(-np.inf, np.inf, (), np.float64), 1.5, "vector", [1.5]),
        (spaces.Box(0, 99, (2, 2), np.int64), [[1, 2], [3, 4]], "vector", [1, 2, 3, 4]),
        (spaces.Box(0, 255, (3,), np.uint8), [0, 7, 255], "vector", [0, 7, 255]),
    ],
)
def test_observations_of_low_dimension(space, value, key, expected):
    agent_space, encoded, found = one(space, value)
    assert found == key
    assert encoded.dtype == agent_space.dtype == (np.float32 if key == "vector" else np.uint8)
    assert encoded.tolist() == expected and agent_space.contains(encoded)


def test_texts_without_length_and_alphabet():
    class Mission(spaces.Space[str]):
        def __init__(self):
            super().__init__(dtype=str)

    agent_space, encoded, key = one(Mission(), "go to é" + 200 * "~")
    assert agent_space == kinds.Text(ANY_TEXT, 96) and key == "text"
    shown = "".join(chr(ord(" ") - 1 + code) for code in encoded)
    assert shown == "go to ?" + (ANY_TEXT - 7) * "~"
    assert not one(Mission(), "")[1].any()


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Text(40, charset="ab"), kinds.Text(40, 4)),
        (spaces.Text(3, charset="a"), kinds.Text(3, 3)),
        (spaces.MultiDiscrete([64] * 20), kinds.Choice([64] * 20)),
        (spaces.MultiDiscrete([2, 3]), kinds.Choice([2, 3])),
        (spaces.MultiDiscrete([2, 2]), kinds.Bits(2)),
        (spaces.MultiBinary((2, 2)), kinds.Bits(4)),
        (spaces.Discrete(2), kinds.Bits(1)),
        (spaces.Discrete(3), kinds.Choice([3])),
        (spaces.Box(-1, 1, (2, 2), np.float32), kinds.Vector(4)),
        (spaces.Box(0, 255, (64, 64), np.uint8), kinds.Image(64, 64, 1)),
        (kinds.Text(20, 64), kinds.Text(20, 64)),
        (kinds.Choice([2, 2]), kinds.Choice([2, 2])),
        (kinds.Bits(3), kinds.Bits(3)),
    ],
    ids=str,
)
def test_every_space_has_a_kind(space, expected):
    """The kind that the environment says, where it does, and never one by length or alphabet."""
    found = one(space, space.sample())[0]
    assert type(found) is type(expected) and found == expected
    assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    ("shape", "side", "channels"),
    [
        ((64, 64, 3), 64, 3),
        ((96, 96, 1), 96, 1),
        ((3, 80, 80), 80, 3),
        ((48, 48), 48, 1),
        ((84, 84, 4), 64, 4),
        ((210, 160, 3), 64, 3),
        ((1, 10, 30), 64, 1),
        ((64, 64, 2), 64, 2),
        ((9, 84, 84), 64, 9),
        ((4, 84, 84, 3), 64, 12),
        ((4, 1, 96, 96), 96, 4),
    ],
)
def test_images_keep_their_size_if_it_fits_and_are_resized_otherwise(shape, side, channels):
    space = spaces.Box(0, 255, shape, np.uint8)
    value = np.full(shape, 77, np.uint8)
    agent_space, encoded, key = one(space, value)
    assert key == "image" and agent_space.shape == (side, side, channels)
    assert agent_space.contains(encoded) and (encoded == 77).all()


def test_the_channel_axis_comes_last():
    value = np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.uint8)
    encoded = one(spaces.Box(0, 255, value.shape, np.uint8), value)[1]
    np.testing.assert_array_equal(encoded, np.moveaxis(value, 0, -1))


def test_frames_of_a_stack_become_channels():
    value = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    encoded = one(spaces.Box(0, 255, value.shape, np.uint8), value)[1]
    for frame in range(4):
        np.testing.assert_array_equal(encoded[..., 3 * frame : 3 * frame + 3], value[frame])
    first = np.moveaxis(value, -1, 1)  # with the channels before the pixels
    again = one(spaces.Box(0, 255, first.shape, np.uint8), first)[1]
    np.testing.assert_array_equal(again, encoded)


def test_images_may_be_floats_from_0_to_1():
    value = np.linspace(0, 1, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    agent_space, encoded, key = one(spaces.Box(0, 1, value.shape, np.float32), value)
    assert key == "image" and agent_space.contains(encoded)
    np.testing.assert_array_equal(encoded, np.rint(255 * value))
    small = one(spaces.Box(0, 1, (8, 8, 3), np.float32), value[:8, :8])
    assert small[2] == "vector"


def test_a_box_that_is_neither_image_nor_vector_is_named():
    with pytest.raises(ValueError, match=r"'observation'.* too large .* finite bounds"):
        Observations(spaces.Box(-np.inf, np.inf, (64, 64, 3), np.float32), 64)


@pytest.mark.parametrize("shape", [(7, 7, 3), (16, 16, 2), (2, 16, 16, 3)])
def test_bytes_that_are_no_image_become_a_vector(shape):
    agent_space, encoded, key = one(spaces.Box(0, 255, shape, np.uint8), np.ones(shape, np.uint8))
    assert key == "vector" and agent_space.shape == encoded.shape == (np.prod(shape),)


def test_resize_is_the_mean_over_the_covered_area():
    image = np.random.default_rng(0).integers(0, 256, (1, 96, 128, 3)).astype(np.uint8)
    blocks = image.reshape(1, 48, 2, 64, 2, 3)
    np.testing.assert_array_equal(resize(image, 96)[:, :, :, 0].shape, (1, 96, 96))
    square = resize(np.repeat(np.repeat(image, 2, 1), 3, 2), 64)
    expected = image.astype(float).reshape(1, 96, 64, 2, 3).mean(3)
    down = np.zeros((64, 96))
    for i in range(64):
        down[i, i * 3 // 2] = (2 / 3, 1 / 3)[i % 2]
        down[i, i * 3 // 2 + 1] = (1 / 3, 2 / 3)[i % 2]
    np.testing.assert_allclose(square[0], np.tensordot(down, expected[0], 1), atol=0.501)
    half = resize(image[:, :, :96], 48)
    np.testing.assert_allclose(half, blocks[:, :, :, :48].mean((2, 4)), atol=0.501)


def test_growing_keeps_sharp_edges():
    image = np.random.default_rng(0).integers(0, 256, (2, 16, 32, 1)).astype(np.uint8)
    np.testing.assert_array_equal(resize(image, 64), image.repeat(4, 1).repeat(2, 2))


def test_nested_spaces_become_flat_keys():
    space = spaces.Dict(
        {
            "a": spaces.Tuple((spaces.Discrete(2), spaces.Dict({"b": spaces.Box(-1, 1, (2,))}))),
            "c": spaces.MultiBinary(1),
        }
    )
    observations = Observations(space, 64)
    assert set(observations.spaces) == {"a/0", "a/1/b", "c"}
    raw = {"a": (1, {"b": np.array([0.5, 1], np.float32)}), "c": np.array([1], np.int8)}
    encoded = observations.encode([raw, raw])
    assert encoded["a/0"].tolist() == [[1], [1]]
    assert encoded["a/1/b"].tolist() == [[0.5, 1], [0.5, 1]]
    assert encoded["c"].tolist() == [[1], [1]]


@pytest.mark.parametrize(
    ("space", "action", "expected"),
    [
        (spaces.Discrete(3, start=-1), [2], 1),
        (spaces.MultiDiscrete(np.array([[2, 3]]), start=np.array([[0, 4]])), [1, 2], [[1, 6]]),
        (spaces.MultiBinary(3), [0, 1, 1], [0, 1, 1]),
        (spaces.Box(-2.0, 6.0, (3,)), [-1, 0, 1], [-2, 2, 6]),
        (spaces.Box(-2.0, 6.0, (3,)), [-9, 0.5, 9], [-2, 4, 6]),
        (
            spaces.Box(np.array([-np.inf, 0]), np.array([0.5, np.inf]), dtype=np.float64),
            [-1, -0.5],
            [-1.5, 0.5],
        ),
        (spaces.Box(-3.4e38, 3.4e38, (2,)), [-1, 0.5], [-1, 0.5]),
        (spaces.Box(-np.inf, np.inf, (1, 2)), [0.25, -3], [[0.25, -1]]),
        (spaces.Box(0, 5, (2,), np.int64), [0.5, 1], [4, 5]),
    ],
)
def test_actions(space, action, expected):
    actions = Actions(space)
    (agent_space,) = actions.spaces.values()
    dtype = np.int32 if isinstance(agent_space, spaces.MultiDiscrete) else np.float32
    (native,) = actions.decode({"action": np.array([action], dtype)}, 1)
    assert space.contains(native)
    assert np.asarray(native).tolist() == expected


@pytest.mark.parametrize("action", [-1, 3])
def test_discrete_actions_out_of_range(action):
    with pytest.raises(ValueError, match=str(action)):
        Actions(spaces.Discrete(3)).decode({"action": np.array([[action]])}, 1)


def test_more_classes_than_a_byte_holds():
    space, encoded, _ = one(spaces.MultiDiscrete([257, 2]), [256, 1])
    assert encoded.dtype == space.dtype == np.int32 and encoded.tolist() == [256, 1]


@pytest.mark.parametrize(
    "space", [spaces.Graph(spaces.Discrete(2), None), spaces.Sequence(spaces.Discrete(2))]
)
def test_unsupported_spaces_are_named(space):
    nested = spaces.Dict({"x": spaces.Discrete(2), "y": spaces.Tuple([space])})
    for convert in (lambda s: Observations(s, 64), Actions):
        with pytest.raises(ValueError) as caught:
            convert(nested)
        assert "'y/0'" in str(caught.value) and str(space) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_keys_that_meet_are_refused():
    space = spaces.Dict({"a/b": spaces.Discrete(2), "a": spaces.Dict({"b": spaces.Discrete(2)})})
    with pytest.raises(ValueError, match="a/b"):
        Observations(space, 64)
