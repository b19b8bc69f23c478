"""The model of the agent: seeing and choosing is acting, and dreaming is what training imagines."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.acting import act_step, actor_of, initial_carry
from dreamer_jax.agents.dreamer.model import model_of
from dreamer_jax.agents.dreamer.networks import (
    Dreamer,
    initial_moments,
    scale_vectors,
    unscaled_vectors,
)
from dreamer_jax.agents.dreamer.state import DreamerCarry
from dreamer_jax.nn.heads import mode, sample
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.decoders import most_likely
from dreamer_jax.world_model.moments import Moments

ROWS = tiny.BATCH
KEY = jax.random.key(9)


def carried(dreamer: Dreamer) -> DreamerCarry:
    """A moment in the middle of an episode."""
    action = jax.tree.map(lambda x: x[0], tiny.experience(dreamer, 1, seed=5).action)
    return DreamerCarry(latent=tiny.latents(dreamer, ROWS), action=action)


def equal(one: Any, other: Any) -> bool:
    same = jax.tree.map(lambda a, b: bool((a == b).all()), one, other)
    return jax.tree.all(same)


def test_seeing_then_choosing_is_acting() -> None:
    """To the bit, so that a dream may begin at any moment of an episode that was played."""
    dreamer = tiny.make(act=tiny.BOTH)
    state, model = tiny.made_up(dreamer), model_of(dreamer)
    obs = jax.tree.map(lambda x: x[0], tiny.experience(dreamer, 1).obs)
    is_first = jnp.zeros(ROWS, bool).at[0].set(True)
    see_key, choose_key = jax.random.split(KEY)
    for choose, mine in ((sample, model.choose), (mode, model.greedy)):
        expected, action, _ = jax.jit(partial(act_step, dreamer, choose))(
            actor_of(state), carried(dreamer), obs, is_first, KEY
        )
        seen = model.see(state, carried(dreamer), obs, is_first, see_key)
        assert equal(mine(state, seen, choose_key), action)
        assert equal(model.took(seen, action), expected)


def test_a_dream_is_what_the_model_imagines() -> None:
    dreamer = tiny.make(act=tiny.BOTH)
    state, model, carry = tiny.made_up(dreamer), model_of(dreamer), carried(dreamer)
    expected = rssm.imagine_step(
        dreamer.nets.rssm,
        {"params": state.params["rssm"]},
        carry.latent,
        spaces.flatten(carry.action, dreamer.act),
        uniform=jax.random.uniform(KEY, (ROWS, dreamer.nets.rssm.stoch)),
    )
    dreamt = model.imagine(state, carry, KEY)
    np.testing.assert_allclose(dreamt.latent.deter, expected.deter, rtol=1e-5, atol=1e-6)
    assert equal(dreamt.latent.stoch.argmax(-1), expected.stoch.argmax(-1))
    other = jax.tree.map(lambda x: jnp.roll(x, 1, 0), carry.action)
    elsewhere = model.imagine(state, model.took(carry, other), KEY)
    assert not equal(elsewhere.latent.deter, dreamt.latent.deter)  # actions matter


def test_a_readout_has_the_units_of_the_environment() -> None:
    dreamer = tiny.make(obs=tiny.MIXED)
    state = tiny.made_up(dreamer)
    readout = model_of(dreamer).read(state, initial_carry(dreamer, ROWS))
    like = spaces.zeros(dreamer.obs, ROWS)
    assert readout.obs.keys() == like.keys()
    for key, value in like.items():
        assert readout.obs[key].shape == value.shape
        assert readout.obs[key].dtype == value.dtype
    for key, classes in dreamer.obs.choices.items():
        assert (readout.obs[key] < np.array(classes)).all()
    for number in (readout.reward, readout.continue_, readout.value):
        assert number.shape == (ROWS,) and number.dtype == jnp.float32


def test_the_most_likely_choice_is_that_of_each_entry() -> None:
    obs = spaces.Spaces(choices={"c": (2, 3)}, bits={"b": 2}, images={"i": (1, 1, 1)})
    logits = jnp.array([[0.0, 5.0, 2.0, 1.0, 9.0]])
    assert most_likely(logits, key="c", spaces=obs).tolist() == [[1, 2]]
    assert most_likely(jnp.array([[-1.0, 1.0]]), key="b", spaces=obs).tolist() == [[0, 1]]
    assert most_likely(jnp.array([[[[0.5]]]]), key="i", spaces=obs).tolist() == [[[[128]]]]


@pytest.mark.parametrize("vectors", ["symlog", "standardize"])
def test_vectors_come_back_in_their_units(vectors: str) -> None:
    dreamer = tiny.make(config=tiny.changed("model", vectors=vectors))
    (key,) = dreamer.obs.vectors
    running = {
        name: Moments(mean=m.mean + 3, variance=4 * m.variance, count=m.count)
        for name, m in initial_moments(dreamer).items()
    }
    obs = {key: jnp.linspace(-5, 5, dreamer.obs.vectors[key])[None]}
    back = unscaled_vectors(dreamer, running, scale_vectors(dreamer, running, obs))
    np.testing.assert_allclose(back[key], obs[key], rtol=1e-5, atol=1e-5)
