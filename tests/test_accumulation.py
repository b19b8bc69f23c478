"""A batch in parts is learned from as the whole batch is."""

import dataclasses
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from command import hastily

from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.accumulation import joined, split
from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.stages import STAGES, Outcome
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.config import Config
from dreamer_jax.types import Refresh
from dreamer_jax.world_model.latents import compact

KEY = jax.random.key(3)


def config(*, parts: int, dtype: str = "float32") -> Config:
    """Standardized vectors: their scale belongs to the whole batch."""
    changed = tiny.changed("model", vectors="standardize", dtype=dtype)
    return dataclasses.replace(
        changed, replay=dataclasses.replace(changed.replay, micro_batches=parts)
    )


@cache
def updated(learn: str, *, parts: int) -> tuple[DreamerState, Refresh, dict[str, jax.Array]]:
    """Two updates of one state and window, whose sequences have rewards of their own sizes."""
    dreamer = tiny.make(act=tiny.BOTH, config=config(parts=parts))
    state = tiny.made_up(dreamer)
    trained = {name: state.params[name] for name in STAGES[learn].trained}
    state = state.replace(
        optimizer=dreamer.optimizer.init(trained),
        return_range=ReturnRange(low=jnp.float32(-3), high=jnp.float32(40)),
    )
    steps = tiny.experience(dreamer, 1 + tiny.LENGTH)
    steps = steps.replace(reward=steps.reward * jnp.array([1.0, 10.0, 100.0]))
    window = tiny.window(dreamer, steps)
    with hastily():
        update: Any = jax.jit(partial(agent.update, dreamer, STAGES[learn]))
        state, _, _ = update(state, window, KEY)  # the learning rate is still 0
        return update(state, window, jax.random.fold_in(KEY, 1))


@pytest.mark.parametrize("learn", ["all", "world_model"])
def test_an_update_in_parts_is_that_of_the_whole_batch(learn: str) -> None:
    """State, optimizer, return range, latents and losses for replay, and every metric."""
    whole, parts = updated(learn, parts=1), updated(learn, parts=tiny.BATCH)
    assert jax.tree.structure(whole) == jax.tree.structure(parts)
    paths = jax.tree_util.tree_leaves_with_path(whole)
    for (path, a), b in zip(paths, jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6, err_msg=str(path))


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
