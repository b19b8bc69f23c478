"""The parts of a batch hold what the whole batch holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from witness import Settings

from dreamer_jax.agents.dreamer.accumulation import joined, split
from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.stages import Outcome
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.config import Config, Replay, resolve
from dreamer_jax.types import Refresh
from dreamer_jax.world_model.latents import compact

KEY = jax.random.key(3)


def test_the_parts_come_together_in_their_order() -> None:
    dreamer = tiny.make()
    batch, noise = prepare(dreamer, tiny.window(dreamer)), tiny.noise(dreamer, KEY)
    parts, noises = split(batch, noise, count=tiny.BATCH)
    assert parts.step.reward.shape == (tiny.BATCH, tiny.LENGTH, 1)
    np.testing.assert_array_equal(parts.start.deter[2, 0], batch.start.deter[2])
    np.testing.assert_array_equal(noises.latent[1, :, 0], noise.latent[:, 1])
    np.testing.assert_array_equal(noises.dream.action[1, :, :, 0], noise.dream.action[:, :, 1])
    latents = compact(tiny.latents(dreamer, tiny.LENGTH, 6))
    loss = jnp.arange(6.0 * tiny.LENGTH).reshape(tiny.LENGTH, 6)
    cut = jax.tree.map(lambda x: jnp.stack([x[:, i::2] for i in range(2)]), (latents, loss))
    range_ = ReturnRange(low=jnp.zeros(2), high=jnp.ones(2))
    found = joined(Outcome({"reward": cut[1]}, Refresh(latents=cut[0], loss=cut[1]), range_, {}))
    np.testing.assert_array_equal(found.losses["reward"], loss)
    for ours, theirs in zip(
        jax.tree.leaves(found.fresh.latents), jax.tree.leaves(latents), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert found.return_range == ReturnRange(low=jnp.float32(0), high=jnp.float32(1))


def test_agents_that_learn_from_whole_batches_say_so() -> None:
    with pytest.raises(ValueError, match=r"replay.micro_batches=2: this agent .* replay.batch"):
        resolve(Config(agent=Settings(), replay=Replay(micro_batches=2)))
