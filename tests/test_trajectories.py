"""Returns, payments and the filter of trajectories, against loops and planted faults."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.agents.on_policy.config import PPO
from dreamer_jax.agents.on_policy.experiences import experience
from dreamer_jax.agents.on_policy.features import Kept
from dreamer_jax.behavior import actor_critic, trajectories
from dreamer_jax.types import Rollout, Step

T, B, DISCOUNT, LAMBDA = 24, 5, 0.9, 0.7
GENERATOR = np.random.default_rng(0)
REWARD, VALUE = GENERATOR.normal(size=(2, T, B)).astype(np.float32)


def flags() -> dict[str, np.ndarray]:
    """Episodes of 2 to 6 steps that end by themselves or are truncated, cut as they come."""
    first, last, terminal = (np.zeros((T, B), bool) for _ in range(3))
    for row in range(B):
        step = -int(GENERATOR.integers(0, 4))
        while step < T:
            length = int(GENERATOR.integers(2, 7))
            if step >= 0:
                first[step, row] = True
            if 0 <= (end := step + length - 1) < T:
                last[end, row], terminal[end, row] = True, GENERATOR.uniform() < 0.5
            step += length
    return {"is_first": first, "is_last": last, "is_terminal": terminal}


FLAGS = flags()
ENDS: dict[str, Any] = {name: jnp.asarray(FLAGS[name]) for name in ("is_last", "is_terminal")}
ALL = {name: jnp.asarray(x) for name, x in FLAGS.items()}


def gae() -> np.ndarray:
    """Σ (γ λ)^i δ_{t+i} up to the end of the episode, of each step alone (Schulman et al. 2016).

    0 where nothing answers the action: at the end of an episode, and in the last row.
    """
    found = np.zeros((T, B))
    for t, row in np.ndindex(T, B):
        factor = 1.0
        for i in range(t, T - 1):
            if FLAGS["is_last"][i, row]:
                break
            future = 0.0 if FLAGS["is_terminal"][i + 1, row] else DISCOUNT * VALUE[i + 1, row]
            found[t, row] += factor * (REWARD[i + 1, row] + future - VALUE[i, row])
            factor *= DISCOUNT * LAMBDA
    return found


def agrees(returns: Callable[..., jax.Array]) -> bool:
    compiled = jax.jit(partial(returns, discount=DISCOUNT, lambda_=LAMBDA, **ENDS))
    given = compiled(REWARD, VALUE)
    answered = np.asarray(trajectories.answered(ENDS["is_last"]))
    assert answered.sum() == T * B - B - FLAGS["is_last"][:-1].sum()
    return np.allclose((given - VALUE)[answered], gae()[answered], rtol=1e-4, atol=1e-5)


def test_advantages_are_generalized_advantage_estimates() -> None:
    truncated = FLAGS["is_last"] & ~FLAGS["is_terminal"]
    assert truncated.sum() > 3 < FLAGS["is_terminal"].sum()
    assert agrees(trajectories.real_returns)


def test_planted_faults_do_not_agree() -> None:
    real = trajectories.real_returns

    def ends(reward: jax.Array, value: jax.Array, **more: Any) -> jax.Array:
        return real(reward, value, **{**more, "is_terminal": more["is_last"]})

    def beyond(reward: jax.Array, value: jax.Array, **more: Any) -> jax.Array:
        return real(reward, value, **{**more, "is_last": more["is_terminal"]})

    def early(reward: jax.Array, value: jax.Array, **more: Any) -> jax.Array:
        return real(jnp.roll(reward, 1, axis=0), value, **more)

    def late(reward: jax.Array, value: jax.Array, **more: Any) -> jax.Array:
        return jnp.roll(real(reward, value, **more), 1, axis=0)

    assert not any(map(agrees, (ends, beyond, early, late)))


def test_a_truncated_episode_could_have_gone_on() -> None:
    """Reward 1 arrives with the last of three steps, whose value is 10."""
    reward, value = jnp.array([[0.0], [0.0], [1.0], [0.0]]), jnp.array([[0.0], [0.0], [10.0], [5]])
    last = jnp.array([[False], [False], [True], [False]])
    for terminal, expected in ((last, 1.0), (jnp.zeros_like(last), 1 + 0.5 * 10)):
        found = trajectories.real_returns(
            reward, value, is_last=last, is_terminal=terminal, discount=0.5, lambda_=1.0
        )
        np.testing.assert_allclose(found[:2, 0], [0.5 * expected, expected])


def test_payments_against_a_loop() -> None:
    paid = np.zeros((T, B))
    for row in range(B):
        owed = 0.0
        for t in range(T):
            owed += REWARD[t, row]
            if t % 8 == 7 or FLAGS["is_last"][t, row]:
                paid[t, row], owed = owed, 0.0
    found = trajectories.paid_every(jnp.asarray(REWARD), ENDS["is_last"], interval=8)
    np.testing.assert_allclose(found, paid, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.sum(), REWARD.sum(), rtol=1e-4)
    same = trajectories.paid_every(jnp.asarray(REWARD), ENDS["is_last"], interval=1)
    np.testing.assert_array_equal(same, REWARD)


def test_the_filter_against_a_loop() -> None:
    """Each trajectory by itself, with the value of its last state unless that is terminal."""
    pieces: list[tuple[float, int, list[int]]] = []
    for row in range(B):
        borders = [0, *(t for t in range(1, T) if FLAGS["is_first"][t, row]), T]
        for begin, end in pairwise(borders):
            rewards = [DISCOUNT**i * REWARD[t, row] for i, t in enumerate(range(begin + 1, end))]
            goes_on = 0.0 if FLAGS["is_terminal"][end - 1, row] else VALUE[end - 1, row]
            total = sum(rewards) + DISCOUNT ** (end - 1 - begin) * goes_on
            if end - begin > 1:
                pieces.append((float(total), row, list(range(begin, end))))
    choose = jax.jit(partial(trajectories.best_trajectories, discount=DISCOUNT, **ALL))
    learned = np.asarray(trajectories.answered(ENDS["is_last"]))
    for share in (0.0, 0.3, 0.8, 1.0):
        best = sorted(pieces, reverse=True)[: max(1, int(np.ceil(share * len(pieces) - 1e-6)))]
        expected = np.zeros((T, B), bool)
        for _, row, steps in best:
            expected[steps, row] = True
        found = choose(REWARD, VALUE, share=share)
        np.testing.assert_array_equal(np.asarray(found)[learned], expected[learned])


def steps() -> Step:
    return Step(
        obs={},
        action={"action": jnp.zeros((T, B, 1), jnp.int32)},
        reward=jnp.asarray(REWARD),
        events={},
        **ALL,
    )


def test_a_rollout_becomes_experience() -> None:
    """The penalty lowers every reward; the filter is for the policy alone."""
    kept = Kept(log_prob=jnp.zeros((T, B)), value=jnp.asarray(VALUE), memory=None)
    plain = PPO(discount=DISCOUNT, lambda_=LAMBDA)
    found = experience(plain, steps(), kept)
    answered = np.asarray(trajectories.answered(ENDS["is_last"]))
    np.testing.assert_allclose(found.advantage[answered], gae()[answered], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.weight, answered)
    shaped = PPO(discount=0.0, lambda_=LAMBDA, time_penalty=0.25, return_filter=0.5)
    found = experience(shaped, steps(), kept)
    np.testing.assert_allclose(
        found.returns[:-1][answered[:-1]], REWARD[1:][answered[:-1]] - 0.25, rtol=1e-5
    )
    np.testing.assert_array_equal(found.value_weight, answered)
    assert 0 < found.weight.sum() < answered.sum() and np.all(found.weight <= answered)


def test_a_dream_becomes_experience() -> None:
    rollout = Rollout(
        features=jnp.zeros((T, B, 1)),
        action={"action": jnp.zeros((T - 1, B, 1), jnp.int32)},
        reward=jnp.asarray(REWARD),
        continue_=jnp.full((T, B), DISCOUNT),
    )
    value = jnp.asarray(VALUE)
    returns = actor_critic.imagined_returns(rollout, value, lambda_=LAMBDA)
    found = trajectories.imagined(
        rollout,
        log_prob=jnp.zeros((T - 1, B)),
        value=value,
        returns=returns,
        weight=actor_critic.rollout_weight(rollout),
    )
    np.testing.assert_allclose(found.advantage, returns - VALUE[:-1], rtol=1e-6)
    np.testing.assert_allclose(found.weight[2], DISCOUNT**3, rtol=1e-5)
