"""Pictures by the renderers of environments, in this process and in one of their own."""

from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest
from extras import PLAY
from gymnasium import spaces

import envs
from envs import drawing
from envs.gym_options import Options
from envs.vector.drawn import draw

RIGHT = {"action": np.ones((2, 1), np.int32)}


def ended(name: str, options: Any) -> tuple[list[Any], list[Any]]:
    """Pictures of row 1 until its episode has ended and the next has begun; and its ends."""
    with closing(envs.make(name, options, num_envs=2, seed=7, draws=True)) as env:
        seen, pictures, last = env.reset(np.array([3, 5])), [draw(env, 1)], [False]
        while not last[-1]:
            seen = env.step(RIGHT)
            pictures.append(draw(env, 1))
            last.append(bool(seen.is_last[1]))
        seen = env.step(RIGHT)
        assert seen.is_first[1]
        return [*pictures, draw(env, 1)], last


@PLAY
def test_the_end_of_an_episode_is_drawn_before_the_next_one_begins() -> None:
    """A process begins the next episode early, but not while it draws."""
    far, _ = ended("gym:CartPole-v1", Options())
    near, _ = ended("cartpole", envs.default_options("cartpole"))
    assert len(far) == len(near) and far[0].shape == (400, 600, 3) and far[0].dtype == np.uint8
    for one, other in zip(far, near, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (far[-2] != far[-1]).any() and (far[0] != far[4]).any()


def test_where_there_is_no_picture_a_line_says_why() -> None:
    with closing(
        envs.make("counting", envs.default_options("counting"), num_envs=1, seed=0)
    ) as env:
        assert draw(env, 0) == "it has no renderer"
    options = envs.default_options("cartpole")
    with closing(envs.make("cartpole", options, num_envs=1, seed=0)) as env:
        env.reset()
        assert draw(env, 0) == "it has no render_mode 'rgb_array'"


class Odd(gymnasium.Env[np.ndarray, np.int64]):
    """Renders whatever it is given."""

    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Discrete(2)
    metadata = {"render_modes": ["human", "rgb_array"]}  # noqa: RUF012  # as Gymnasium has it

    def __init__(self, found: Any):
        self.render_mode, self.found = "rgb_array", found

    def render(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "returned NoneType"),
        (np.zeros((4, 4, 3)), "not [h, w, 3] uint8"),
        (np.zeros((4, 4, 4), np.uint8), "[4, 4, 4]"),
        (RuntimeError("no display"), "no display"),
    ],
    ids=str,
)
def test_a_renderer_that_returns_no_picture(found: Any, said: str) -> None:
    shown = drawing.picture(Odd(found))
    assert isinstance(shown, str) and said in shown and "\n" not in shown


def test_what_is_drawn_belongs_to_the_caller() -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    shown = drawing.picture(Odd(pixels))
    pixels[:] = 9
    assert isinstance(shown, np.ndarray) and not shown.any()
    assert drawing.mode_of(Odd) == "rgb_array" and drawing.mode_of(spaces.Box) is None
