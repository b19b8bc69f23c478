"""Latents as replay keeps them."""

import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.world_model.latents import Latent, compact, expand

STEPS, BATCH, DETER, STOCH, CLASSES = 4, 3, 12, 3, 4


def latents(*batch: int) -> Latent:
    generator = np.random.default_rng(1)
    one_hot = np.eye(CLASSES, dtype=np.float32)[generator.integers(0, CLASSES, (*batch, STOCH))]
    deter = jnp.asarray(generator.normal(size=(*batch, DETER)), jnp.float32)
    return Latent(deter=deter, stoch=jnp.asarray(one_hot))


def test_compact_latents_come_back_rounded() -> None:
    latent = latents(STEPS, BATCH)
    kept = compact(latent)
    assert kept.deter.dtype == jnp.uint16 and kept.stoch.dtype == jnp.uint8
    assert kept.stoch.shape == (STEPS, BATCH, STOCH)
    back = expand(kept, classes=CLASSES)
    np.testing.assert_array_equal(back.stoch, latent.stoch)
    np.testing.assert_array_equal(back.deter, latent.deter.astype(jnp.bfloat16))
    np.testing.assert_allclose(back.deter, latent.deter, rtol=2**-8)


def test_compact_latents_hold_256_classes() -> None:
    every = Latent(deter=jnp.zeros((1, 4)), stoch=jnp.eye(256)[None])
    np.testing.assert_array_equal(expand(compact(every), classes=256).stoch, every.stoch)


def test_only_compact_latents_are_expanded() -> None:
    kept = compact(latents(BATCH))
    with pytest.raises(AssertionError, match="type"):
        expand(kept.replace(deter=latents(BATCH).deter), classes=CLASSES)
