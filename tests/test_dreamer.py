"""The whole agent: batches, losses, targets, updates, and what each training mode leaves alone."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.losses import weighted_sum, world_model_losses
from dreamer_jax.agents.dreamer.networks import BEHAVIOR, WORLD_MODEL, init, scale_vectors
from dreamer_jax.agents.dreamer.stages import STAGES
from dreamer_jax.nn.dists import Choices, Ensemble
from dreamer_jax.types import Step
from dreamer_jax.world_model import moments, rssm
from dreamer_jax.world_model.latents import compact, expand
from dreamer_jax.world_model.rssm import RSSM

KEY = jax.random.key(3)
# Scales of the losses as published; reconstruction counts for each observation.
SCALES = {
    **{"vector/state": 1, "image/image": 1, "choice/inventory": 1},
    **{"bits/door": 1, "text/sign": 1, "symbols/board": 1},
    **{"reward": 1, "continue": 1, "dynamics": 1, "representation": 0.1},
    **{"policy": 1, "value": 1, "replay_value": 0.3},
}


def differs(a: Any, b: Any) -> bool:
    """Whether any leaf of two trees does."""
    return any((x != y).any() for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_losses_of_mixed_observations_and_actions() -> None:
    dreamer = tiny.make(tiny.MIXED, tiny.BOTH)
    state = tiny.made_up(dreamer)
    batch = prepare(dreamer, tiny.window(dreamer))
    loss = jax.jit(partial(agent.loss, dreamer, tiny.ALL))
    total, outcome = loss(state.params, state, batch, tiny.noise(dreamer, KEY))
    metrics = outcome.metrics
    losses = {k.split("/loss/")[1]: float(v) for k, v in metrics.items() if "/loss/" in k}
    assert float(metrics["optimizer/loss"]) == float(total)
    assert set(losses) == set(SCALES)
    assert total == pytest.approx(sum(SCALES[k] * v for k, v in losses.items()), rel=1e-5)
    assert all(np.isfinite(x) for x in metrics.values())


@pytest.mark.parametrize("name", SCALES)
def test_each_loss_has_its_published_scale(name: str) -> None:
    ones = jnp.ones((3, 2) if name == "replay_value" else (4, 2))
    assert weighted_sum(tiny.make(), {name: ones}, shape=(4, 2)) == np.float32(SCALES[name])


def test_single_observations_may_count_for_more_or_less() -> None:
    dreamer = tiny.make(tiny.MIXED, config=tiny.changed("losses", text=0.5, keys="sign=3 door=0"))
    ones = jnp.ones((4, 2))
    for name, scale in {"text/sign": 1.5, "bits/door": 0, "image/image": 1, "reward": 1}.items():
        assert weighted_sum(dreamer, {name: ones}, shape=(4, 2)) == scale
    wrong = tiny.changed("losses", keys="signs=3")
    with pytest.raises(ValueError, match="no observation 'signs'; there are board, door, image"):
        agent.make(wrong, spaces.of(tiny.MIXED, tiny.TURN))


def test_losses_of_pixels_alone() -> None:
    dreamer = tiny.make(tiny.PIXELS)
    batch, params = prepare(dreamer, tiny.window(dreamer)), tiny.made_up(dreamer).params
    _, losses, _ = jax.jit(partial(world_model_losses, dreamer))(
        params, batch, tiny.noise(dreamer, KEY).latent
    )
    assert set(losses) == {"image/image", "reward", "continue", "dynamics", "representation"}
    assert all(np.isfinite(x).all() and x.shape == (4, 3) for x in losses.values())


def numbered() -> Step:
    """Steps whose every entry tells when it happened: [1 + T, B, ...]."""
    when = jnp.arange(1.0 + tiny.LENGTH)
    steps = tiny.experience(tiny.make(), 1 + tiny.LENGTH)
    times = jnp.broadcast_to(when[:, None], (1 + tiny.LENGTH, tiny.BATCH))
    return steps.replace(
        obs={"state": jnp.repeat(times[..., None], 3, -1)},
        action={"action": times[..., None].astype(jnp.int32) % 3},
        reward=times,
    )


def test_batches_pair_each_step_with_the_action_before_it() -> None:
    dreamer = tiny.make()
    window = tiny.window(dreamer, numbered())
    batch = prepare(dreamer, window)
    np.testing.assert_array_equal(batch.step.reward[:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(batch.step.obs["state"][:, 0, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(batch.previous_action[:, 0], np.eye(3)[[0, 1, 2, 0]])
    context = jax.tree.map(lambda x: x[0], window.latents)
    for given, kept in zip(
        jax.tree.leaves(batch.start), jax.tree.leaves(expand(context, classes=4)), strict=True
    ):
        np.testing.assert_array_equal(given, kept)


def test_batches_without_latents_start_from_zeros() -> None:
    dreamer = tiny.make()
    batch = prepare(dreamer, tiny.window(dreamer, stored=False))
    assert batch.step.is_first[0].all() and not batch.step.is_first[1:].any()
    assert not batch.start.features.any()
    _, losses, _ = tiny.model_losses()(
        tiny.made_up(dreamer).params, batch, tiny.noise(dreamer, KEY).latent
    )
    assert all(np.isfinite(loss).all() for loss in losses.values())


def test_abandoned_episodes_are_truncated() -> None:
    dreamer = tiny.make()
    steps = numbered()
    steps = steps.replace(is_first=steps.is_first.at[3, 1].set(True))
    batch = prepare(dreamer, tiny.window(dreamer, steps))
    np.testing.assert_array_equal(jnp.argwhere(batch.step.is_last), [[1, 1]])
    assert not batch.step.is_terminal.any()


def test_continue_learns_terminals_but_not_truncations() -> None:
    """Cross-entropy with 332 / 333 where an episode continues or was cut, 0 where it is over."""
    dreamer = tiny.make()
    steps = tiny.experience(dreamer, 1 + tiny.LENGTH)
    steps = steps.replace(
        is_last=steps.is_last.at[2, :2].set(True),
        is_terminal=steps.is_terminal.at[2, 0].set(True),
    )
    params = tiny.made_up(dreamer).params
    batch = prepare(dreamer, tiny.window(dreamer, steps))
    latents, losses, _ = tiny.model_losses()(params, batch, tiny.noise(dreamer, KEY).latent)
    p = np.asarray(dreamer.continue_(params, latents.features).probability, np.float64)
    target = np.full((tiny.LENGTH, tiny.BATCH), 332 / 333)
    target[1, 0] = 0
    expected = -target * np.log(p) - (1 - target) * np.log(1 - p)
    np.testing.assert_allclose(losses["continue"], expected, rtol=1e-4)


def test_rewards_are_predicted_from_the_state_they_arrived_with() -> None:
    dreamer = tiny.make()
    params = tiny.made_up(dreamer).params
    batch = prepare(dreamer, tiny.window(dreamer))
    latents, losses, _ = tiny.model_losses()(params, batch, tiny.noise(dreamer, KEY).latent)
    expected = dreamer.reward(params, latents.features).loss(batch.step.reward)
    np.testing.assert_allclose(losses["reward"], expected, rtol=1e-6)


def test_heads_of_numbers_start_at_exactly_zero() -> None:
    dreamer = tiny.make()
    features = tiny.latents(dreamer, 5).features
    for net in (dreamer.nets.reward, dreamer.nets.value):
        head: Any = net.apply(net.init(KEY, features), features)
        assert (head.mean() == 0).all()
        np.testing.assert_allclose(head.loss(jnp.ones(5)), math.log(41), rtol=1e-6)


def test_the_slow_critic_starts_as_a_copy() -> None:
    def critics(key: jax.Array) -> tuple[Any, Any]:
        state = init(tiny.make(), tiny.ALL.trained, key)
        return state.slow_value, state.params["value"]

    slow, value = jax.jit(critics)(KEY)
    assert not differs(slow, value) and slow["logits"]["kernel"].shape == (8, 41)


def test_the_policy_always_leaves_a_little_to_chance() -> None:
    dreamer = tiny.make()
    certain = jax.tree.map(lambda x: 1e4 * x, tiny.made_up(dreamer).params)
    policy = dreamer.policy(certain, tiny.latents(dreamer, 5).features)["action"]
    assert isinstance(policy, Choices)
    least = policy.parts[0].probs.min(-1)
    np.testing.assert_allclose(least, np.full(5, 0.01 / 3), rtol=1e-4)


def test_acting_looks_before_it_chooses() -> None:
    dreamer = tiny.make()
    acting = agent.make(tiny.CONFIG, spaces.of(tiny.VECTOR, tiny.TURN))
    state = tiny.made_up(dreamer, 1.0)
    envs = 32
    obs = {"state": jax.random.normal(KEY, (envs, 3))}
    carry, action, kept = jax.jit(acting.player.greedy)(
        acting.player.actor(state), acting.player.carry(envs), obs, jnp.ones(envs, bool), KEY
    )
    expected = dreamer.policy(state.params, carry.latent.features)["action"].mode()
    np.testing.assert_array_equal(action["action"], expected)
    assert len(np.unique(expected)) > 1  # only what was just seen tells these apart
    np.testing.assert_array_equal(carry.action["action"], expected)
    np.testing.assert_array_equal(kept.deter, compact(carry.latent).deter)


def test_the_first_update_learns_nothing_and_the_second_does() -> None:
    dreamer, update = tiny.make(), tiny.updater()
    start, window = tiny.made_up(dreamer), tiny.window(dreamer)
    first, _, _ = update(start, window, KEY)
    second, _, _ = update(first, window, KEY)
    assert not differs(first.params, start.params)
    assert all(differs(second.params[name], first.params[name]) for name in first.params)


def test_the_slow_critic_and_the_return_range_move_with_every_update() -> None:
    dreamer, update = tiny.make(), tiny.updater()
    state, window = tiny.made_up(dreamer), tiny.window(dreamer)
    for _ in range(3):
        before, range_ = state.slow_value, state.return_range
        state, _, _ = update(state, window, KEY)
        expected = jax.tree.map(
            lambda old, new: 0.98 * old + 0.02 * new, before, state.params["value"]
        )
        for slow, mixed in zip(*map(jax.tree.leaves, (state.slow_value, expected)), strict=True):
            np.testing.assert_allclose(slow, mixed, rtol=1e-5, atol=1e-6)
        assert state.return_range.high > range_.high


def test_several_critics_start_apart_and_all_learn() -> None:
    dreamer = tiny.make(config=tiny.changed("behavior", critics=3, ensemble="min"))
    update = jax.jit(partial(agent.update, dreamer, tiny.ALL))
    state, window = init(dreamer, tiny.ALL.trained, KEY), tiny.window(dreamer)
    assert state.params["value"].keys() == {"critic0", "critic1", "critic2"}
    kernels = [part["mlp"]["layer0"]["kernel"] for part in state.params["value"].values()]
    assert (kernels[0] != kernels[1]).all() and (kernels[1] != kernels[2]).all()
    start = state.params["value"]
    for _ in range(2):
        state, _, _ = update(state, window, KEY)
    assert all(differs(state.params["value"][k]["logits"], start[k]["logits"]) for k in start)
    features = tiny.latents(dreamer, 5).features
    says = dreamer.value(state.params["value"], features)
    assert isinstance(says, Ensemble)
    np.testing.assert_array_equal(says.mean(), np.min([p.mean() for p in says.parts], 0))


def test_the_config_names_every_stage() -> None:
    assert tuple(STAGES) == DreamerConfig.STAGES


@pytest.mark.parametrize("learn", STAGES)
def test_each_mode_trains_its_own_modules(learn: str) -> None:
    """What does not learn leaves the traced update as it came in: as the very same variable."""
    dreamer = tiny.make(config=tiny.changed("model", vectors="standardize"))
    stage = STAGES[learn]
    state = jax.eval_shape(partial(init, dreamer, stage.trained), KEY)
    inputs = state, tiny.window(dreamer), KEY
    traced, out = jax.make_jaxpr(partial(agent.update, dreamer, stage), return_shape=True)(*inputs)
    before = jax.tree.unflatten(jax.tree.structure(inputs), traced.jaxpr.invars)[0]
    after, _, metrics = jax.tree.unflatten(jax.tree.structure(out), traced.jaxpr.outvars)

    def moved(old: Any, new: Any) -> set[bool]:
        pairs = zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True)
        return {a is not b for a, b in pairs}

    for name in WORLD_MODEL + BEHAVIOR:
        assert moved(before.params[name], after.params[name]) == {name in stage.trained}, name
    # A frozen world model keeps the scale that it was trained with.
    assert moved(before.moments, after.moments) == {learn != "behavior"}
    dreamt = {
        "actor_critic/loss/policy",
        "actor_critic/loss/value",
        "actor_critic/loss/replay_value",
    }
    assert dreamt & set(metrics) == (set() if learn == "world_model" else dreamt)
    assert ("world_model/loss/reward" in metrics) == (learn != "behavior")


def test_refreshed_latents_are_what_the_parameters_make_of_the_window() -> None:
    """Each is one step from the one before, the first from the stored context; none is stale."""
    dreamer, update = tiny.make(), tiny.updater()
    state, window = tiny.made_up(dreamer), tiny.window(dreamer)
    _, fresh, _ = update(state, window, KEY)
    action = spaces.flatten(jax.tree.map(lambda x: x[:-1], window.steps.action), dreamer.act)
    latents = expand(fresh.latents, classes=4)
    context = expand(jax.tree.map(lambda x: x[:1], window.latents), classes=4)
    before = jax.tree.map(lambda a, b: jnp.concatenate([a, b[:-1]]), context, latents)
    variables = {"params": state.params["rssm"]}
    deter = rssm.run(dreamer.nets.rssm, variables, RSSM.recurrence, before, action)
    np.testing.assert_allclose(latents.deter, deter, atol=0.03)  # kept in bfloat16
    np.testing.assert_allclose(latents.deter[0], deter[0], rtol=2**-8, atol=1e-6)
    assert np.abs(latents.deter - expand(window.latents, classes=4).deter[1:]).max() > 0.5


def test_vectors_are_squashed_or_standardized() -> None:
    obs = {"state": jnp.array([[[0.0, 1.0, -5.0]], [[2.0, 1.0, 5.0]]])}
    squashed = scale_vectors(tiny.make(), {}, obs)["state"]
    np.testing.assert_allclose(squashed, np.sign(obs["state"]) * np.log1p(np.abs(obs["state"])))
    dreamer = tiny.make(config=tiny.changed("model", vectors="standardize"))
    running = moments.update({"state": moments.initial(3)}, obs, horizon=1e6)
    scaled = scale_vectors(dreamer, running, obs)["state"]
    np.testing.assert_allclose(scaled[:, 0], [[-1, 0, -1], [1, 0, 1]], atol=1e-5)
