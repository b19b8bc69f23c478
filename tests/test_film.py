"""A film has every step of one episode, at the pace of the game, with what was written."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import call
from gymnasium import spaces
from PIL import Image, ImageSequence

import envs
from dreamer_jax.film import SIDE, Film
from dreamer_jax.main import EVAL_ENVS, FINAL

GRAY = spaces.Box(0, 255, (64, 64, 1), np.uint8)
STACK = spaces.Box(0, 255, (128, 128, 9), np.uint8)
VECTOR = spaces.Box(-1, 1, (3,), np.float32)


def environment(frames_per_step: int = 4, **obs_space: Any) -> Any:
    return SimpleNamespace(obs_space=obs_space, frames_per_step=frames_per_step)


def step(gray: int, stack: int, last: bool = False) -> Any:
    """Two environments, of which the second one is white."""
    images = {"gray": np.full((2, 64, 64, 1), gray), "stack": np.full((2, 128, 128, 9), 255)}
    images["stack"][..., -3:] = stack
    obs = {key: np.append(x[:1], 0 * x[:1] + 255, 0).astype(np.uint8) for key, x in images.items()}
    return SimpleNamespace(obs=obs | {"vector": np.zeros((2, 3))}, is_last=np.array([last, False]))


def frames(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with Image.open(path) as film:
        shown = [
            (np.array(x.convert("RGB")), x.info["duration"]) for x in ImageSequence.Iterator(film)
        ]
    return [image for image, _ in shown], [duration for _, duration in shown]


def test_the_first_episode_of_the_first_environment(tmp_path: Path) -> None:
    env = environment(gray=GRAY, vector=VECTOR, stack=STACK)
    film = Film(tmp_path / "film.gif", env, lambda _: "")
    for timestep in (step(0, 200), step(100, 0), step(50, 50, last=True), step(9, 9)):
        film.add(timestep)
    film.save()
    images, durations = frames(tmp_path / "film.gif")
    assert [x.shape for x in images] == 3 * [(SIDE, 2 * SIDE + 4, 3)]
    colors = [(x[:, :SIDE], x[:, SIDE : SIDE + 4], x[:, SIDE + 4 :]) for x in images]
    assert [[np.unique(part).tolist() for part in parts] for parts in colors] == [
        [[0], [0], [200]],
        [[100], [0], [0]],
        [[50], [0], [50]],
    ]
    assert durations == 3 * [60]  # of 66.7: the format counts in hundredths of a second


def test_what_is_written_stands_below(tmp_path: Path) -> None:
    captions = iter(["", "two\nlines"])
    film = Film(tmp_path / "film.gif", environment(gray=GRAY), lambda _: next(captions))
    film.add(step(0, 0))
    film.add(step(50, 0, last=True))
    film.save()
    (silent, said), _ = frames(tmp_path / "film.gif")
    assert silent.shape == said.shape and len(said) > SIDE
    assert not silent[SIDE:].any()
    upper, lower = np.array_split(said[SIDE:], 2)
    assert min(upper.max(), lower.max()) > 200


@pytest.mark.parametrize(
    ("name", "obs_space", "reason"),
    [
        ("film.gif", {"vector": VECTOR}, "there are no images in vector"),
        ("film.mp4", {"gray": GRAY}, "expected a file .gif"),
        ("nowhere/film.gif", {"gray": GRAY}, "in a folder that exists"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, obs_space: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Film(tmp_path / name, environment(**obs_space), lambda _: "")


def test_a_policy_is_filmed(tmp_path: Path) -> None:
    run = ("--env=cartpole_pixels", f"--logdir={tmp_path / 'run'}")
    small = ("--config=debug", "--steps=40", "--set=train.eval_every=0")
    assert call(*run, *small, "--set=env.max_steps=7").code == 0
    film = f"--gif={tmp_path / 'film.gif'}"
    assert call(*run, film, "--steps=50").code == 2
    assert call(*run, film, "--mode=eval", f"--episodes={EVAL_ENVS}").code == 0
    images, durations = frames(tmp_path / "film.gif")
    options = envs.default_options("cartpole_pixels")
    first = envs.make("cartpole_pixels", options, 1, FINAL).reset().obs["image"][0]
    times = SIDE // len(first)
    np.testing.assert_array_equal(images[0], first.repeat(times, 0).repeat(times, 1))
    assert sum(durations) == 8 * 30
