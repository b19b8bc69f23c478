"""Weights of pixels by how much they change."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.losses import world_model_losses
from dreamer_jax.spaces import Spaces
from dreamer_jax.world_model.decoders import Prediction, reconstruction_losses
from dreamer_jax.world_model.motion import FLOOR, motion_weights
from tests import tiny

pytestmark = pytest.mark.usefixtures("quick_compiler")


def plain_weights(images: np.ndarray, is_first: np.ndarray, share: float) -> np.ndarray:
    """The equation for one image at a time."""
    weights = np.ones((*images.shape[:-1], 1))
    for t in range(1, len(images)):
        for b in range(images.shape[1]):
            if is_first[t, b]:
                continue
            change = ((images[t, b] / 255 - images[t - 1, b] / 255) ** 2).mean(-1) + FLOOR
            weights[t, b, ..., 0] = 1 - share + share * change / change.mean()
    return weights


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_weights_are_those_of_the_equation(share: float) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4, 3, 16, 16, 2), np.uint8)
    images[2, 1] = images[1, 1]  # nothing moves
    is_first = np.zeros((4, 3), bool)
    is_first[[2, 0], [0, 2]] = True
    found = motion_weights(jnp.asarray(images), jnp.asarray(is_first), share=share)
    expected = plain_weights(images.astype(float), is_first, share)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(found).mean((2, 3, 4)), 1, rtol=1e-4)


def test_what_moves_has_its_share_however_small_it_is() -> None:
    """A ball of one pixel moves by one pixel: both of them get a quarter of the weight."""
    images = np.zeros((2, 1, 64, 64, 3), np.uint8)
    images[0, 0, 30, 30] = images[1, 0, 30, 31] = 255
    weights = np.asarray(motion_weights(jnp.asarray(images), jnp.zeros((2, 1), bool), share=0.5))
    moved = weights[1, 0, 30, 30:32, 0]
    np.testing.assert_allclose(moved / weights[1].sum(), [0.25, 0.25], atol=2e-3)
    np.testing.assert_allclose(weights[1, 0, 0, 0], 0.5, atol=2e-3)


def test_one_level_of_noise_does_not_draw_all_of_the_weight() -> None:
    """A pixel that flickers by one of 255 levels weighs 16 times its share, not 4,096 times."""
    images = np.zeros((2, 1, 64, 64, 3), np.uint8)
    images[1, 0, 5, 5] = 1
    weights = motion_weights(jnp.asarray(images), jnp.zeros((2, 1), bool), share=1.0)
    np.testing.assert_allclose(weights.max(), (1 / 255**2 + FLOOR) / FLOOR, rtol=0.01)


def test_the_world_model_learns_from_weighted_errors() -> None:
    """`losses.motion` changes the losses of images, and no other."""

    def losses(motion: float) -> dict[str, jax.Array]:
        dreamer = tiny.make(tiny.PIXELS, config=tiny.changed("losses", motion=motion))
        batch, params = prepare(dreamer, tiny.window(dreamer)), tiny.made_up(dreamer).params
        noise = tiny.noise(dreamer, jax.random.key(0)).latent
        latents, found, _ = jax.jit(partial(world_model_losses, dreamer))(params, batch, noise)
        drawn = np.asarray(dreamer.decode(params, latents)["image"])
        truth = batch.step.obs["image"]
        weights = plain_weights(np.asarray(truth) * 1.0, np.asarray(batch.step.is_first), motion)
        expected = (weights * (np.asarray(truth) / 255 - drawn) ** 2).sum((2, 3, 4))
        np.testing.assert_allclose(found["image/image"], expected, rtol=1e-4)
        return found

    plain, moving = losses(0.0), losses(0.5)
    assert not np.allclose(plain["image/image"], moving["image/image"], rtol=1e-3)
    for key in plain.keys() - {"image/image"}:
        np.testing.assert_array_equal(plain[key], moving[key])


def test_weights_reach_the_images_they_name_only() -> None:
    keys, shape = ("image", "other"), (48, 48, 1)
    obs = {key: jnp.full((1, 1, *shape), 255, jnp.uint8) for key in keys}
    outputs: dict[str, Prediction] = {key: jnp.zeros((1, 1, *shape)) for key in keys}
    spaces = Spaces(images=dict.fromkeys(keys, shape))
    weights = {"image": jnp.full((1, 1, *shape), 2.0)}
    losses = reconstruction_losses(outputs, obs, spaces=spaces, weights=weights)
    np.testing.assert_allclose(losses["image/image"], 2 * 48 * 48)
    np.testing.assert_allclose(losses["image/other"], 48 * 48)
    assert jax.tree.leaves(losses)[0].shape == (1, 1)
