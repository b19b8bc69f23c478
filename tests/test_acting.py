"""What holds in training holds in acting: latents, the borders of episodes, and chance."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.acting import act_step, actor_of, initial_carry
from dreamer_jax.agents.dreamer.networks import Dreamer, scale_vectors
from dreamer_jax.agents.dreamer.state import DreamerCarry, DreamerState
from dreamer_jax.nn.dists import Choices
from dreamer_jax.nn.heads import mode, sample
from dreamer_jax.types import Step, Window
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.latents import CompactLatent, compact, expand
from dreamer_jax.world_model.rssm import RSSM

STEPS, ROWS = 1 + tiny.LENGTH, tiny.BATCH
KEY = jax.random.key(4)
# One row begins an episode in the middle, one at the first step, one never.
IS_FIRST = jnp.zeros((STEPS, ROWS), bool).at[3, 0].set(True).at[0, 1].set(True)


def certain() -> tuple[Dreamer, DreamerState]:
    """An agent whose posteriors leave nothing to chance: what it sees decides its latents."""
    dreamer = tiny.make(act=tiny.BOTH, config=tiny.changed("model", unimix=0.0))
    state = tiny.made_up(dreamer, 0.7)
    logits = jax.tree.map(lambda x: 1e5 * x, state.params["rssm"]["posterior_logits"])
    params = {**state.params, "rssm": {**state.params["rssm"], "posterior_logits": logits}}
    return dreamer, state.replace(params=params)


def stepper(dreamer: Dreamer, choose: Any, state: DreamerState) -> Any:
    """The compiled step: (carry, obs, is_first, key) -> carry, action, latents for replay."""
    return partial(jax.jit(partial(act_step, dreamer, choose)), actor_of(state))


def remembering(dreamer: Dreamer) -> DreamerCarry:
    """What is remembered in the middle of an episode."""
    action = jax.tree.map(lambda x: x[0], tiny.experience(dreamer, 1, seed=5).action)
    return DreamerCarry(latent=tiny.latents(dreamer, ROWS), action=action)


def acted(
    dreamer: Dreamer, state: DreamerState, carry: DreamerCarry, steps: Step
) -> tuple[Any, Any, Any]:
    """Acts on every observation in turn: carries, actions and latents for replay [T, B, ...]."""
    step, found = stepper(dreamer, sample, state), []
    for t, key in enumerate(jax.random.split(KEY, len(steps.reward))):
        obs = jax.tree.map(lambda x, t=t: x[t], steps.obs)
        carry, action, kept = step(carry, obs, steps.is_first[t], key)
        found.append((carry, action, kept))
    return jax.tree.map(lambda *rows: jnp.stack(rows), *found)


def test_acting_filters_as_training_does() -> None:
    """Over a sequence, from a latent and an action that are not zero, with borders in some rows."""
    dreamer, state = certain()
    start = remembering(dreamer)
    steps = tiny.experience(dreamer, STEPS).replace(is_first=IS_FIRST)
    carries, actions, _ = acted(dreamer, state, start, steps)
    before = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b[:-1]]), start.action, actions)
    seen = rssm.observe(
        dreamer.nets.rssm,
        {"params": state.params["rssm"]},
        start=start.latent,
        actions=spaces.flatten(before, dreamer.act),
        tokens=dreamer.encode(state.params, scale_vectors(dreamer, state.moments, steps.obs)),
        is_first=steps.is_first,
        # Other numbers than acting has drawn, which decide nothing here.
        uniform=jax.random.uniform(jax.random.key(11), (STEPS, ROWS, dreamer.nets.rssm.stoch)),
    ).latents
    np.testing.assert_allclose(carries.latent.deter, seen.deter, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(carries.latent.stoch, seen.stoch, atol=1e-5)
    assert len(np.unique(compact(seen).stoch.reshape(STEPS * ROWS, -1), axis=0)) > ROWS
    assert all((x[1:] != x[:-1]).any() for x in jax.tree.leaves(actions))


def test_an_update_makes_of_a_window_what_acting_has_made_of_it() -> None:
    """From the latents that acting has left in replay to those that the update writes back."""
    dreamer, state = certain()
    steps = tiny.experience(dreamer, STEPS).replace(is_first=IS_FIRST)
    first, later = (jax.tree.map(lambda x, s=s: x[s], steps) for s in (slice(1), slice(1, None)))
    carries, action, context = acted(dreamer, state, remembering(dreamer), first)
    carry: DreamerCarry = jax.tree.map(lambda x: x[0], carries)
    latent = expand(compact(carry.latent), classes=dreamer.config.model.classes)  # as replay has
    _, actions, kept = acted(dreamer, state, carry.replace(latent=latent), later)
    joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), (action, context), (actions, kept))
    window = tiny.window(dreamer, steps.replace(action=joined[0])).replace(latents=joined[1])
    fresh = refreshed(dreamer, state, window)
    np.testing.assert_array_equal(fresh.stoch, kept.stoch)
    found, expected = (expand(x, classes=dreamer.config.model.classes).deter for x in (fresh, kept))
    np.testing.assert_allclose(found, expected, rtol=2**-7, atol=1e-4)


def refreshed(dreamer: Dreamer, state: DreamerState, window: Window) -> CompactLatent:
    """The latents that an update writes back."""
    update = jax.jit(lambda *inputs: agent.update(dreamer, tiny.ALL, *inputs))
    return update(state, window, KEY)[1].latents


def test_acting_forgets_what_was_before_an_episode() -> None:
    """Rows that begin act as at the start of a run; the others as if no row had begun."""
    dreamer = tiny.make()
    step = stepper(dreamer, mode, tiny.made_up(dreamer, 1.0))
    carry, obs = remembering(dreamer), {"state": jax.random.normal(KEY, (ROWS, 3))}
    no, begins = jnp.zeros(ROWS, bool), jnp.arange(ROWS) == 1
    mixed, kept, fresh = (
        step(carry, obs, begins, KEY),
        step(carry, obs, no, KEY),
        step(initial_carry(dreamer, ROWS), obs, ~no, KEY),
    )
    for found, old, new in zip(*map(jax.tree.leaves, (mixed, kept, fresh)), strict=True):
        np.testing.assert_array_equal(found[1], new[1])
        np.testing.assert_array_equal(found[::2], old[::2])
    assert (fresh[0].latent.deter[1] != kept[0].latent.deter[1]).all()


def frequencies(index: jax.Array, classes: int) -> np.ndarray:
    """How often each class was sampled: [N, n] -> [n, K]."""
    return np.asarray(jax.nn.one_hot(index, classes).mean(0))


def test_acting_samples_what_its_distributions_say() -> None:
    """What networks exclude with certainty is still sampled, at the rate of `unimix`."""
    count = 20_000
    dreamer = tiny.make(config=tiny.changed("model", unimix=0.2))
    state = tiny.made_up(dreamer)
    state = state.replace(params=jax.tree.map(lambda x: 1e3 * x, state.params))
    carry = initial_carry(dreamer, count)
    obs, begins = {"state": jnp.ones((count, 3))}, jnp.ones(count, bool)
    after, action, kept = stepper(dreamer, sample, state)(carry, obs, begins, KEY)
    tokens = dreamer.encode(state.params, scale_vectors(dreamer, state.moments, obs))
    variables = {"params": state.params["rssm"]}
    model = dreamer.nets.rssm
    posterior = rssm.run(model, variables, RSSM.posterior, after.latent.deter, tokens).probs[0]
    assert posterior.min() < 0.051 and posterior.max() > 0.849
    spread = 5 * np.sqrt(0.25 / count)
    np.testing.assert_allclose(frequencies(kept.stoch, 4), posterior, atol=spread)
    dist = dreamer.policy(state.params, after.latent.features)["action"]
    assert isinstance(dist, Choices)
    policy = dist.parts[0].probs
    assert policy.min() < 0.067
    shares = frequencies(action["action"], 3)[0]
    np.testing.assert_allclose(shares, policy.mean(0), atol=spread)
