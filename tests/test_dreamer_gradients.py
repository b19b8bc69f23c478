"""Which loss teaches which module, free nats, what a dream is made of, and one golden update."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from command import hastily

from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.losses import behavior_losses, dream, metric_of
from dreamer_jax.agents.dreamer.noise import for_dream
from dreamer_jax.behavior import actor_critic
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.math import symexp_bins
from dreamer_jax.nn.dists import BoundedNormal, TwoHot
from dreamer_jax.types import Rollout

KEY = jax.random.key(3)

# Modules that each loss of the vector agent reaches, when no step follows another.
TEACHES = {
    "vector/state": {"encoder", "rssm", "decoder"},
    "reward": {"encoder", "rssm", "reward"},
    "continue": {"encoder", "rssm", "continue"},
    "dynamics": {"rssm"},
    "representation": {"encoder", "rssm"},
    "policy": {"policy"},
    "value": {"value"},
    "replay_value": {"encoder", "rssm", "value"},
}


def taught(tree: Any) -> bool:
    return any(np.asarray(x).any() for x in jax.tree.leaves(tree))


@cache
def slopes() -> dict[str, Any]:
    """The gradient of each loss, with respect to all parameters; every step starts an episode."""
    dreamer = tiny.make(config=tiny.changed("losses", free_nats=0.0))
    state = tiny.made_up(dreamer)
    steps = tiny.experience(dreamer, 1 + tiny.LENGTH)
    steps = steps.replace(is_first=jnp.ones_like(steps.is_first))
    batch = prepare(dreamer, tiny.window(dreamer, steps))
    batch = batch._replace(step=batch.step.replace(is_last=jnp.zeros_like(batch.step.is_last)))

    noise = tiny.noise(dreamer, KEY)

    def losses(params: Any) -> dict[str, jax.Array]:
        metrics = agent.loss(dreamer, tiny.ALL, params, state, batch, noise)[1].metrics
        return {name: metrics[metric_of(name)] for name in TEACHES}

    return jax.jit(jax.jacrev(losses))(state.params)


@pytest.mark.parametrize("loss", TEACHES)
def test_each_loss_teaches_its_own_modules(loss: str) -> None:
    assert {name for name, tree in slopes()[loss].items() if taught(tree)} == TEACHES[loss]


def test_each_side_of_the_kl_is_held_still_in_turn() -> None:
    prior, posterior = ("prior_mlp", "prior_logits"), ("posterior_mlp", "posterior_logits")
    dynamics, representation = slopes()["dynamics"]["rssm"], slopes()["representation"]["rssm"]
    assert all(taught(dynamics[name]) for name in prior)
    assert all(taught(representation[name]) for name in posterior)
    assert not any(taught(dynamics[name]) for name in posterior)
    assert not any(taught(representation[name]) for name in prior)


def test_free_nats_are_counted_for_each_step() -> None:
    """A step below the floor costs the floor and teaches nothing, whatever the others do."""
    dreamer = tiny.make()
    params = tiny.made_up(dreamer).params
    batch, uniform = prepare(dreamer, tiny.window(dreamer)), tiny.noise(dreamer, KEY).latent
    divergence = np.asarray(tiny.model_losses(0.0)(params, batch, uniform)[1]["dynamics"])
    floor = float(np.median(divergence))
    low = divergence < floor
    assert low.any() and (~low).any()
    losses = tiny.model_losses(floor)

    def part(params: Any, name: str, chosen: np.ndarray) -> jax.Array:
        return jnp.where(chosen, losses(params, batch, uniform)[1][name], 0).sum()

    for name in ("dynamics", "representation"):
        capped = losses(params, batch, uniform)[1][name]
        np.testing.assert_allclose(capped, np.maximum(floor, divergence), rtol=1e-5)
    slope = jax.jit(jax.grad(part), static_argnums=1)
    assert not taught(slope(params, "dynamics", low))
    assert taught(slope(params, "dynamics", ~low))


def test_dreams_pair_each_action_with_the_state_that_chose_it() -> None:
    dreamer = tiny.make(act=tiny.BOTH)
    params = tiny.made_up(dreamer).params
    start = tiny.latents(dreamer, 2, tiny.BATCH)
    noise = for_dream(dreamer, KEY, shape=(2, tiny.BATCH))
    rollout = jax.jit(lambda *inputs: dream(dreamer, *inputs))(params, start, noise)
    horizon = dreamer.config.behavior.imagination
    assert horizon == 15
    assert rollout.features.shape == (horizon + 1, 2, tiny.BATCH, 16 + 3 * 4)
    np.testing.assert_array_equal(rollout.features[0], start.features)
    assert rollout.action["action"].shape == (horizon, 2, tiny.BATCH, 1)
    # A draw lies within a few deviations of the mean of its own state's policy.
    policy = dreamer.policy(params, rollout.features[:-1])["speed"]
    assert isinstance(policy, BoundedNormal)
    distance = (rollout.action["speed"] - policy.mean) / policy.stddev
    assert np.abs(distance.mean()) < 0.2 and np.abs(distance.std() - 1) < 0.15
    # Rewards are sums of bins up to 5e8, which each processor rounds in its own way.
    reward = dreamer.reward(params, rollout.features).mean()
    np.testing.assert_allclose(rollout.reward, reward, rtol=1e-3, atol=1e-3)
    continues = dreamer.continue_(params, rollout.features).probability
    np.testing.assert_allclose(rollout.continue_, continues, rtol=1e-4, atol=1e-3)


def test_behavior_losses_of_a_rollout_made_by_hand() -> None:
    dreamer = tiny.make()
    state = tiny.made_up(dreamer)
    steps = tiny.experience(dreamer)
    steps = steps.replace(is_last=steps.is_last.at[1, 0].set(True))
    latents = tiny.latents(dreamer, tiny.LENGTH, tiny.BATCH)
    generator = np.random.default_rng(5)
    shape = (7, tiny.LENGTH, tiny.BATCH)
    rollout = Rollout(
        features=jnp.asarray(generator.normal(size=(*shape, 28)), jnp.float32),
        action={"action": jnp.asarray(generator.integers(0, 3, (6, *shape[1:], 1)), jnp.int32)},
        reward=jnp.asarray(50 * generator.normal(size=shape), jnp.float32),
        continue_=jnp.asarray(generator.uniform(size=shape), jnp.float32),
    )
    state = state.replace(return_range=ReturnRange(low=jnp.float32(-300), high=jnp.float32(400)))
    losses, range_, _ = jax.jit(partial(behavior_losses, dreamer))(
        state.params, state, real=steps, latents=latents, rollout=rollout
    )
    value = dreamer.value(state.params["value"], rollout.features)
    slow = dreamer.value(state.slow_value, rollout.features)
    assert isinstance(value, TwoHot)
    mean = np.asarray(value.mean())
    returns = np.asarray(actor_critic.imagined_returns(rollout, value.mean(), lambda_=0.95))
    low, high = np.percentile(returns, [5, 95])
    np.testing.assert_allclose(range_.low, 0.99 * -300 + 0.01 * low, rtol=1e-4)
    np.testing.assert_allclose(range_.high, 0.99 * 400 + 0.01 * high, rtol=1e-4)
    # The range is moved first and used then.
    gain = (returns - mean[:-1]) / float(range_.high - range_.low)
    weight = np.cumprod(rollout.continue_, 0)[:-1]
    policy = dreamer.policy(state.params, rollout.features[:-1])["action"]
    told = policy.log_prob(rollout.action["action"]) * gain + 3e-4 * policy.entropy()
    np.testing.assert_allclose(losses["policy"], -(weight * told).mean(0), rtol=1e-3, atol=1e-5)
    critic = TwoHot(value.logits[:-1])
    expected = weight * (critic.loss(jnp.asarray(returns)) + critic.loss(slow.mean()[:-1]))
    np.testing.assert_allclose(losses["value"], expected.mean(0), rtol=1e-4)
    assert losses["replay_value"].shape == (tiny.LENGTH - 1, tiny.BATCH)
    assert losses["replay_value"][1, 0] == 0 and (losses["replay_value"][0] > 0).all()
    assert symexp_bins(41).size == value.logits.shape[-1]


GOLDEN = {  # after the third update
    "optimizer/loss": 33.29743,
    "world_model/loss/vector/state": 20.05482,
    "world_model/loss/reward": 4.526107,
    "world_model/loss/continue": 0.7947499,
    "world_model/loss/dynamics": 2.276177,
    "world_model/loss/representation": 2.276177,
    "actor_critic/loss/policy": 0.09251013,
    "actor_critic/loss/value": 0.8642641,
    "actor_critic/loss/replay_value": 14.87061,
    "optimizer/gradient_norm": 50.61024,
    "optimizer/update_norm": 0.1499754,
    "actor_critic/entropy/action": 0.8964847,
    "actor_critic/advantage_std": 10.48717,
    "actor_critic/return_high": 332446.9,
    "actor_critic/return_low": -585432.8,
    "world_model/posterior_entropy": 3.626975,
    "world_model/prior_entropy": 2.836807,
}


def test_golden_update() -> None:
    """Three updates on a fixed window end where they always did."""
    dreamer, update = tiny.make(), tiny.updater()
    state, window = tiny.made_up(dreamer, 1.0), tiny.window(dreamer)
    metrics: dict[str, jax.Array] = {}
    for step in range(3):
        state, _, metrics = update(state, window, jax.random.fold_in(KEY, step))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state))
    assert {name: float(metrics[name]) for name in GOLDEN} == pytest.approx(GOLDEN, rel=1e-3)


def test_an_update_in_parts_is_that_of_the_whole_batch() -> None:
    """State, optimizer, return range, what replay keeps, and every metric."""
    whole, window = tiny.make(), tiny.window(tiny.make())
    # Rewards of three sizes: the range of all returns is not that of any part.
    reward = window.steps.reward * jnp.array([1.0, 10.0, 100.0])
    window = window.replace(steps=window.steps.replace(reward=reward))
    parts = whole._replace(micro_batches=tiny.BATCH)
    in_parts: Any = jax.jit(partial(agent.update, parts, tiny.ALL))
    state, _, _ = tiny.updater()(tiny.made_up(whole), window, KEY)  # its learning rate is still 0
    key = jax.random.fold_in(KEY, 1)
    expected = tiny.updater()(state, window, key)
    with hastily():
        found = in_parts(state, window, key)
    assert jax.tree.structure(expected) == jax.tree.structure(found)
    paths = jax.tree_util.tree_leaves_with_path(expected)
    for (path, a), b in zip(paths, jax.tree.leaves(found), strict=True):
        largest = float(np.abs(a).max(initial=0))
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4 * largest, err_msg=str(path))
