"""What a world model knows of places, and of the pixels there, when it sees and when it dreams.

The model itself may have been trained on any copies of the game but the last quarter, which test.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.loops.dreams import CHUNK
from dreamer_jax.types import AnyModel
from experiments import linear_probe, positions
from experiments.known_play import Known, largest_image
from experiments.linear_probe import BOTH, r_squared
from experiments.positions import ABSENT

AHEAD = (0, 1, 5, 15)  # dreamt steps; 0: the moment that a dream begins with
EVERY = 10  # steps between two dreams of one copy
AROUND = 3  # pixels of the image on each side of a thing


class Moments(NamedTuple):
    """N moments of a recorded play as the model knows them after some dreamt steps; NumPy."""

    ahead: int  # steps of the dream
    t: np.ndarray  # [N] step that is known or dreamt of
    e: np.ndarray  # [N] copy
    features: np.ndarray  # [N, F], both parts
    image: np.ndarray  # [N, h, w, c] uint8, as the model draws it


def watch(model: AnyModel, state: Any, carry: Any, known: Known) -> Any:
    """The carry after each observation of a recorded play: [T, E, ...]; NumPy."""
    rows = list[Any]()
    for t in range(len(known.steps.is_first)):
        step = jax.tree.map(lambda x, t=t: jnp.asarray(x[t]), known.steps)
        carry = model.see(state, carry, step.obs, step.is_first, jax.random.key(t))
        carry = model.took(carry, step.action)
        rows.append(jax.device_get(carry))
    return jax.tree.map(lambda *x: np.stack(x), *rows)


def beginnings(known: Known) -> np.ndarray:
    """Moments (t, e) [2, N] where dreams begin, in the copies that test; N is a multiple of CHUNK.

    Raises ValueError where the play is too short for that.
    """
    first, longest = np.asarray(known.steps.is_first), max(AHEAD)
    found = [
        (t, e)
        for t in range(1, len(first) - longest, EVERY)
        for e in np.flatnonzero(linear_probe.test_rows()).tolist()
        if not first[t + 1 : t + longest + 1, e].any()
    ]
    if len(found) < CHUNK:
        raise ValueError(f"{len(first)} steps are too few for {CHUNK} dreams; try 1000")
    return np.array(found[: len(found) // CHUNK * CHUNK]).T


def dreamt(known: Known, carry: Any, model: AnyModel, state: Any) -> dict[int, Moments]:
    """Dreams with the recorded actions from all `beginnings`: by their length in AHEAD.

    carry: [T, E, ...] as `watch` gives it.
    """
    parts: dict[int, list[Moments]] = {ahead: [] for ahead in AHEAD}
    begun = beginnings(known)
    for start in range(0, begun.shape[1], CHUNK):
        t, e = begun[:, start : start + CHUNK]
        for moments in _dreamt(known, carry, model, state, t, e):
            parts[moments.ahead].append(moments)
    return {ahead: _joined(each) for ahead, each in parts.items()}


def _joined(parts: list[Moments]) -> Moments:
    """The same as one."""
    ahead, *_ = parts[0]
    arrays = zip(*(part[1:] for part in parts), strict=True)
    return Moments(ahead, *(np.concatenate(x) for x in arrays))


def _dreamt(
    known: Known, carry: Any, model: AnyModel, state: Any, t: np.ndarray, e: np.ndarray
) -> Iterator[Moments]:
    """Dreams that begin at the moments [N] t of the copies e."""
    now = jax.tree.map(lambda x: jnp.asarray(x[t, e]), carry)
    for step in range(max(AHEAD) + 1):
        if step:
            last = t + step - 1
            action = {k: jnp.asarray(x[last, e]) for k, x in known.steps.action.items()}
            now = _imagined(model, state, now, action, jax.random.key(int(last[0])))
        if step in AHEAD:
            image = _image(model, state, now)
            yield Moments(
                step, t + step, e, linear_probe.features_of(jax.device_get(now))[BOTH], image
            )


def measures(model: AnyModel, state: Any, carry: Any, known: Known) -> dict[str, float]:
    """What a model knows of a recorded play.

    carry: of the model in each copy, before the first observation.

    Returns: by name, where N counts the dreamt steps as in AHEAD,
      `r2/<coordinate>`: R² of a linear regression from both parts of the latent, on the copies that
        test; `r2/<coordinate>/<part>`: from one part; `r2/<coordinate>/<N>`: from both in dreams
        after the recorded actions.
      `pixels/<thing>/<N>`: as `explained` has it.
      `image/<N>`: as `image_error` has it.
    """
    carry = watch(model, state, carry, known)
    dreams, features = dreamt(known, carry, model, state), linear_probe.features_of(carry)
    found = dict[str, float]()
    for name, at in sorted(known.at.items()):
        shown = known.shown(name)
        test = shown & linear_probe.test_rows()
        guesses = {part: linear_probe.fitted(x, at, shown) for part, x in features.items()}
        for part, guess in guesses.items():
            key = f"r2/{name}" if part == BOTH else f"r2/{name}/{part}"
            found[key] = r_squared(guess(features[part][test]), at[test])
        for n, moments in dreams.items():
            truth = at[moments.t, moments.e]
            if n:
                guess = guesses[BOTH](moments.features)
                found[f"r2/{name}/{n}"] = r_squared(guess[truth != ABSENT], truth[truth != ABSENT])
    screen = positions.screen(known.env)
    for n, moments in dreams.items():
        found[f"image/{n}"] = image_error(known, moments)
        for thing in positions.things(known.at):
            found[f"pixels/{thing}/{n}"] = explained(thing, known, moments, screen=screen)
    return found


def explained(thing: str, known: Known, moments: Moments, *, screen: tuple[int, int]) -> float:
    """How much of the pixels around a thing the drawings explain, against the mean image.

    1 - error / variance, over all moments. NaN for a thing that is nowhere on the screen.

    screen: width and height of the emulator's screen. A thing without x moves in its column, whose
    pixels are all compared.
    """
    mean = known.image.mean((0, 1), dtype=np.float32)
    truth = known.image[moments.t, moments.e].astype(np.float32)
    error, variance = np.square(moments.image - truth), np.square(mean - truth)
    around, (width, height) = np.ones(truth.shape[:-1], bool), screen
    for name, axis, size in ((f"{thing}_x", 2, width), (f"{thing}_y", 1, height)):
        if name in known.at:
            at = known.at[name][moments.t, moments.e]
            close = near(at, pixels=truth.shape[axis], size=size)
            around &= np.expand_dims(close, 3 - axis)
    if not around.any():
        return float("nan")
    return float(1 - error[around].sum() / variance[around].sum())


def near(at: np.ndarray, *, pixels: int, size: int) -> np.ndarray:
    """Pixels of one side of an image within AROUND of `at` [N], on a screen of `size`: [N, pixels].

    False where the thing is not shown.
    """
    middle = np.floor((at + 0.5) * pixels / size)
    close = np.abs(np.arange(pixels) - middle[:, None]) <= AROUND
    return close & (at != ABSENT)[:, None]


def image_error(known: Known, moments: Moments) -> float:
    """Σ (x - x̂)² of an image whose pixels are in [0, 1], the mean over all moments."""
    truth = known.image[moments.t, moments.e].astype(np.float32)
    error = np.square((moments.image - truth) / 255)
    return float(error.sum((1, 2, 3)).mean())


def _image(model: AnyModel, state: Any, carry: Any) -> np.ndarray:
    """The largest image that the model draws."""
    drawn = jax.device_get(model.read(state, carry).obs)
    return largest_image(drawn, batch_axes=1)


@partial(jax.jit, static_argnums=0)
def _imagined(model: AnyModel, state: Any, carry: Any, action: Any, key: jax.Array) -> Any:
    return model.imagine(state, model.took(carry, action), key)
