"""A film has every step of one episode, at the pace of the game, with what was written."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from command import call
from gymnasium import spaces
from PIL import Image, ImageSequence

import envs
from dreamer_jax.agents.dreamer import reports
from dreamer_jax.commands.evaluation_films import require_folder, require_gif
from dreamer_jax.commands.evaluation_players import EVAL_ENVS, FINAL
from dreamer_jax.media import video
from envs.kinds import Symbols
from envs.play.film import Film, action_text
from envs.play.film_pictures import (
    IMAGE_SIDE,
    LINE_HEIGHT,
    MARGIN,
    SHOWN_STEPS,
    Curves,
    drawn,
    newest_frame,
    packed,
    unpacked,
)

GRAY = spaces.Box(0, 255, (64, 64, 1), np.uint8)
STACK = spaces.Box(0, 255, (128, 128, 9), np.uint8)
VECTOR = spaces.Box(-1, 1, (3,), np.float32)


def film(frames_per_step: int = 4, row: int = 0, **obs_space: Any) -> Film:
    env: Any = SimpleNamespace(obs_space=obs_space, frames_per_step=frames_per_step)
    return Film("counting", env, options=envs.default_options("counting"), row=row)


def saved(shown: Film, path: Path) -> tuple[list[np.ndarray], list[float]]:
    """The frames of a film as a file, and their durations."""
    video.save(path, shown.frames(), rate=shown.rate)
    return frames(path)


def step(gray: int, stack: int, last: bool = False) -> Any:
    """Two environments, of which the second one is white and earns nothing."""
    images = {"gray": np.full((2, 64, 64, 1), gray), "stack": np.full((2, 128, 128, 9), 255)}
    images["stack"][..., -3:] = stack
    obs = {key: np.append(x[:1], 0 * x[:1] + 255, 0).astype(np.uint8) for key, x in images.items()}
    obs |= {"vector": np.zeros((2, 3), np.uint8)}
    return SimpleNamespace(obs=obs, reward=np.array([1.5, 0]), is_last=np.array([last, False]))


def written(shown: Film) -> list[list[str]]:
    """The lines below each frame."""
    return [frame.lines for frame in shown._frames]


def frames(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with Image.open(path) as shown:
        pairs = [
            (np.array(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(shown)
        ]
    return [image for image, _ in pairs], [duration for _, duration in pairs]


def test_the_first_episode_of_the_first_environment(tmp_path: Path) -> None:
    shown = film(gray=GRAY, vector=VECTOR, stack=STACK)
    for timestep in (step(0, 200), step(100, 0), step(50, 50, last=True), step(9, 9)):
        shown.add(timestep, {"action": np.array([[2], [7]])})
    images, durations = saved(shown, tmp_path / "film.gif")
    below = 2 * LINE_HEIGHT + 2 * MARGIN
    assert [x.shape for x in images] == 3 * [(IMAGE_SIDE + below, 2 * IMAGE_SIDE + 4, 3)]
    images = [x[:IMAGE_SIDE] for x in images]
    colors = [
        (x[:, :IMAGE_SIDE], x[:, IMAGE_SIDE : IMAGE_SIDE + 4], x[:, IMAGE_SIDE + 4 :])
        for x in images
    ]
    assert [[np.unique(part).tolist() for part in parts] for parts in colors] == [
        [[0], [0], [200]],
        [[100], [0], [0]],
        [[50], [0], [50]],
    ]
    assert written(shown)[2] == ["step 2   score 4.5", "action 2   reward 1.5"]
    assert len(written(shown)) == 3 and not shown.cut
    assert durations == [70, 60, 70]  # each 66.7: the format counts in hundredths of a second


def test_what_is_written_stands_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = iter(["", "two\n♀▶é"])
    monkeypatch.setattr(envs, "caption", lambda *_: next(captions))
    shown = film(gray=GRAY)
    shown.add(step(0, 0), None)
    shown.add(step(50, 0, last=True), {"action": np.zeros((2, 1), np.int32)})
    assert written(shown) == [
        ["step 0   score 1.5", ""],
        ["step 1   score 3", "action 0   reward 1.5", "two", "F>e"],
    ]
    (silent, said), _ = saved(shown, tmp_path / "film.gif")
    assert silent.shape == said.shape and len(said) > IMAGE_SIDE
    first, second, third, fourth = (IMAGE_SIDE + MARGIN + i * LINE_HEIGHT for i in range(4))
    assert silent[first:second].max() > 200 and not silent[second:].any()
    assert min(said[first:second].max(), said[second:third].max()) > 200
    assert min(said[third:fourth].max(), said[fourth:].max()) > 200


@pytest.mark.parametrize(
    ("action", "names", "text"),
    [
        ({"action": np.array([1])}, ("noop", "right+a"), "right+a"),
        ({"action": np.array([12])}, (), "action 12"),
        ({"action": np.array([0.449, -1, -0.01], np.float32)}, (), "action 0.4 -1 0"),
        ({"action": np.arange(17)}, (), "action 0 1 2 3 .."),
        ({"arm": np.array([0.5]), "grip": np.array([1])}, (), "arm 0.5  grip 1"),
    ],
)
def test_actions_in_words(action: Any, names: tuple[str, ...], text: str) -> None:
    assert action_text(action, names) == text


@pytest.mark.parametrize("frames_per_step", [1, 24])
def test_a_long_still_episode_moves_and_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames_per_step: int
) -> None:
    """Equal pictures would be one picture in a GIF: the number of the step makes them differ."""
    monkeypatch.setattr("envs.play.film.MAX_STEPS", 30)
    small = spaces.Box(0, 255, (8, 8, 1), np.uint8)
    shown = film(frames_per_step, screen=small)
    image = {"screen": np.zeros((1, 8, 8, 1), np.uint8)}
    still: Any = SimpleNamespace(obs=image, reward=[0.0], is_last=[False])
    for _ in range(40):
        shown.add(still, None)
    images, durations = saved(shown, tmp_path / "film.gif")
    assert len(images) == 30 and shown.cut
    assert sum(durations) == pytest.approx(30 * 1000 / shown.rate, abs=5)


def test_frames_that_are_stacked_and_gray() -> None:
    image = np.arange(2 * 2 * 4, dtype=np.uint8).reshape(2, 2, 4)
    np.testing.assert_array_equal(newest_frame(image), np.stack(3 * [image[..., 3]], -1))
    np.testing.assert_array_equal(newest_frame(image[..., :3]), image[..., :3])


@pytest.mark.parametrize("name", ["film.mp4", "nowhere/film.gif", "folder.gif", "file/film.gif"])
def test_mistakes(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"expected a \.gif file in a writable folder"):
        require_gif(tmp_path / name)


def test_a_folder_of_films_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    require_folder(tmp_path / "new" / "folder")
    for name in ("file", "file/folder"):
        with pytest.raises(ValueError, match="expected a folder"):
            require_folder(tmp_path / name)


def numbers(t: int, last: bool = False) -> Any:
    obs = {"vector": np.array([[0, 0, 0], [t, -t, 5]], np.float32)}
    return SimpleNamespace(obs=obs, reward=np.array([9.0, 0.25]), is_last=np.array([False, last]))


def test_numbers_are_curves_beside_the_picture_of_a_renderer() -> None:
    shown = film(1, row=1, vector=VECTOR)
    assert shown.needs_picture
    picture = np.full((120, 100, 3), 200, np.uint8)
    for t in range(4):
        shown.add(numbers(t, t == 3), None, picture=picture)
    assert shown.over and shown.score == 1.0
    *_, last = shown.frames()
    assert last[:120, :100].min() == 200  # the renderer's picture, as it was
    curves = last[:IMAGE_SIDE, 104:]
    assert curves.shape[1] == IMAGE_SIDE and curves.max() > 200
    assert [frame.numbers for frame in shown._frames][2] == [2, -2, 5]


def test_a_curve_rises_where_its_number_rises() -> None:
    values = np.stack([np.arange(200.0), np.zeros(200)], 1)
    picture = drawn(Curves(["up", "still"], values), 199, height=IMAGE_SIDE)
    blue = (picture == (90, 180, 255)).all(-1)
    rows = [np.flatnonzero(blue[: IMAGE_SIDE // 2, x]).mean() for x in (4, 100, 250)]
    assert rows[0] > rows[1] > rows[2]
    still = np.flatnonzero(blue[IMAGE_SIDE // 2 :].any(1))
    assert len(still) <= 3
    early = drawn(Curves(["up", "still"], values), 10, height=IMAGE_SIDE)
    assert not (early[:, 30:] == (90, 180, 255)).all(-1).any() and SHOWN_STEPS > 11


def test_a_large_picture_is_reduced_by_a_whole_factor() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    np.testing.assert_array_equal(unpacked(packed(picture)), picture)
    assert unpacked(packed(np.zeros((700, 300, 3), np.uint8))).shape == (350, 150, 3)


def test_a_policy_is_filmed(tmp_path: Path) -> None:
    run = ("--env=cartpole_pixels", f"--logdir={tmp_path / 'run'}")
    small = ("--config=debug", "--steps=40", "--set=train.eval_every=0")
    assert call(*run, *small, "--set=env.max_steps=7").code == 0
    path = f"--gif={tmp_path / 'film.gif'}"
    assert call(*run, path, "--steps=50").code == 2
    assert call(*run, "--video", "--steps=50").code == 2
    assert call(*run, path, "--mode=eval", f"--episodes={EVAL_ENVS}").code == 0
    images, durations = frames(tmp_path / "film.gif")
    options = envs.default_options("cartpole_pixels")
    first = envs.make("cartpole_pixels", options, num_envs=1, seed=FINAL).reset().obs["image"][0]
    times = IMAGE_SIDE // len(first)
    enlarged = first.repeat(times, 0).repeat(times, 1)
    np.testing.assert_array_equal(images[0][:IMAGE_SIDE], enlarged)
    assert len(images) == 8
    assert sum(durations) == 270  # eight steps of a thirtieth of a second


def test_each_symbol_of_a_board_has_a_color() -> None:
    shown = film(board=Symbols(2, 3, 1, classes=300), vector=VECTOR)
    board = np.array([[[0], [1], [2]], [[1], [299], [0]]], np.int32)
    obs = {"board": board[None], "vector": np.zeros((1, 3), np.float32)}
    first: Any = SimpleNamespace(obs=obs, reward=np.zeros(1), is_last=np.zeros(1, bool))
    shown.add(first, None)
    (image,) = shown._frames[0].images
    colors = [tuple(color) for color in image.reshape(6, 3).tolist()]
    assert colors[0] == colors[5] == (0, 0, 0) and colors[1] == colors[3]
    assert len(set(colors)) == 4 and image.dtype == np.uint8
    symbols = jnp.asarray(board)
    same = np.asarray(reports.painted(symbols, classes=300))[:: 64 // 3, :: 64 // 3]
    np.testing.assert_array_equal(image, same)
