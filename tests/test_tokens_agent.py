"""The agent `tokens`: acting, dreaming, and learning in the emulator and in dreams."""

import dataclasses
import importlib
from functools import cache
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from extras import EXPORT
from gymnasium import spaces as gym

from dreamer_jax import spaces
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.agents.tokens import agent as tokens
from dreamer_jax.agents.tokens import imagination, world
from dreamer_jax.agents.tokens.config import (
    IMAGINATION,
    POLICY,
    TRANSFORMER,
    Imagination,
    Policy,
    TokensConfig,
)
from dreamer_jax.agents.tokens.world import World
from dreamer_jax.config import Config, LearnedReward, Replay, Train
from dreamer_jax.math import lambda_returns
from dreamer_jax.playable import graphs
from dreamer_jax.types import AnyAgent, Step, Window
from dreamer_jax.world_model.token_dynamics import DynamicsSize
from dreamer_jax.world_model.tokenizer import TokenizerSize
from envs.kinds import Image

pytestmark = pytest.mark.usefixtures("quick_compiler")

ENVS, LENGTH, SIDE = 2, 6, 16
INTERFACE = spaces.of({"image": Image(SIDE, SIDE, 1)}, {"action": gym.MultiDiscrete([3])})
AGENT = TokensConfig(
    tokenizer=TokenizerSize(channels="4 4 8", width=8, codes=8),
    dynamics=DynamicsSize(width=16, layers=1, heads=2, frames=3, bins=11),
    policy=Policy(units=8, policy_layers=1, value_layers=1),
    ppo=PPO(epochs=2, minibatches=2, discount=0.9, lambda_=0.8),
    optimizer=Adam(learning_rate=1e-2),
    imagination=Imagination(horizon=4, learning_rate=1e-2),
)


def config(learns: str, stage: str = "all", memory: str = "none") -> Config:
    policy = dataclasses.replace(AGENT.policy, learns=learns, memory=memory, memory_units=8)
    agent = dataclasses.replace(AGENT, policy=policy)
    length, sampler = (3, "uniform") if stage == IMAGINATION else (LENGTH, "newest")
    return Config(
        agent=agent,
        replay=Replay(capacity=1_000, batch=ENVS, length=length, sampler=sampler),
        train=Train(envs=ENVS, steps=1_000, ratio=1, prefill=0, learn=stage),
    )


def with_rewards(state: Any) -> Any:
    """The state with a model that expects rewards; a fresh one expects none anywhere."""
    head = jax.tree.map(
        lambda x: jax.random.normal(jax.random.key(7), x.shape), state.params["dynamics"]["reward"]
    )
    dynamics = {**state.params["dynamics"], "reward": head}
    return state.replace(params={**state.params, "dynamics": dynamics})


@cache
def made(learns: str, stage: str = "all", memory: str = "none") -> tuple[AnyAgent, Any, Window]:
    """An agent, its state, and what it did in a made-up world, as replay has it."""
    settings = config(learns, stage, memory)
    agent = tokens.make(settings, INTERFACE)
    state = with_rewards(agent.learner.init(jax.random.key(0)))
    random = np.random.default_rng(1)
    carry, actor, rows = agent.player.carry(ENVS), agent.player.actor(state), list[Any]()
    for t in range(settings.replay.length + 1):
        is_first = np.array([t in (0, 3), t == 0])
        obs = {"image": jnp.asarray(random.integers(0, 256, (ENVS, SIDE, SIDE, 1), np.uint8))}
        key = jax.random.key(t)
        carry, action, kept = agent.player.act(actor, carry, obs, jnp.asarray(is_first), key)
        step = Step(
            obs=obs,
            action=action,
            reward=jnp.asarray(random.normal(size=ENVS), jnp.float32),
            is_first=jnp.asarray(is_first),
            is_last=jnp.asarray([t == 2, False]),
            is_terminal=jnp.zeros(ENVS, bool),
            events={},
        )
        rows.append((step, kept))
    steps, latents = jax.tree.map(lambda *x: jnp.stack(x), *rows)
    window = Window(
        steps=steps,
        latents=latents,
        row=jnp.arange(ENVS),
        time=jnp.zeros((len(rows), ENVS), jnp.int32),
    )
    return agent, state, window


def known() -> World:
    return world.build(AGENT, INTERFACE)


@pytest.mark.parametrize("memory", ["none", "gru"])
@pytest.mark.parametrize("learns", [POLICY, TRANSFORMER])
def test_learning_computes_what_acting_has_computed(learns: str, memory: str) -> None:
    agent, state, window = made(learns, memory=memory)
    after, fresh, metrics = agent.learner.update(state, window, jax.random.key(5))
    assert float(metrics["actor_critic/ratio_error"]) < 1e-4
    chex.assert_trees_all_equal(fresh.latents, jax.tree.map(lambda x: x[1:], window.latents))
    changed = {
        name: any(
            not np.array_equal(x, y)
            for x, y in zip(jax.tree.leaves(part), jax.tree.leaves(state.params[name]), strict=True)
        )
        for name, part in after.params.items()
    }
    wanted = {"tokenizer": False, "dynamics": learns == TRANSFORMER, "policy": True, "value": True}
    assert changed == wanted | ({"memory": True} if memory == "gru" else {})


def test_the_policy_sees_the_frames_of_its_episode_and_the_actions_between_them() -> None:
    agent, state, window = made(TRANSFORMER)
    # Row 0 begins an episode at step 3. At step 5 its window holds the frames 3, 4 and 5.
    frames = jax.tree.map(lambda x: x[5], window.latents.memory)
    params, steps = state.params, window.steps
    fresh = known().tokenizer.encode(params["tokenizer"], steps.obs["image"][3:6, 0])
    np.testing.assert_array_equal(frames.tokens[0], fresh)
    np.testing.assert_array_equal(frames.is_first[0], [True, False, False])
    np.testing.assert_array_equal(frames.known[0], [True, True, False])
    encoded = spaces.flatten(steps.action, INTERFACE.act)
    np.testing.assert_array_equal(frames.action[0, :2], encoded[3:5, 0])
    # What came before the episode does not reach its features.
    carry = agent.player.carry(1)
    for t in (3, 4, 5):
        obs = {"image": steps.obs["image"][t, :1]}
        carry = known().seen(params, carry, obs, steps.is_first[t, :1])
        carry = world.took(carry, {"action": steps.action["action"][t, :1]})
    for t in (4, 5):
        window_then = jax.tree.map(lambda x, t=t: x[t, :1], window.latents.memory)
        window_then = window_then._replace(tokens=window_then.tokens.astype(jnp.int32))
        summary = known().summary(params, window_then)
    np.testing.assert_allclose(carry.summary, summary, atol=1e-5)


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_model_and_player_agree(memory: str) -> None:
    agent, state, window = made(POLICY, memory=memory)
    assert agent.model is not None
    player, model = agent.player.carry(ENVS), agent.player.carry(ENVS)
    actor = agent.player.actor(state)
    for t in range(4):
        obs, is_first = {"image": window.steps.obs["image"][t]}, window.steps.is_first[t]
        key = jax.random.key(t)
        player, action, _ = agent.player.greedy(actor, player, obs, is_first, key)
        model = agent.model.see(state, model, obs, is_first, key)
        chosen = agent.model.greedy(state, model, key)
        chex.assert_trees_all_equal(chosen, action)
        model = agent.model.took(model, chosen)
        if memory == "none":
            chex.assert_trees_all_equal(model.frames, player.frames)
        else:
            chex.assert_trees_all_equal(model.inner.frames, player.inner.frames)
            chex.assert_trees_all_close(model.hidden, player.hidden, atol=1e-6)
    dreamt = agent.model.imagine(state, model, jax.random.key(9))
    other = {"action": 1 - model.action["action"] % 2}
    by_name, took = model.replace(action=other), agent.model.took(model, other)  # as a page does
    chex.assert_trees_all_equal(*(agent.model.imagine(state, x, key) for x in (by_name, took)))
    if memory == "gru":
        assert not np.array_equal(dreamt.hidden, model.hidden), "it remembers what it dreams"


def test_a_dreamt_moment_is_the_next_frame_of_the_dynamics() -> None:
    agent, state, window = made(POLICY)
    assert agent.model is not None and agent.model.explicit is not None
    carry = agent.player.carry(ENVS)
    for t in range(3):
        obs = {"image": window.steps.obs["image"][t]}
        carry = agent.model.see(state, carry, obs, window.steps.is_first[t], jax.random.key(0))
        carry = agent.model.took(carry, {"action": window.steps.action["action"][t]})
    uniform = jax.random.uniform(jax.random.key(1), (ENVS, known().tokenizer.tokens))
    after = agent.model.explicit.imagine(state, carry, uniform)
    before = known().acted(carry)
    frame = known().dynamics.next_frame(state.params["dynamics"], *before, uniform)
    np.testing.assert_array_equal(after.frames.tokens[:, -1], frame.tokens)
    np.testing.assert_array_equal(after.frames.tokens[:, :-1], carry.frames.tokens[:, 1:])
    np.testing.assert_allclose(after.expected[:, 0], frame.reward)
    read = agent.model.read(state, after)
    picture = known().tokenizer.decode(state.params["tokenizer"], frame.tokens)
    np.testing.assert_array_equal(read.obs["image"], picture)
    np.testing.assert_allclose(read.continue_, 0.9 * frame.continue_, rtol=1e-6)


@EXPORT
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_exported_dream_has_the_numbers_of_the_model() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    # The exporter leaves it out where warnings are errors, as they are in other tests.
    importlib.import_module("jax2onnx.plugins.jax.lax.scan")
    onnxruntime.set_default_logger_severity(3)
    agent, state, _ = made(POLICY)
    assert agent.model is not None
    graph = graphs.step(agent.model, state, agent.player.carry(1))
    inputs = graph.example | {"uniform": jax.random.uniform(jax.random.key(1), (1, 4))}
    inputs["carry/frames/is_first"] = jnp.array([[True, False, False]])
    expected = jax.jit(graph.function)(inputs)
    session = onnxruntime.InferenceSession(graphs.to_onnx(graph, name="graph"))
    names = [x.name for x in session.get_outputs()]
    assert set(names) == expected.keys()
    found = session.run(names, {key: np.asarray(x) for key, x in inputs.items()})
    for key, value in zip(names, found, strict=True):
        exact = value.dtype != np.uint8 and value.dtype != np.float32
        tolerance = 0 if exact else 1 if value.dtype == np.uint8 else 1e-3
        np.testing.assert_allclose(
            value.astype(float),
            np.asarray(expected[key], float),
            atol=tolerance,
            rtol=0 if exact else 1e-3,
            err_msg=key,
        )


def test_returns_of_dreams_are_those_of_expected_rewards_and_ends() -> None:
    _, state, window = made(POLICY, IMAGINATION)
    agent = dataclasses.replace(AGENT)
    heads = tokens.heads(agent, INTERFACE)
    ppo = imagination.build(config(POLICY, IMAGINATION), agent, known(), heads)
    clips = imagination.clips_of(known(), state.params, window)
    dreamt = imagination.dream(known(), agent, ppo, state, clips, jax.random.key(3))
    found = imagination.experience(ppo, state, dreamt)
    rollout = dreamt.rollout
    assert rollout.reward.shape == (agent.imagination.horizon + 1, ENVS)
    value = state.return_scale.denormalize(ppo.value(state.params, rollout.features))
    wanted = lambda_returns(
        rollout.reward,
        discount=rollout.continue_,
        value=value,
        lambda_=jnp.full_like(value, agent.ppo.lambda_),
    )
    np.testing.assert_allclose(found.returns, wanted, rtol=1e-5)
    goes_on = np.asarray(rollout.continue_) / agent.ppo.discount
    np.testing.assert_allclose(found.weight, np.cumprod(goes_on, axis=0)[:-1], rtol=1e-5)


def test_recorded_sequences_have_the_tokens_of_their_pictures() -> None:
    """Replay has kept no tokens of them."""
    _, state, window = made(POLICY, IMAGINATION)
    kept = imagination.clips_of(known(), state.params, window).frames.tokens
    memory = jax.tree.map(lambda x: x.at[:, 1].set(0), window.latents)
    joined = window.replace(latents=memory, row=window.row[:1])
    found = imagination.clips_of(known(), state.params, joined).frames.tokens
    np.testing.assert_array_equal(found, kept)
    assert np.asarray(kept[1]).any()


@pytest.mark.parametrize("learns", [POLICY, TRANSFORMER])
def test_dreams_teach_the_policy_and_experience_the_transformer(learns: str) -> None:
    agent, state, window = made(learns, IMAGINATION)
    after, _, metrics = agent.learner.update(state, window, jax.random.key(5))
    assert float(metrics["actor_critic/ratio_error"]) < 1e-4
    same = jax.tree.map(np.array_equal, after.params["dynamics"], state.params["dynamics"])
    assert all(jax.tree.leaves(same)) == (learns == POLICY)
    assert not np.array_equal(
        after.params["policy"]["mlp"]["layer0"]["kernel"],
        state.params["policy"]["mlp"]["layer0"]["kernel"],
    )
    if learns == TRANSFORMER:
        before = float(metrics["dynamics/loss/tokens"])
        for i in range(20):
            after, _, metrics = agent.learner.update(after, window, jax.random.key(i))
        assert float(metrics["dynamics/loss/tokens"]) < before


def test_contradictions_take_one_line() -> None:
    wrong = config(POLICY, IMAGINATION)
    wrong = dataclasses.replace(wrong, replay=dataclasses.replace(wrong.replay, length=2))
    with pytest.raises(ValueError, match=r"replay\.length=2: dreams begin with dynamics\.frames=3"):
        tokens.make(wrong, INTERFACE)
    with pytest.raises(ValueError, match=r"policy\.memory=gru: dreams begin with a few frames"):
        tokens.make(config(POLICY, IMAGINATION, "gru"), INTERFACE)
    learned = config(POLICY, IMAGINATION)
    learned = dataclasses.replace(learned, reward=LearnedReward(logdir="logdir/reward"))
    with pytest.raises(ValueError, match=r"reward\.logdir=logdir/reward: .* needs policy\.learns="):
        tokens.make(learned, INTERFACE)
    rare = dataclasses.replace(AGENT, ppo=dataclasses.replace(AGENT.ppo, reward_every=2))
    with pytest.raises(ValueError, match=r"ppo\.reward_every are for rollouts of the environment"):
        tokens.make(dataclasses.replace(config(POLICY, IMAGINATION), agent=rare), INTERFACE)
    with pytest.raises(ValueError, match="has the size of its --init_from"):
        AGENT.sized("12m")
    two = spaces.of(
        {"one": Image(SIDE, SIDE, 1), "other": Image(SIDE, SIDE, 1)},
        {"action": gym.MultiDiscrete([3])},
    )
    with pytest.raises(ValueError, match=r"policy\.image='': the images are one, other"):
        tokens.make(config(POLICY), two)
