"""What a world model knows of places, and of the pixels there, when it sees and when it dreams.

The model itself may have been trained on any copies of the game but the last quarter, which test.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.types import AnyModel
from experiments import linear_probe, positions
from experiments.known_play import Known, largest_image
from experiments.linear_probe import BOTH, r_squared
from experiments.positions import ABSENT

AHEAD = (0, 1, 5, 15)  # dreamt steps; 0: the moment that a dream begins with
EVERY = 10  # steps between two dreams of one copy
MOST = 512  # dreams
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
    """Moments (t, e) [2, N] where dreams begin, in the copies that test; at most MOST.

    Raises ValueError where the play is too short for any.
    """
    first, longest = np.asarray(known.steps.is_first), max(AHEAD)
    found = [
        (t, e)
        for e in np.flatnonzero(linear_probe.split().test).tolist()
        for t in range(1, len(first) - longest, EVERY)
        if not first[t + 1 : t + longest + 1, e].any()
    ]
    if not found:
        raise ValueError(f"{len(first)} steps are too few for dreams of {longest}; try 1000")
    return np.array(found[:: -(-len(found) // MOST)]).T


def dreamt(known: Known, carry: Any, model: AnyModel, state: Any) -> list[Moments]:
    """Dreams with the recorded actions from all `beginnings`, one item for each of AHEAD.

    carry: [T, E, ...] as `watch` gives it.
    """
    t, e = beginnings(known)
    now, found = jax.tree.map(lambda x: jnp.asarray(x[t, e]), carry), list[Moments]()
    for step in range(max(AHEAD) + 1):
        if step:
            action = {k: jnp.asarray(x[t + step - 1, e]) for k, x in known.steps.action.items()}
            now = model.imagine(state, model.took(now, action), jax.random.key(step))
        if step in AHEAD:
            drawn = jax.device_get(model.read(state, now).obs)
            image = largest_image(drawn, batch_axes=1)
            features = linear_probe.features_of(jax.device_get(now))[BOTH]
            found.append(Moments(step, t + step, e, features, image))
    return found


def measures(model: AnyModel, state: Any, carry: Any, known: Known) -> dict[str, float]:
    """What a model knows of a recorded play.

    carry: of the model in each copy, before the first observation.

    Returns: by name, where N of AHEAD counts the dreamt steps, and 0 is the moment before them,
      `r2/<coordinate>`: R² of a linear regression from both parts of the latent, at all steps of
        the copies that test; `r2/<coordinate>/<part>`: from one part.
      `r2/<coordinate>/<N>`: of the same regression in dreams after the recorded actions. Compare
        these with each other, since dreams do not begin everywhere.
      `pixels/<thing>/<N>`: as `explained` has it.
      `image/<N>`: as `image_error` has it.
    """
    carry = watch(model, state, carry, known)
    dreams, features = dreamt(known, carry, model, state), linear_probe.features_of(carry)
    found = dict[str, float]()
    for name, at in sorted(known.at.items()):
        shown = known.shown(name)
        test = shown & linear_probe.split().test
        guesses = {part: linear_probe.fitted(x, at, shown) for part, x in features.items()}
        for part, guess in guesses.items():
            key = f"r2/{name}" if part == BOTH else f"r2/{name}/{part}"
            found[key] = r_squared(guess(features[part][test]), at[test])
        for moments in dreams:
            when, here = (moments.t, moments.e), shown[moments.t, moments.e]
            guess = guesses[BOTH](moments.features[here])
            found[f"r2/{name}/{moments.ahead}"] = r_squared(guess, at[when][here])
    for moments in dreams:
        found[f"image/{moments.ahead}"] = image_error(known, moments)
        for thing in positions.things(known.at):
            found[f"pixels/{thing}/{moments.ahead}"] = explained(thing, known, moments)
    return found


def explained(thing: str, known: Known, moments: Moments) -> float:
    """How much of the pixels around a thing the drawings explain, against the mean image.

    1 - error / variance, over all moments. NaN for a thing that is nowhere on the screen.
    """
    mean = known.image.mean((0, 1), dtype=np.float32)
    truth = known.image[moments.t, moments.e].astype(np.float32)
    error, variance = np.square(moments.image - truth), np.square(mean - truth)
    fixed, (width, height) = positions.fixed(known.env), positions.screen(known.env)

    def close(name: str, *, pixels: int, size: int) -> np.ndarray:
        at = known.at[name][moments.t, moments.e] if name in known.at else fixed[name]
        return near(np.broadcast_to(at, len(truth)), pixels=pixels, size=size)

    rows = close(f"{thing}_y", pixels=truth.shape[1], size=height)
    columns = close(f"{thing}_x", pixels=truth.shape[2], size=width)
    around = rows[:, :, None] & columns[:, None]
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
