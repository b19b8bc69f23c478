"""CartPole-v1, observed as four numbers (`cartpole`) or as an image (`cartpole_pixels`)."""

import dataclasses

import gymnasium
import numpy as np

from envs.drawing import MODE
from envs.gym import vectorize
from envs.vector.vector import VectorizedEnv

SIDE = 64  # pixels
CENTER = 31.5  # column, pixels, of position 0
SCALE = 9.0  # pixels per unit of position; the cart fails at 2.4 units from the center
AXLE = 50.0  # row, pixels, of the hinge between cart and pole
POLE = 40.0  # pixels; longer than to scale: a degree moves the tip by 0.7 pixels

SKY = (235, 235, 235)
TRACK = (150, 150, 150)
CART = (40, 60, 150)
WOOD = (200, 90, 30)


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the CartPole family."""

    max_steps: int = 500  # steps after which an episode is truncated; 500 is CartPole-v1's limit


class DrawnCartPole(gymnasium.ObservationWrapper):
    """Replaces the state by a drawing. An agent must infer speeds from several images."""

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """[4] position, speed, angle, angular speed -> [64, 64, 3] uint8."""
        return draw(float(observation[0]), float(observation[2]))


def make(
    name: str, options: Options, *, num_envs: int, seed: int, draws: bool = False
) -> VectorizedEnv:
    """Makes `num_envs` copies of CartPole; with `draws`, they can be drawn by their own renderer.

    Raises:
        ValueError: the time limit is not positive.
    """
    if options.max_steps < 1:
        raise ValueError(f"max_steps must be positive, got {options.max_steps}")

    def build() -> gymnasium.Env:
        mode = MODE if draws else None
        env = gymnasium.make("CartPole-v1", max_episode_steps=options.max_steps, render_mode=mode)
        return DrawnCartPole(env) if name == "cartpole_pixels" else env

    return vectorize(build, num_envs=num_envs, seed=seed, size=SIDE, name=name)


def action_names(name: str, options: Options) -> tuple[str, ...]:
    """See `envs.action_names`; the direction of the push."""
    del name, options
    return ("left", "right")


def draw(position: float, angle: float) -> np.ndarray:
    """Draws cart and pole as [64, 64, 3] uint8. Edges are smooth, so tiny moves show.

    Args:
        position: of the cart, in units of CartPole, 0 at the center.
        angle: of the pole, in radians, positive to the right.
    """
    column = CENTER + SCALE * position
    image = _BACKGROUND.copy()
    _paint(image, _box(column, AXLE + 4, 7.0, 4.0), CART)
    _paint(image, _bar(column, AXLE, angle, POLE, 1.75), WOOD)
    return np.rint(image).astype(np.uint8)


def _paint(image: np.ndarray, cover: np.ndarray, color: tuple[int, int, int]) -> None:
    """Blends `color` into `image` [64, 64, 3] in place, weighted by `cover` [64, 64] in [0, 1]."""
    image += cover[..., None] * (np.array(color, np.float32) - image)


def _box(column: float, row: float, half_width: float, half_height: float) -> np.ndarray:
    """Cover [64, 64] of an upright box around a center, all in pixels."""
    across = np.clip(half_width + 0.5 - np.abs(_PIXEL - column), 0, 1)
    down = np.clip(half_height + 0.5 - np.abs(_PIXEL - row), 0, 1)
    return down[:, None] * across[None, :]


def _bar(column: float, row: float, angle: float, length: float, half_width: float) -> np.ndarray:
    """Cover [64, 64] of a bar with round ends that leans from its foot by `angle` radians."""
    right, up = _PIXEL[None, :] - column, row - _PIXEL[:, None]
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    beyond = right * sine + up * cosine
    beyond -= np.clip(beyond, 0, length)
    aside = right * cosine - up * sine
    return np.clip(half_width + 0.5 - np.hypot(beyond, aside), 0, 1)


def _background() -> np.ndarray:
    image = np.full((SIDE, SIDE, 3), SKY, np.float32)
    _paint(image, _box(CENTER, AXLE + 9.5, SIDE, 1.0), TRACK)
    return image


_PIXEL = np.arange(SIDE, dtype=np.float32)
_BACKGROUND = _background()
