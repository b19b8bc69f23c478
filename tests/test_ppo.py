"""The equations of PPO against loops in NumPy, by hand, and against planted faults."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.agents.on_policy.config import PPO
from dreamer_jax.agents.on_policy.experiences import experience
from dreamer_jax.agents.on_policy.features import Kept
from dreamer_jax.behavior import actor_critic, ppo, trajectories
from dreamer_jax.behavior.trajectories import Experience
from dreamer_jax.nn.dists import Choices
from dreamer_jax.types import Rollout, Step

T, B, DISCOUNT, LAMBDA = 24, 5, 0.9, 0.7
GENERATOR = np.random.default_rng(0)
REWARD, VALUE = GENERATOR.normal(size=(2, T, B)).astype(np.float32)
WEIGHT = (GENERATOR.uniform(size=(T, B)) < 0.7).astype(np.float32)


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


LOGITS, OLD = GENERATOR.normal(size=(2, T, B, 3)).astype(np.float32)
CHOSEN = GENERATOR.integers(0, 3, (T, B, 1))


def minibatch() -> Experience:
    return Experience(
        action={"action": jnp.asarray(CHOSEN, jnp.int32)},
        log_prob=dist(OLD).log_prob(jnp.asarray(CHOSEN, jnp.int32)),
        value=jnp.asarray(VALUE),
        returns=jnp.asarray(REWARD),
        weight=jnp.asarray(WEIGHT),
        value_weight=jnp.ones((T, B)),
    )


def dist(logits: np.ndarray) -> Choices:
    return Choices.from_logits(jnp.asarray(logits), classes=(3,), unimix=0.0)


def test_the_loss_against_a_loop() -> None:
    clip, value_clip, scale = 0.2, 0.3, ppo.unscaled().replace(mean=0.5, variance=4.0)
    probs, old = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (LOGITS, OLD))
    predicted = GENERATOR.normal(size=(T, B)).astype(np.float32)
    total, counted, errors, randomness = 0.0, 0, 0.0, 0.0
    chosen = (REWARD - VALUE)[WEIGHT > 0]
    for at in np.ndindex(T, B):
        before, target = (VALUE[at] - 0.5) / 2, (REWARD[at] - 0.5) / 2
        near = before + np.clip(predicted[at] - before, -value_clip, value_clip)
        errors += max((predicted[at] - target) ** 2, (near - target) ** 2) / (T * B)
        if WEIGHT[at]:
            ratio = probs[at][CHOSEN[at][0]] / old[at][CHOSEN[at][0]]
            advantage = (REWARD[at] - VALUE[at] - chosen.mean()) / chosen.std()
            total -= min(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
            randomness -= (probs[at] * np.log(probs[at])).sum()
            counted += 1
    compiled = jax.jit(partial(ppo.loss, value_clip=0.3, value_scale=0.7, entropy_scale=0.1))
    found, metrics = compiled(
        {"action": dist(LOGITS)}, predicted, minibatch(), scale=scale, clip=clip
    )
    expected = total / counted + 0.7 * errors - 0.1 * randomness / counted
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(metrics["actor_critic/loss/policy"], total / counted, rtol=1e-4)
    assert metrics["actor_critic/approx_kl"] > 0 < metrics["actor_critic/clip_fraction"] < 1


@pytest.mark.parametrize(
    ("ratio", "advantage", "learns"),
    [(1.3, 1.0, False), (1.3, -1.0, True), (0.7, 1.0, True), (0.7, -1.0, False), (1.1, 1.0, True)],
)
def test_what_went_too_far_gets_no_gradient(ratio: float, advantage: float, learns: bool) -> None:
    def loss(ratio: jax.Array) -> jax.Array:
        return ppo.surrogate_loss(ratio, jnp.float32(advantage), clip=jnp.float32(0.2))

    gradient = jax.grad(loss)(jnp.float32(ratio))
    np.testing.assert_allclose(gradient, -advantage if learns else 0.0)


def test_the_log_probability_of_the_new_policy_is_not_the_old_one() -> None:
    """With it, every ratio would be 1, and no step too far."""
    policy, found = {"action": dist(LOGITS)}, minibatch()
    wrong = found.replace(log_prob=actor_critic.log_prob(policy, found.action))
    ratios = [ppo.ratios(policy, each) for each in (found, wrong)]
    assert np.abs(np.asarray(ratios[0])[WEIGHT > 0] - 1).mean() > 0.3
    np.testing.assert_allclose(ratios[1], 1, rtol=1e-5)


def test_the_scale_of_returns_against_all_samples() -> None:
    """Rollout by rollout as at once; what has no weight does not count."""
    scale, rescale = ppo.unscaled(), jax.jit(ppo.rescale)
    samples = [GENERATOR.normal(3, 5, (T, B)).astype(np.float32) for _ in range(3)]
    for returns in samples:
        given = jnp.where(jnp.asarray(WEIGHT) > 0, jnp.asarray(returns), 1e6)
        scale = rescale(scale, given, jnp.asarray(WEIGHT), horizon=1e6)
    everything = np.concatenate([x[WEIGHT > 0] for x in samples])
    np.testing.assert_allclose(scale.mean, everything.mean(), rtol=1e-4)
    np.testing.assert_allclose(scale.deviation, everything.std(), rtol=1e-4)
    np.testing.assert_allclose(scale.denormalize(scale.normalize(VALUE)), VALUE, atol=1e-5)
    short = rescale(scale, jnp.asarray(REWARD), jnp.asarray(WEIGHT), horizon=10)
    assert short.count == 10
    nothing = rescale(scale, jnp.asarray(REWARD), jnp.zeros((T, B)), horizon=1e6)
    jax.tree.map(np.testing.assert_array_equal, nothing, scale)


def test_a_new_scale_changes_no_value() -> None:
    old, new = ppo.unscaled(), ppo.unscaled().replace(mean=7.0, variance=9.0)
    output = {"kernel": jnp.asarray(LOGITS[0]).T[:, :1], "bias": jnp.array([0.3])}
    features = jnp.asarray(VALUE[:, :3])
    fresh = ppo.preserved(output, old=old, new=new)
    before, after = (features @ x["kernel"] + x["bias"] for x in (output, fresh))
    np.testing.assert_allclose(new.denormalize(after), old.denormalize(before), rtol=1e-5)
    assert not np.allclose(after, before)


def test_explained_variance_by_hand() -> None:
    known = minibatch().replace(value=jnp.asarray(REWARD))
    np.testing.assert_allclose(ppo.explained_variance(known), 1, rtol=1e-5)
    constant = minibatch().replace(value=jnp.full((T, B), 3.0))
    np.testing.assert_allclose(ppo.explained_variance(constant), 0, atol=1e-5)


def test_the_scan_over_epochs_is_a_plain_loop() -> None:
    """Every entry once in each epoch, in another order; the sum would not notice, so a product."""
    entries, key = jnp.asarray(GENERATOR.normal(size=12).astype(np.float32)), jax.random.key(3)

    @jax.jit
    def step(state: jax.Array, part: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        return state * 0.9 + part.mean(), {"first": part[0]}

    scan = partial(ppo.descend, step, size=12, epochs=3, minibatches=4)
    state, metrics = jax.jit(lambda key: scan(jnp.float32(1), lambda at: entries[at], key))(key)
    expected, firsts = jnp.float32(1), []
    orders = jax.jit(jax.vmap(lambda key: jax.random.permutation(key, 12)))
    for order in np.asarray(orders(jax.random.split(key, 3))):
        assert sorted(order) == list(range(12))
        for part in range(4):
            expected, seen = step(expected, np.asarray(entries)[order[3 * part : 3 * part + 3]])
            firsts.append(seen["first"])
    np.testing.assert_allclose(state, expected, rtol=1e-6)
    np.testing.assert_array_equal(metrics["first"], np.reshape(firsts, (3, 4)))
    assert len({tuple(row) for row in np.asarray(metrics["first"]).tolist()}) == 3
