"""Real play as the model filtered it, dreams that begin in it, and what is compared."""

from functools import cache
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent as dreamer_agent
from dreamer_jax.loops import dream_errors, dream_returns, stretches
from dreamer_jax.loops.dreams import dreamer
from dreamer_jax.loops.stretches import Stretch
from dreamer_jax.types import Agent, AnyAgent, Model, Player, Readout
from envs.counting import Counting

LENGTH, ENVS, SEED = 6, 2, 5
DISCOUNT = 0.9
ZERO = np.zeros((), np.int32)  # the state of an agent that learns nothing


def value(step: Any) -> Any:
    """What the toy's critic says: any function of the state will do."""
    return 0.5 * step + 3


def toy(pace: int = 1) -> AnyAgent:
    """An agent whose model knows the environment Counting, apart from its `pace`."""

    def see(_: Any, carry: Any, obs: Any, is_first: jax.Array, key: jax.Array) -> Any:
        del is_first, key
        return carry | {"step": obs["vector"][:, 1], "episode": obs["vector"][:, 0]}

    def choose(_: Any, carry: Any, key: jax.Array) -> Any:
        return {"action": jax.random.randint(key, (*carry["step"].shape, 1), 0, 3)}

    def took(carry: Any, action: Any) -> Any:
        return carry | action

    def imagine(_: Any, carry: Any, key: jax.Array) -> Any:
        del key
        return carry | {"step": carry["step"] + pace}

    def read(_: Any, carry: Any) -> Readout:
        step = carry["step"]
        obs = {
            "vector": jnp.stack([carry["episode"], step], -1),
            "discrete": step[:, None].astype(jnp.int32),
        }
        return Readout(obs, reward=step, continue_=jnp.full_like(step, DISCOUNT), value=value(step))

    def begin(envs: int) -> Any:
        nothing = jnp.zeros(envs)
        return {"step": nothing, "episode": nothing, "action": jnp.zeros((envs, 1), jnp.int32)}

    player = Player(carry=begin, actor=lambda _: None, act=cast(Any, None), greedy=cast(Any, None))
    model = Model(see=see, choose=choose, greedy=choose, took=took, imagine=imagine, read=read)
    return Agent(learner=cast(Any, None), player=player, model=model)


def counted(agent: AnyAgent, state: Any = ZERO, **changes: Any) -> list[Stretch]:
    asked: dict[str, Any] = {"stretches": 3, "seed": SEED} | changes
    return stretches.play(agent, state, Counting(LENGTH, ENVS), **asked)


@cache
def learned() -> tuple[AnyAgent, Any]:
    """A small agent for Counting, with parameters that are all made up."""
    env = Counting(LENGTH, ENVS)
    interface = spaces.of(env.obs_space, env.act_space)
    agent = dreamer_agent.make(tiny.CONFIG, interface)
    return agent, tiny.made_up(dreamer_agent.build(tiny.CONFIG, interface))


def equal(one: Any, other: Any) -> bool:
    return jax.tree.all(jax.tree.map(lambda a, b: bool((np.asarray(a) == b).all()), one, other))


def test_a_stretch_is_an_episode() -> None:
    first, second, third = counted(toy())
    for episode, stretch in enumerate((first, second)):  # both of the first environment
        assert stretch.obs["vector"].tolist() == [[episode, t] for t in range(LENGTH + 1)]
        assert stretch.reward.tolist() == list(range(LENGTH + 1)) and stretch.begin == 0
        assert stretch.is_last.tolist() == [False] * LENGTH + [True]
    assert second.is_terminal[-1] and not first.is_terminal[-1]
    assert third.obs["vector"][0].tolist() == [0, 0]


def test_a_long_episode_gives_parts_that_share_a_moment() -> None:
    parts = counted(toy(), longest=4, stretches=2 * ENVS)
    assert [part.begin for part in parts] == [0, 4] * ENVS
    assert parts[0].obs["vector"][:, 1].tolist() == [0, 1, 2, 3, 4]
    assert parts[1].obs["vector"][:, 1].tolist() == [4, 5, 6]


def test_moments_are_those_of_filtering_step_by_step() -> None:
    agent, state = learned()
    assert agent.model is not None
    (stretch, _) = counted(agent, state, stretches=2)
    env, carry = Counting(LENGTH, ENVS), agent.player.carry(ENVS)
    seen = env.reset()
    for t in range(LENGTH + 1):
        key = jax.random.fold_in(jax.random.key(SEED), t)
        see_key, choose_key = jax.random.split(key)
        obs = jax.tree.map(jnp.asarray, seen.obs)
        carry = agent.model.see(state, carry, obs, jnp.asarray(seen.is_first), see_key)
        action = agent.model.choose(state, carry, choose_key)
        carry = agent.model.took(carry, action)
        near = jax.tree.map(
            lambda a, b, t=t: np.allclose(a[0], b[t], atol=1e-5), carry, stretch.carry
        )
        assert jax.tree.all(near)
        assert action["action"][0].tolist() == stretch.action["action"][t].tolist()
        seen = env.step(jax.device_get(action))


def test_actions_of_somebody_else_are_taken_and_remembered() -> None:
    act = spaces.actions(Counting(LENGTH, ENVS).act_space)
    draw = stretches.random_actions(act, envs=ENVS, seed=3)
    (stretch, _) = counted(toy(), stretches=2, instead=draw)
    expected = [draw(t)["action"][0].tolist() for t in range(LENGTH + 1)]
    assert stretch.action["action"].tolist() == expected == stretch.carry["action"].tolist()
    assert len({x for (x,) in expected}) > 1  # random
    drawn = stretches.random_actions(spaces.Spaces(vectors={"a": 2}), envs=4, seed=3)(0)["a"]
    assert drawn.shape == (4, 2) and drawn.dtype == np.float32 and (abs(drawn) <= 1).all()


def test_a_dream_after_actions_is_imagined_step_by_step() -> None:
    agent, state = learned()
    model = agent.model
    assert model is not None
    (stretch, _) = counted(agent, state, stretches=2)
    start = jax.tree.map(lambda x: x[1:3], stretch.carry)
    taken = {"action": np.stack([stretch.action["action"][1:4], stretch.action["action"][2:5]], 1)}
    last, dream = dreamer(model, state).follow(start, taken, seed=7, pictures=True)
    carry = start
    for h, key in enumerate(jax.random.split(jax.random.key(7), 3)):
        carry = model.imagine(state, model.took(carry, {"action": taken["action"][h]}), key)
        read = model.read(state, carry)
        np.testing.assert_allclose(dream.reward[h], read.reward, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(dream.value[h], read.value, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(dream.obs["vector"][h], read.obs["vector"], rtol=1e-5, atol=1e-5)
    assert equal(last.latent.stoch.argmax(-1), carry.latent.stoch.argmax(-1))


def test_a_dream_under_the_policy_is_chosen_and_imagined_step_by_step() -> None:
    agent, state = learned()
    model = agent.model
    assert model is not None
    (stretch, _) = counted(agent, state, stretches=2)
    start = jax.tree.map(lambda x: x[:2], stretch.carry)
    dream = dreamer(model, state).wander(start, horizon=3, seed=8, pictures=False)
    assert dream.obs == {}
    carry = start
    for h, key in enumerate(jax.random.split(jax.random.key(8), 3)):
        choose_key, imagine_key = jax.random.split(key)
        action = model.choose(state, carry, choose_key)
        carry = model.imagine(state, model.took(carry, action), imagine_key)
        assert equal(action["action"], dream.action["action"][h])
        np.testing.assert_allclose(
            dream.continue_[h], model.read(state, carry).continue_, rtol=1e-5, atol=1e-5
        )


def test_moments_are_read_in_chunks() -> None:
    model = toy().model
    assert model is not None
    many = {"step": np.arange(150.0), "episode": np.zeros(150)}
    read = dreamer(model, ZERO).read(many, pictures=True)
    assert read.reward.tolist() == list(range(150)) and read.obs["vector"].shape == (150, 2)


def test_realized_returns_equal_a_loop() -> None:
    stretch = counted(toy())[1]  # which ends as terminal
    critic = np.linspace(2, 3, LENGTH + 1)
    for t, steps in ((0, 3), (2, LENGTH - 2), (LENGTH - 1, 1)):
        expected, weight = 0.0, 1.0
        for k in range(1, steps + 1):
            expected += weight * stretch.reward[t + k]
            weight *= DISCOUNT * (not stretch.is_terminal[t + k])
        expected += weight * critic[t + steps]
        found = dream_returns.realized_return(stretch, critic, t, steps=steps, discount=DISCOUNT)
        assert found == pytest.approx(expected)


def test_dreamt_returns_equal_a_loop() -> None:
    generator = np.random.default_rng(0)
    reward, continue_, critic = generator.uniform(size=(3, 5, 4))
    steps = np.array([1, 2, 5, 3])
    found = dream_returns.dreamt_returns(reward, continue_, critic, steps=steps)
    for s, n in enumerate(steps):
        expected, weight = 0.0, 1.0
        for h in range(n):
            expected += weight * reward[h, s]
            weight *= continue_[h, s]
        assert found[s] == pytest.approx(expected + weight * critic[n - 1, s])


def test_a_model_that_knows_everything_dreams_what_is_realized() -> None:
    agent = toy()
    assert agent.model is not None
    play = [x for x in counted(agent, stretches=2 * ENVS) if not x.is_terminal[-1]]
    returns = dream_returns.compare(
        dreamer(agent.model, ZERO), play, horizon=3, discount=DISCOUNT, seed=0
    )
    np.testing.assert_allclose(returns.recorded, returns.realized, rtol=1e-5)
    numbers = dream_returns.agreement(returns.recorded, returns.realized)
    assert numbers["n"] == LENGTH * len(play)
    assert numbers["bias"] == pytest.approx(0, abs=1e-5)
    assert numbers["correlation"] == pytest.approx(1)
    ahead = np.array([t + 3 <= LENGTH for t in range(LENGTH)] * len(play))
    np.testing.assert_allclose(returns.policy[ahead], returns.realized[ahead], rtol=1e-5)
    same = np.ones(3)
    assert dream_returns.agreement(same, same)["correlation"] is None


@pytest.mark.parametrize("pace", [1, 0, 2])
def test_errors_by_horizon(pace: int) -> None:
    """Of a model that is right, of one that stands still, and of one that is twice as fast."""
    agent = toy(pace)
    assert agent.model is not None
    env = Counting(LENGTH, ENVS)
    obs = spaces.observations(env.obs_space)
    play = counted(agent, stretches=2)
    found = dream_errors.by_horizon(dreamer(agent.model, ZERO), play, obs, horizon=5, seed=0)
    assert list(found) == ["1", "5"] and [x["n"] for x in found.values()] == [12, 4]
    for steps, errors in found.items():
        off = abs(pace - 1) * int(steps)
        reward = errors["reward"]
        assert reward["error"] == pytest.approx(off**2)
        assert reward["copy"] == pytest.approx(int(steps) ** 2)
        assert reward["relative"] == pytest.approx(off**2 / min(reward["copy"], reward["mean"]))
        variance = np.var(range(LENGTH + 1))  # the number of the episode never changes
        vector = errors["observations"]["vector"]
        assert vector["error"] == pytest.approx(off**2 / variance)
        discrete = errors["observations"]["discrete"]
        assert discrete["error"] == (pace != 1) and discrete["copy"] == 1


def test_errors_of_each_kind() -> None:
    black, white = np.zeros((2, 4, 4, 1), np.uint8), np.full((2, 4, 4, 1), 255, np.uint8)
    assert dream_errors.error(black, white, np.array(255.0**2)) == pytest.approx(1)
    truth, guess = np.array([[1.0, 5.0]]), np.array([[3.0, 9.0]])
    assert dream_errors.error(truth, guess, np.array([4.0, 0.0])) == pytest.approx(1)
    letters, guesses = np.array([[1, 2, 3, 4]]), np.array([[1, 2, 3, 5]])
    assert dream_errors.error(letters, guesses, None) == 0.25
    assert dream_errors.compared([0.5, 0.0, 1.0])["relative"] is None


def stretch_of(reward: list[float]) -> Stretch:
    none = np.zeros(len(reward), bool)
    return Stretch({}, {}, np.array(reward, np.float32), none, none, {}, 0)


def test_a_film_shows_where_most_happens() -> None:
    calm = stretches.window(stretch_of([1.0] * 40), context=4, horizon=10)
    assert (calm.seen, calm.dreamt) == (4, 10) and calm.start == pytest.approx(16, abs=1)
    rewards = [0.0] * 40
    rewards[33] = 1.0
    part = stretches.window(stretch_of(rewards), context=4, horizon=10)
    assert part.start < 33 <= part.start + part.dreamt < 40
    short = stretches.window(stretch_of([0.0] * 5), context=4, horizon=10)
    assert (short.first, short.seen, short.dreamt) == (0, 1, 4)
    assert stretches.window(stretch_of([0.0, 0.0]), context=4, horizon=10).dreamt == 1
