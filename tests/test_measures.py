"""The equations of the diagnosis, against slow loops and known answers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import BATCH, LENGTH, MIXED, changed, experience, make, window

from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.calibration import correlation, discounted, least_entropy
from dreamer_jax.agents.dreamer.diagnosis import (
    Look,
    dead_latents,
    observation_errors,
    prior_error,
)
from dreamer_jax.agents.dreamer.losses import pixel_weights
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.nn.dists import BoundedNormal, Categorical, Choices
from dreamer_jax.types import Step
from dreamer_jax.world_model.categoricals import Symbols
from dreamer_jax.world_model.decoders import Prediction
from dreamer_jax.world_model.relative_errors import relative_errors
from envs.kinds import Image

GENERATOR = np.random.default_rng(0)


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(GENERATOR.normal(size=shape), jnp.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def oracle(truth: np.ndarray, guess: np.ndarray, weight: np.ndarray | int = 1) -> np.ndarray:
    """Squared errors of the guess, the mean and the entry of step 1: three arrays [T, B]."""
    others = (
        guess,
        np.broadcast_to(
            np.average(truth, (0, 1), np.broadcast_to(weight, truth.shape)), truth.shape
        ),
        np.broadcast_to(truth[1], truth.shape),
    )
    axes = tuple(range(2, truth.ndim))
    return np.stack([(weight * np.square(truth - other)).sum(axes) for other in others])


def test_errors_of_every_kind_and_of_two_guesses() -> None:
    dreamer = make(MIXED)
    obs = experience(dreamer, LENGTH).obs
    batch = (LENGTH, BATCH)
    outputs = {
        "state": normal(*batch, 3),
        "image": jax.nn.sigmoid(normal(*batch, 48, 48, 1)),
        "inventory": normal(*batch, 5),
        "door": normal(*batch, 2),
        "sign": Symbols(features=normal(*batch, 18, 6), kernel=normal(6, 32), bias=normal(32)),
        "board": Symbols(
            features=normal(*batch, 45, 6), kernel=normal(6, 2, 4), bias=normal(45, 2, 4)
        ),
    }
    weight = jnp.square(normal(*batch, 48, 48, 1))
    weights = {"image": weight}
    found = relative_errors(outputs, obs, last=1, spaces=dreamer.obs, weights=weights)
    raw = {key: np.asarray(x) for key, x in obs.items()}
    logits = {key: np.asarray(outputs[key].logits) for key in ("sign", "board")}
    inventory = np.asarray(outputs["inventory"])
    parts = [
        oracle(np.eye(n)[raw["inventory"][..., i]], softmax(inventory[..., at : at + n]))
        for i, (n, at) in enumerate(((3, 0), (2, 3)))
    ]
    board = np.eye(4)[raw["board"].reshape(*batch, 45, 2)]
    expected = {
        "vector/state": oracle(raw["state"], np.asarray(outputs["state"])),
        "image/image": oracle(raw["image"] / 255, np.asarray(outputs["image"]), np.asarray(weight)),
        "choice/inventory": sum(parts),
        "bits/door": oracle(raw["door"], 1 / (1 + np.exp(-np.asarray(outputs["door"])))),
        "text/sign": oracle(np.eye(32)[raw["sign"]], softmax(logits["sign"])),
        "symbols/board": oracle(board, softmax(logits["board"])),
    }
    assert found.keys() == expected.keys()
    for key, errors in found.items():
        np.testing.assert_allclose(jnp.stack(errors), expected[key], rtol=1e-3, err_msg=key)
    plain = relative_errors(outputs, obs, last=1, spaces=dreamer.obs)["image/image"]
    expected_plain = oracle(raw["image"] / 255, np.asarray(outputs["image"]))
    np.testing.assert_allclose(jnp.stack(plain), expected_plain, rtol=1e-3)


def best_constant(dreamer: Dreamer, step: Step) -> jax.Array:
    """The constant image [T, B, h, w, 1] with the least weighted error."""
    image = np.asarray(step.obs["image"]) / 255
    weight = np.asarray(pixel_weights(dreamer, step).get("image", np.ones(image.shape)))
    return jnp.asarray(np.broadcast_to(np.average(image, (0, 1), weight), image.shape))


def test_pixels_are_judged_with_the_weights_of_the_loss() -> None:
    """A model that looks at what moves is not accused of drawing the rest less well."""
    image = np.zeros((LENGTH, BATCH, 48, 48, 1), np.uint8)
    for t in range(LENGTH):
        image[t, :, 20, 3 * t] = 255
    drawn: dict[str, Prediction] = {"image": jnp.where(image == 255, 1.0, 0.1)}
    found = list[float]()
    for share in (0.0, 1.0):
        dreamer = make({"image": Image(48, 48, 1)}, config=changed("losses", motion=share))
        batch = prepare(dreamer, window(dreamer))
        step = batch.step.replace(obs={"image": jnp.asarray(image)})
        batch = batch._replace(step=step.replace(is_first=jnp.zeros((LENGTH, BATCH), bool)))
        nothing: Any = None
        look = Look(batch, batch.step.obs, nothing, nothing, drawn)
        errors = observation_errors(dreamer, look, half=LENGTH // 2)
        found += [
            float(errors[f"{name}/image/image"]) for name in ("reconstruction", "open_loop_5")
        ]
        constant: dict[str, Prediction] = {"image": best_constant(dreamer, batch.step)}
        errors = observation_errors(dreamer, look._replace(outputs=constant), half=LENGTH // 2)
        assert float(errors["open_loop_5/image/image"]) >= 0.999
    plain, weighted = found[:2], found[2:]
    assert min(plain) > 5 and max(weighted) < 0.5


def test_discounted_rewards_stop_where_the_episode_ends() -> None:
    reward, continue_ = np.array([9.0, 1, 2, 4]), np.array([9.0, 0.5, 0.5, 0.5])
    total, weight = discounted(jnp.asarray(reward), jnp.asarray(continue_))
    assert (total, weight) == (1 + 0.5 * 2 + 0.25 * 4, 0.125)
    continue_[2] = 0
    assert discounted(jnp.asarray(reward), jnp.asarray(continue_)) == (2.0, 0.0)


def test_a_correlation_of_some_entries() -> None:
    x, y = GENERATOR.normal(size=(2, 50))
    where = GENERATOR.normal(size=50) > 0
    least = jnp.float32(0.01)
    found = correlation(jnp.asarray(x), jnp.asarray(y), jnp.asarray(where), least=least)
    np.testing.assert_allclose(found, np.corrcoef(x[where], y[where])[0, 1], rtol=1e-4)
    flat = correlation(jnp.asarray(x), jnp.ones(50), jnp.asarray(where), least=least)
    assert np.isnan(flat)


def test_latents_that_are_constant_or_chance_are_dead() -> None:
    """Of four: the same class always, chance, the sign of the step, and nearly chance."""
    steps, classes = 40, 2
    logits = np.zeros((steps, 1, 4, classes))
    logits[:, 0, 0, 0] = 20
    logits[::2, 0, 2, 0] = logits[1::2, 0, 2, 1] = 20
    logits[::2, 0, 3, 0] = 2
    posterior = Categorical.from_logits(jnp.asarray(logits), unimix=0.01)
    assert dead_latents(posterior, unimix=0.01) == 0.5
    usual = Categorical(jnp.log(jnp.broadcast_to(posterior.probs.mean((0, 1)), logits.shape)))
    surprise = posterior.kl(usual).sum(-1)
    assert prior_error(posterior, surprise, least=0.0) == pytest.approx(1, rel=1e-4)
    assert prior_error(posterior, 2 * surprise, least=0.0) == pytest.approx(2, rel=1e-4)
    # Two nats are free, and nothing is learned below them.
    assert prior_error(posterior, jnp.full((steps, 1), 2.0), least=2.0) == 1


def test_the_least_entropy_is_that_of_a_certain_policy() -> None:
    certain = Choices.from_logits(jnp.array([99.0, 0, 0, 99, 0]), classes=(3, 2), unimix=0.01)
    assert least_entropy(certain, unimix=0.01) == pytest.approx(float(certain.entropy()), rel=1e-5)
    plain = Choices.from_logits(jnp.zeros(3), classes=(3,), unimix=0.0)
    assert least_entropy(plain, unimix=0.0) == 0
    narrow = BoundedNormal.from_outputs(jnp.zeros(2), jnp.full(2, -99.0))
    assert least_entropy(narrow, unimix=0.01) == pytest.approx(float(narrow.entropy()), rel=1e-5)
