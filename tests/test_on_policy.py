"""On-policy agents: learning computes what acting did, and sees each rollout once."""

import dataclasses
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from command import hastily

from dreamer_jax import spaces
from dreamer_jax.agents.by_name import AGENTS as AGENTS_BY_NAME
from dreamer_jax.agents.dreamer.config import Losses
from dreamer_jax.agents.dreamer.networks import WORLD_MODEL
from dreamer_jax.agents.dreamer.transfer import inherit
from dreamer_jax.agents.hybrid import agent as hybrid
from dreamer_jax.agents.hybrid.config import Heads, HybridConfig, WorldModel
from dreamer_jax.agents.on_policy import acting, learning, networks
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.agents.on_policy.networks import OnPolicy
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.agents.ppo import agent as ppo
from dreamer_jax.agents.ppo.config import Model, PPOConfig
from dreamer_jax.config import Config, Replay, Train, resolve
from dreamer_jax.loops.train import prefill, updates_owed
from dreamer_jax.nn.heads import sample
from dreamer_jax.types import Metrics, Step, Window

T, B = 8, 4
LEARNING = PPO(epochs=2, minibatches=1, discount=0.9)
MODEL = Model(depth=1, units=8, memory_units=8)
AGENTS: dict[str, Any] = {
    "mlp": PPOConfig(model=MODEL, ppo=LEARNING),
    "gru": PPOConfig(model=dataclasses.replace(MODEL, memory="gru"), ppo=LEARNING),
    "hybrid": HybridConfig(
        model=dataclasses.replace(tiny.AGENT.model, vectors="standardize"),
        losses=Losses(),
        world_model=WorldModel(epochs=2),  # the first step of a warm-up has length 0
        heads=Heads(units=8, layers=1),
        ppo=LEARNING,
        optimizer=Adam(),
    ),
}
EPISODES = {"is_first": [(1, 0), (4, 1), (5, 2)], "is_last": [(3, 1), (4, 2), (8, 3)]}


@pytest.fixture(autouse=True, scope="module")
def compiled_hastily() -> Iterator[None]:
    with hastily():
        yield


def config(name: str, *, replay: Any = None, train: Any = None) -> Config:
    """A small on-policy run, with some fields of two sections replaced."""
    newest = Replay(capacity=100, batch=B, length=T, sampler="newest")
    loop = Train(envs=B, ratio=1, prefill=0, steps=1_000)
    return resolve(
        Config(
            agent=AGENTS[name],
            replay=dataclasses.replace(newest, **replay or {}),
            train=dataclasses.replace(loop, **train or {}),
        )
    )


@cache
def made(name: str) -> OnPolicy:
    """The fixed part of an agent that makes a choice and sets two values."""
    interface = spaces.of(tiny.VECTOR, tiny.BOTH)
    if name != "hybrid":
        return ppo.build(config(name), interface)
    frozen = {"learn": "behavior", "world_model": "somewhere"}
    return hybrid.build(config(name, train=frozen), interface).ppo


class Played(NamedTuple):
    """A rollout, and the state of the agent that acted it out."""

    state: OnPolicyState
    window: Window


def made_up(agent: OnPolicy) -> OnPolicyState:
    """A state whose parameters are all random: heads that begin at zero would hide features."""
    shapes = jax.eval_shape(partial(networks.init, agent), jax.random.key(0))
    generator = np.random.default_rng(0)

    def fill(path: Any, x: jax.ShapeDtypeStruct) -> jax.Array:
        middle = 1.0 if path[-1].key == "scale" else 0.0
        return jnp.asarray(np.asarray(middle + 0.3 * generator.normal(size=x.shape), x.dtype))

    state = jax.tree.map(lambda x: jnp.asarray(np.zeros(x.shape, x.dtype)), shapes)
    scale = state.return_scale.replace(variance=jnp.float32(1))
    params = jax.tree_util.tree_map_with_path(fill, shapes.params)
    moments = jax.tree.map(jnp.ones_like, state.moments)
    return state.replace(params=params, moments=moments, return_scale=scale)


@cache
def played(name: str) -> Played:
    """T + 1 steps of B environments in which episodes begin and end, acted out one by one."""
    agent, generator = made(name), np.random.default_rng(1)
    state = made_up(agent)
    act = jax.jit(partial(acting.act_step, agent, sample))
    actor, carry = acting.actor_of(agent, state), agent.features.carry(B)
    flags = {name: np.zeros((T + 1, B), bool) for name in ("is_first", "is_last")}
    for name_, places in EPISODES.items():
        for at in places:
            flags[name_][at] = True
    obs = {"state": generator.normal(size=(T + 1, B, 3)).astype(np.float32)}
    steps, latents = list[Any](), list[Any]()
    for t in range(T + 1):
        now = {key: jnp.asarray(x[t]) for key, x in obs.items()}
        is_first = jnp.asarray(flags["is_first"][t])
        carry, action, kept = act(actor, carry, now, is_first, jax.random.key(t))
        # As the program `act` leaves them in replay.
        void = flags["is_last"][t][:, None]
        steps.append({key: np.where(void, 0, x) for key, x in action.items()})
        latents.append(kept)

    def stacked(trees: list[Any]) -> Any:
        return jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *trees)

    found = Step(
        obs=jax.tree.map(jnp.asarray, obs),
        action=stacked(steps),
        reward=jnp.asarray(generator.normal(size=(T + 1, B)), jnp.float32),
        is_terminal=jnp.asarray(flags["is_last"]) & (jnp.arange(B) != 2),
        events={},
        **{key: jnp.asarray(x) for key, x in flags.items()},
    )
    time = jnp.broadcast_to(jnp.arange(T + 1)[:, None], (T + 1, B))
    return Played(
        state, Window(steps=found, latents=stacked(latents), row=jnp.arange(B), time=time)
    )


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


def test_the_first_update_comes_with_the_first_whole_window() -> None:
    """Then one for each rollout, so every step but the context of the first is learned from."""
    on_policy, rollout = config("mlp"), B * T
    first = B * (T + 1)
    assert prefill(on_policy) == first
    done = [0]
    for step in range(B, first + 5 * rollout + 1, B):
        owed = updates_owed(step, updates=done[-1], config=on_policy)
        assert owed == (step >= first and (step - first) % rollout == 0), step
        done.append(done[-1] + owed)
    assert done[-1] == 6
    uniform, larger = {"sampler": "uniform"}, {"batch": 2 * B}
    for changed in (
        config("mlp", replay=uniform),
        config("mlp", replay=larger),
        config("mlp", train={"ratio": 2}),
    ):
        assert updates_owed(first, updates=0, config=changed) == 0


@pytest.mark.parametrize(
    ("section", "more", "said"),
    [
        (
            "replay",
            {"sampler": "online"},
            "replay.sampler=online: this agent learns from what its policy",
        ),
        ("replay", {"batch": 8}, "replay.batch=8 with train.envs=4"),
        ("train", {"ratio": 32}, "train.ratio=32"),
        ("replay", {"latents": False}, "replay.latents=false"),
        ("replay", {"seed_from": "x"}, "replay.seed_from=x"),
        ("train", {"prefill": 37}, "train.prefill=37"),
    ],
)
def test_contradictions_are_one_line(section: str, more: dict[str, Any], said: str) -> None:
    for name in ("mlp", "hybrid"):
        make: Any = hybrid.make if name == "hybrid" else ppo.make
        with pytest.raises(ValueError, match=said) as caught:
            make(config(name, **{section: more}), spaces.of(tiny.VECTOR, tiny.TURN))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("mlp", {"minibatches": 3}, "ppo.minibatches=3: the 32 steps"),
        ("gru", {"minibatches": 8}, "ppo.minibatches=8: the 4 environments"),
        ("mlp", {"reward_every": 3}, "replay.length=8 is not divisible by ppo.reward_every=3"),
    ],
)
def test_parts_that_do_not_divide(name: str, changed: dict[str, int], said: str) -> None:
    whole = config(name)
    agent = dataclasses.replace(AGENTS[name], ppo=dataclasses.replace(LEARNING, **changed))
    with pytest.raises(ValueError, match=said):
        ppo.make(dataclasses.replace(whole, agent=agent), spaces.of(tiny.VECTOR, tiny.TURN))
