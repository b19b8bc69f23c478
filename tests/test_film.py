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
from dreamer_jax.commands.evaluation_players import EVAL_ENVS, FINAL
from envs.play.film import IMAGE_SIDE, MAX_STEPS, Film, newest_frame

GRAY = spaces.Box(0, 255, (64, 64, 1), np.uint8)
STACK = spaces.Box(0, 255, (128, 128, 9), np.uint8)
VECTOR = spaces.Box(-1, 1, (3,), np.float32)


def film(path: Path, frames_per_step: int = 4, **obs_space: Any) -> Film:
    env: Any = SimpleNamespace(obs_space=obs_space, frames_per_step=frames_per_step)
    return Film(path, "counting", env)


def step(gray: int, stack: int, last: bool = False) -> Any:
    """Two environments, of which the second one is white."""
    images = {"gray": np.full((2, 64, 64, 1), gray), "stack": np.full((2, 128, 128, 9), 255)}
    images["stack"][..., -3:] = stack
    obs = {key: np.append(x[:1], 0 * x[:1] + 255, 0).astype(np.uint8) for key, x in images.items()}
    return SimpleNamespace(obs=obs | {"vector": np.zeros((2, 3))}, is_last=np.array([last, False]))


def frames(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with Image.open(path) as shown:
        pairs = [
            (np.array(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(shown)
        ]
    return [image for image, _ in pairs], [duration for _, duration in pairs]


def test_the_first_episode_of_the_first_environment(tmp_path: Path) -> None:
    shown = film(tmp_path / "film.gif", gray=GRAY, vector=VECTOR, stack=STACK)
    for timestep in (step(0, 200), step(100, 0), step(50, 50, last=True), step(9, 9)):
        shown.add(timestep)
    shown.save()
    images, durations = frames(tmp_path / "film.gif")
    assert [x.shape for x in images] == 3 * [(IMAGE_SIDE, 2 * IMAGE_SIDE + 4, 3)]
    colors = [
        (x[:, :IMAGE_SIDE], x[:, IMAGE_SIDE : IMAGE_SIDE + 4], x[:, IMAGE_SIDE + 4 :])
        for x in images
    ]
    assert [[np.unique(part).tolist() for part in parts] for parts in colors] == [
        [[0], [0], [200]],
        [[100], [0], [0]],
        [[50], [0], [50]],
    ]
    assert durations == [70, 60, 70]  # each 66.7: the format counts in hundredths of a second


def test_what_is_written_stands_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = iter(["", "two\n♀▶é"])
    monkeypatch.setattr(envs, "caption", lambda *_: next(captions))
    shown = film(tmp_path / "film.gif", gray=GRAY)
    shown.add(step(0, 0))
    shown.add(step(50, 0, last=True))
    shown.save()
    (silent, said), _ = frames(tmp_path / "film.gif")
    assert silent.shape == said.shape and len(said) > IMAGE_SIDE
    assert not silent[IMAGE_SIDE:].any()
    upper, lower = np.array_split(said[IMAGE_SIDE:], 2)
    assert min(upper.max(), lower.max()) > 200


@pytest.mark.parametrize(("frames_per_step", "steps"), [(1, MAX_STEPS), (24, 1_500)])
def test_a_long_still_episode_is_cut(tmp_path: Path, frames_per_step: int, steps: int) -> None:
    """Equal pictures are one picture in a GIF, whose duration has sixteen bits."""
    small = spaces.Box(0, 255, (8, 8, 1), np.uint8)
    shown = film(tmp_path / "film.gif", frames_per_step, screen=small)
    still: Any = SimpleNamespace(obs={"screen": np.zeros((1, 8, 8, 1), np.uint8)}, is_last=[False])
    for _ in range(steps + 100):
        shown.add(still)
    shown.save()
    images, durations = frames(tmp_path / "film.gif")
    assert len(images) == 1
    assert durations == [pytest.approx(steps * shown.milliseconds, abs=5)]


def test_frames_that_are_stacked_and_gray() -> None:
    image = np.arange(2 * 2 * 4, dtype=np.uint8).reshape(2, 2, 4)
    np.testing.assert_array_equal(newest_frame(image), np.stack(3 * [image[..., 3]], -1))
    np.testing.assert_array_equal(newest_frame(image[..., :3]), image[..., :3])


@pytest.mark.parametrize(
    ("name", "obs_space", "reason"),
    [
        ("film.gif", {"vector": VECTOR}, "no observation is an image: vector"),
        ("film.mp4", {"gray": GRAY}, "expected a .gif file"),
        ("nowhere/film.gif", {"gray": GRAY}, "in a writable folder"),
        ("folder.gif", {"gray": GRAY}, "expected a .gif file"),
        ("file/film.gif", {"gray": GRAY}, "in a writable folder"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, obs_space: Any, reason: str) -> None:
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=reason):
        film(tmp_path / name, **obs_space)


def test_a_policy_is_filmed(tmp_path: Path) -> None:
    run = ("--env=cartpole_pixels", f"--logdir={tmp_path / 'run'}")
    small = ("--config=debug", "--steps=40", "--set=train.eval_every=0")
    assert call(*run, *small, "--set=env.max_steps=7").code == 0
    path = f"--gif={tmp_path / 'film.gif'}"
    assert call(*run, path, "--steps=50").code == 2
    assert call(*run, path, "--mode=eval", f"--episodes={EVAL_ENVS}").code == 0
    images, durations = frames(tmp_path / "film.gif")
    options = envs.default_options("cartpole_pixels")
    first = envs.make("cartpole_pixels", options, num_envs=1, seed=FINAL).reset().obs["image"][0]
    times = IMAGE_SIDE // len(first)
    np.testing.assert_array_equal(images[0], first.repeat(times, 0).repeat(times, 1))
    assert sum(durations) == 270  # eight steps of a thirtieth of a second
