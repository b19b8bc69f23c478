"""Rewards that were learned, inside of an agent."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.learned_reward import (
    NAME,
    RewardFunction,
    mixed,
    rewarded,
    with_learned_reward,
)
from dreamer_jax.config import LearnedReward
from dreamer_jax.loops.stretches import Stretch, as_learned
from dreamer_jax.spaces import of
from dreamer_jax.types import AnyAgent, Window

pytestmark = pytest.mark.usefixtures("quick_compiler")

SPACES = of({**tiny.VECTOR, **tiny.PIXELS}, tiny.TURN)


def brightness(params: Any, images: jax.Array) -> jax.Array:
    """How much brighter each picture is than the one before."""
    means = images.astype(jnp.float32).mean((-3, -2, -1))
    return params["scale"] * jnp.diff(means, axis=0, prepend=means[:1])


FUNCTION = RewardFunction(
    image="image", init=lambda _: {"scale": jnp.float32(2.0)}, rewards=brightness
)


def window() -> Window:
    drawn = tiny.window(agent.build(tiny.CONFIG, SPACES))
    return drawn.replace(
        steps=drawn.steps.replace(is_first=drawn.steps.is_first.at[2, 1].set(True))
    )


def params_after_two_updates(learning: AnyAgent, drawn: Window) -> dict[str, Any]:
    """The first update has a learning rate of 0."""
    state = learning.learner.init(jax.random.key(1))
    for i in range(2):
        state, _, _ = learning.learner.update(state, drawn, jax.random.key(i))
    return dict(state.params)


def test_rewards_are_those_of_the_pictures_around_a_step() -> None:
    drawn = window()
    config = LearnedReward(logdir="x", scale=0.5, true=3.0)
    found = rewarded(FUNCTION, config, {"scale": jnp.float32(2.0)}, drawn).steps.reward
    steps = drawn.steps
    length, batch = steps.reward.shape
    assert np.asarray(steps.is_first)[1:].any()
    for t in range(1, length):
        for b in range(batch):
            now, before = (np.float64(steps.obs["image"][i, b]).mean() for i in (t, t - 1))
            gained = 0.0 if steps.is_first[t, b] else 2.0 * (now - before)
            wanted = 0.5 * gained + 3.0 * float(steps.reward[t, b])
            np.testing.assert_allclose(found[t, b], wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[0], 3.0 * steps.reward[0], rtol=1e-6)


def test_dreams_are_compared_with_the_rewards_that_were_learned() -> None:
    config, drawn = LearnedReward(scale=0.5, true=3.0), window()
    changed = with_learned_reward(agent.make(tiny.CONFIG, SPACES), FUNCTION, config)
    assert changed.model is not None
    params = {"scale": jnp.float32(2.0)}
    state = changed.learner.init(jax.random.key(0))
    steps = jax.tree.map(lambda x: np.asarray(x)[:5, 0], drawn.steps)
    play = Stretch(
        obs=steps.obs,
        action=steps.action,
        reward=steps.reward,
        is_last=steps.is_last,
        is_terminal=steps.is_terminal,
        carry=None,
        begin=3,
    )
    found = as_learned(changed.model, state, play).reward
    wanted = mixed(FUNCTION, config, params, drawn.steps)[:5, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert np.abs(found - play.reward).max() > 0.1
    plain = agent.make(tiny.CONFIG, SPACES).model
    assert plain is not None and as_learned(plain, state, play) is play


def test_an_update_learns_from_these_rewards_and_leaves_their_parameters() -> None:
    plain, config = agent.make(tiny.CONFIG, SPACES), LearnedReward(scale=1.0)
    changed, drawn = with_learned_reward(plain, FUNCTION, config), window()
    known = rewarded(FUNCTION, config, {"scale": jnp.float32(2.0)}, drawn)
    found = params_after_two_updates(changed, drawn)
    assert found.pop(NAME) == {"scale": 2.0}
    wanted = params_after_two_updates(plain, known)
    chex.assert_trees_all_close(found, wanted, rtol=1e-3, atol=1e-5)
    with pytest.raises(AssertionError):
        unchanged = params_after_two_updates(plain, drawn)
        chex.assert_trees_all_close(found, unchanged, rtol=1e-3, atol=1e-5)
