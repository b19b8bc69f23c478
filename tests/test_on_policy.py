"""On-policy agents: learning computes what acting did, and sees each rollout once."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from on_policy_agents import AGENTS, B, T, config, made, played

from dreamer_jax import spaces
from dreamer_jax.agents.by_name import AGENTS as AGENTS_BY_NAME
from dreamer_jax.agents.dreamer.networks import WORLD_MODEL
from dreamer_jax.agents.dreamer.transfer import inherit
from dreamer_jax.agents.hybrid import agent as hybrid
from dreamer_jax.agents.on_policy import learning, networks
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.types import Metrics, Window

pytestmark = pytest.mark.usefixtures("quick_compiler")


@cache
def updater(name: str) -> Any:
    return jax.jit(partial(learning.update, made(name)))


def learned(name: str, window: Window, state: OnPolicyState | None = None) -> Any:
    return updater(name)(state or played(name).state, window, jax.random.key(7))


def error(metrics: Metrics) -> float:
    return float(metrics["actor_critic/ratio_error"])


@pytest.mark.parametrize("name", AGENTS)
def test_learning_computes_what_acting_did(name: str) -> None:
    """The first ratio of all is 1, in episodes that begin, go on, end and are cut."""
    state, window = played(name)
    after, fresh, metrics = learned(name, window)
    assert error(metrics) < 1e-5
    assert after.updates == state.updates + 1
    assert metrics["actor_critic/approx_kl"] > 0
    assert all(np.isfinite(x) for x in metrics.values())
    expected = jax.tree.map(lambda x: x[1:], window.latents)
    jax.tree.map(np.testing.assert_array_equal, fresh.latents, expected)


@pytest.mark.parametrize("name", AGENTS)
def test_another_policy_than_the_one_that_acted_is_seen(name: str) -> None:
    """As if the log-probabilities that acting left were not those of its policy."""
    state, window = played(name)
    policy = jax.tree.map(lambda x: 1.1 * x, state.params["policy"])
    other = state.replace(params=state.params | {"policy": policy})
    assert error(learned(name, window, other)[2]) > 1e-3
    kept = window.latents
    late = kept.replace(log_prob=jnp.roll(kept.log_prob, 1, axis=0))
    assert error(learned(name, window.replace(latents=late))[2]) > 1e-3


@pytest.mark.parametrize("name", ["gru", "hybrid"])
def test_what_was_remembered_matters(name: str) -> None:
    """A memory of another step, or an episode that is not forgotten where it ends, is seen."""
    _, window = played(name)
    late = jax.tree.map(lambda x: jnp.roll(x, 1, axis=0), window.latents.memory)
    found = learned(name, window.replace(latents=window.latents.replace(memory=late)))
    assert error(found[2]) > 1e-3
    if name == "gru":
        never = window.steps.replace(is_first=jnp.zeros((T + 1, B), bool))
        assert error(learned(name, window.replace(steps=never))[2]) > 1e-3


def equal(one: Any, other: Any) -> bool:
    """Whether two trees hold the same arrays."""
    same_structure = jax.tree.structure(one) == jax.tree.structure(other)
    return same_structure and all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def same(one: OnPolicyState, other: OnPolicyState) -> bool:
    return equal(one.params, other.params)


@pytest.mark.parametrize(
    ("at", "matters"),
    [
        ((0, 0), False),  # the context step: the policy before this one chose it
        ((1, 0), True),
        ((T - 1, 0), True),
        ((T, 0), False),  # the newest step: nothing has answered it
        ((3, 1), False),  # the last step of an episode: the environment ignores it
    ],
)
def test_which_actions_are_learned_from(at: tuple[int, int], matters: bool) -> None:
    _, window = played("mlp")
    action = {key: x.at[at].set(1 - x[at]) for key, x in window.steps.action.items()}
    other = window.replace(steps=window.steps.replace(action=action))
    assert same(learned("mlp", window)[0], learned("mlp", other)[0]) != matters


def test_rewards_answer_the_action_before_them() -> None:
    """The reward of a first step, and that of step 1, answer nothing that is learned from."""
    _, window = played("mlp")
    before = learned("mlp", window)[0]
    for at, matters in (((1, 0), False), ((4, 1), False), ((2, 0), True), ((T, 0), True)):
        reward = window.steps.reward.at[at].add(1.0)
        other = window.replace(steps=window.steps.replace(reward=reward))
        assert same(before, learned("mlp", other)[0]) != matters, at


def test_a_frozen_world_model_stays_as_it_is() -> None:
    state, window = played("hybrid")
    after, _, metrics = learned("hybrid", window)
    for name in WORLD_MODEL:
        jax.tree.map(np.testing.assert_array_equal, state.params[name], after.params[name])
    jax.tree.map(np.testing.assert_array_equal, state.moments, after.moments)
    for name in networks.HEADS:
        assert not equal(state.params[name], after.params[name])
    assert not any(key.startswith("world_model/") for key in metrics)


def test_a_world_model_learns_from_the_same_rollout() -> None:
    """All of it, by its own losses; policy and critic stay as PPO has left them."""
    state, window = played("hybrid")
    agent = hybrid.build(config("hybrid"), spaces.of(tiny.VECTOR, tiny.BOTH)).ppo
    assert agent.extra is not None and agent.features.trained == ()
    optimizer = agent.extra.init(state.params)
    learn = jax.jit(agent.extra.update)
    params, _, metrics = learn(state.params, optimizer, state.moments, window, jax.random.key(0))
    for name, before in state.params.items():
        assert equal(before, params[name]) == (name not in WORLD_MODEL), name
    losses = {name for name in metrics if name.startswith("world_model/loss/")}
    assert {f"world_model/loss/{name}" for name in ("reward", "continue", "dynamics")} < losses
    moments = agent.features.observe(state.moments, window.steps)
    assert not equal(moments, state.moments)


def test_a_world_model_can_be_that_of_a_dreamer() -> None:
    """All arrays of it, and nothing else."""
    agent = hybrid.make(config("hybrid"), spaces.of(tiny.VECTOR, tiny.BOTH))
    whole = tiny.changed("model", vectors="standardize")
    theirs = tiny.made_up(tiny.make(act=tiny.BOTH, config=whole), size=0.4)
    ours: Any = played("hybrid").state
    found = inherit(agent, theirs, "there")(ours)
    for name, before in ours.params.items():
        assert equal(found.params[name], theirs.params[name]) == (name in WORLD_MODEL), name
        assert equal(found.params[name], before) == (name not in WORLD_MODEL), name
    assert equal(found.moments, theirs.moments)
    assert AGENTS_BY_NAME["hybrid"].relatives == ("dreamer",)
    assert AGENTS_BY_NAME["dreamer"].relatives == ("hybrid",)
    other = tiny.made_up(tiny.make(act=tiny.TURN, config=whole))
    with pytest.raises(ValueError, match="the part 'rssm' of the run in there has another shape"):
        inherit(agent, other, "there")
