"""Returns, weights, advantages and the losses of policy and critic against loops and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.behavior import actor_critic
from dreamer_jax.behavior.actor_critic import ActionDist, ReturnRange
from dreamer_jax.math import symexp_bins
from dreamer_jax.nn.dists import BoundedNormal, Choices, Ensemble, TwoHot
from dreamer_jax.types import Rollout

HORIZON, STARTS = 4, 3
GENERATOR = np.random.default_rng(0)
REWARD, VALUE = GENERATOR.normal(size=(2, HORIZON + 1, STARTS)).astype(np.float32)
CONTINUE = GENERATOR.uniform(size=(HORIZON + 1, STARTS)).astype(np.float32)
CONTINUE[0, 1] = 0  # a dream that starts from a terminal state
LOGITS = GENERATOR.normal(size=(HORIZON, STARTS, 5)).astype(np.float32)
SLOW = GENERATOR.normal(size=(HORIZON, STARTS, 5)).astype(np.float32)
WEIGHT = GENERATOR.uniform(size=(HORIZON, STARTS)).astype(np.float32)
BINS = np.asarray(symexp_bins(5), np.float64)


def rollout() -> Rollout:
    return Rollout(
        features=jnp.zeros((HORIZON + 1, STARTS, 1)),
        action={"action": jnp.zeros((HORIZON, STARTS, 1), jnp.int32)},
        reward=jnp.asarray(REWARD),
        continue_=jnp.asarray(CONTINUE),
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    probs = np.exp(logits.astype(np.float64))
    return probs / probs.sum(-1, keepdims=True)


def returns_slowly() -> np.ndarray:
    """From the definition, with λ = 0.95 and the discount inside of continue."""
    following = VALUE[-1]
    returns = np.zeros((HORIZON, STARTS))
    for t in reversed(range(HORIZON)):
        blend = 0.05 * VALUE[t + 1] + 0.95 * following
        following = returns[t] = REWARD[t + 1] + CONTINUE[t + 1] * blend
    return returns


def test_imagined_returns_against_a_loop() -> None:
    actual = actor_critic.imagined_returns(rollout(), jnp.asarray(VALUE), lambda_=0.95)
    np.testing.assert_allclose(actual, returns_slowly(), rtol=1e-5, atol=1e-6)


def test_returns_do_not_read_what_came_before_the_first_action() -> None:
    changed = rollout().replace(
        reward=rollout().reward.at[0].set(99), continue_=rollout().continue_.at[0].set(0.1)
    )
    value = jnp.asarray(VALUE)
    np.testing.assert_array_equal(
        actor_critic.imagined_returns(rollout(), value, lambda_=0.95),
        actor_critic.imagined_returns(changed, value.at[0].set(99), lambda_=0.95),
    )


def test_weight_includes_the_start_state() -> None:
    weight = np.asarray(actor_critic.rollout_weight(rollout()))
    expected = np.array([CONTINUE[: t + 1].prod(0) for t in range(HORIZON)])
    np.testing.assert_allclose(weight, expected, rtol=1e-6)
    assert (weight[:, 1] == 0).all() and (weight[0, [0, 2]] < 1).all()


def test_weight_has_no_gradient() -> None:
    slope = jax.grad(lambda c: actor_critic.rollout_weight(rollout().replace(continue_=c)).sum())
    assert (slope(jnp.asarray(CONTINUE)) == 0).all()


def test_return_range_follows_percentiles_over_all_axes() -> None:
    returns = np.random.default_rng(1).normal(0, 50, (7, 5, 6)).astype(np.float32)
    range_ = ReturnRange(low=jnp.float32(-2), high=jnp.float32(8))
    range_ = actor_critic.update_return_range(range_, jnp.asarray(returns), rate=0.01)
    low, high = np.percentile(returns, [5, 95])
    np.testing.assert_allclose(range_.low, 0.99 * -2 + 0.01 * low, rtol=1e-5)
    np.testing.assert_allclose(range_.high, 0.99 * 8 + 0.01 * high, rtol=1e-5)
    assert range_.low.shape == range_.high.shape == ()


@pytest.mark.parametrize(("low", "high", "scale"), [(0.0, 0.5, 1.0), (-10.0, 30.0, 40.0)])
def test_advantage_shrinks_but_never_grows(low: float, high: float, scale: float) -> None:
    returns, value = jnp.array([5.0, -3.0]), jnp.array([1.0, 1.0])
    range_ = ReturnRange(low=jnp.float32(low), high=jnp.float32(high))
    actual = actor_critic.advantage(returns, value, range_=range_)
    np.testing.assert_allclose(actual, np.array([4, -4]) / scale, rtol=1e-6)
    slopes = jax.grad(lambda r, v: actor_critic.advantage(r, v, range_=range_).sum(), (0, 1))
    assert not any(x.any() for x in slopes(returns, value))


def test_policy_loss_is_reinforce_by_hand() -> None:
    """d loss / d logits = w [A (p - e_a) + η p (ln p + H)] for one choice without unimix."""
    choice = jnp.asarray(np.random.default_rng(2).integers(0, 5, (HORIZON, STARTS, 1)))
    gain = jnp.asarray(VALUE[:-1])

    def loss(logits: jax.Array, gain: jax.Array) -> jax.Array:
        policy: dict[str, ActionDist] = {
            "action": Choices.from_logits(logits, classes=(5,), unimix=0.0)
        }
        action = {"action": choice}
        return actor_critic.policy_loss(
            policy, action, advantage=gain, weight=jnp.asarray(WEIGHT), entropy_scale=0.3
        )

    p = softmax(LOGITS)
    entropy = -(p * np.log(p)).sum(-1)
    picked = np.take_along_axis(p, np.asarray(choice), -1)[..., 0]
    expected = -WEIGHT * (np.log(picked) * VALUE[:-1] + 0.3 * entropy)
    logits = jnp.asarray(LOGITS)
    np.testing.assert_allclose(loss(logits, gain), expected, rtol=1e-4, atol=1e-6)
    to_logits, to_gain = jax.grad(lambda z, a: loss(z, a).sum(), (0, 1))(logits, gain)
    one_hot = np.eye(5)[np.asarray(choice)[..., 0]]
    reinforce = VALUE[:-1, :, None] * (p - one_hot)
    explore = 0.3 * p * (np.log(p) + entropy[..., None])
    np.testing.assert_allclose(to_logits, WEIGHT[..., None] * (reinforce + explore), atol=1e-5)
    assert (to_gain == 0).all()


def test_policy_loss_adds_action_keys_and_differentiates_no_action() -> None:
    shape = (HORIZON, STARTS)
    policy = {
        "turn": Choices.from_logits(jnp.asarray(LOGITS), classes=(2, 3), unimix=0.01),
        "speed": BoundedNormal(jnp.zeros((*shape, 2)), jnp.full((*shape, 2), 0.5)),
    }
    turn = jnp.zeros((*shape, 2), jnp.int32)
    speed = jnp.asarray(LOGITS[..., :2])
    action = {"turn": turn, "speed": speed}
    together = actor_critic.log_prob(policy, action)
    apart = policy["turn"].log_prob(turn) + policy["speed"].log_prob(speed)
    np.testing.assert_allclose(together, apart, rtol=1e-6)
    apart = policy["turn"].entropy() + policy["speed"].entropy()
    np.testing.assert_allclose(actor_critic.entropy(policy), apart, rtol=1e-6)
    slope = jax.grad(lambda x: actor_critic.log_prob(policy, {**action, "speed": x}).sum())
    assert (slope(speed) == 0).all()


def two_hot_slowly(x: np.ndarray) -> np.ndarray:
    """Weights of the five bins; every number here lies strictly inside of them."""
    above = np.searchsorted(BINS, x, side="right")
    share = (x - BINS[above - 1]) / (BINS[above] - BINS[above - 1])
    return np.eye(5)[above - 1] * (1 - share[..., None]) + np.eye(5)[above] * share[..., None]


def test_value_loss_adds_a_pull_toward_the_slow_critic() -> None:
    target = 1e5 * VALUE[:-1]
    log_p = np.log(softmax(LOGITS))
    slow_mean = softmax(SLOW) @ BINS
    expected = -WEIGHT * (
        (two_hot_slowly(target) * log_p).sum(-1) + 0.7 * (two_hot_slowly(slow_mean) * log_p).sum(-1)
    )
    value, slow = TwoHot(jnp.asarray(LOGITS)), TwoHot(jnp.asarray(SLOW))
    actual = actor_critic.value_loss(
        value, jnp.asarray(target), slow=slow, weight=jnp.asarray(WEIGHT), slow_scale=0.7
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_value_loss_of_an_ensemble_is_that_of_its_members() -> None:
    target, weight = jnp.asarray(1e5 * VALUE[:-1]), jnp.asarray(WEIGHT)
    members = [TwoHot(jnp.asarray(k * LOGITS)) for k in (1, 2, 3)]
    slow = [TwoHot(jnp.asarray(k * SLOW)) for k in (3, 1, 2)]
    values, pulls = Ensemble(tuple(members), jnp.min), Ensemble(tuple(slow), jnp.min)
    actual = actor_critic.value_loss(values, target, slow=pulls, weight=weight, slow_scale=0.7)
    alone = [
        actor_critic.value_loss(m, target, slow=s, weight=weight, slow_scale=0.7)
        for m, s in zip(members, slow, strict=True)
    ]
    np.testing.assert_allclose(actual, np.mean(alone, 0), rtol=1e-5)


def test_value_loss_has_no_gradient_into_its_targets() -> None:
    def loss(logits: jax.Array, target: jax.Array, slow: jax.Array) -> jax.Array:
        each = actor_critic.value_loss(
            TwoHot(logits),
            target,
            slow=TwoHot(slow),
            weight=jnp.asarray(WEIGHT),
            slow_scale=1.0,
        )
        return each.sum()

    inputs = (jnp.asarray(LOGITS), jnp.asarray(1e5 * VALUE[:-1]), jnp.asarray(SLOW))
    to_value, to_target, to_slow = jax.grad(loss, (0, 1, 2))(*inputs)
    assert to_value.any() and not to_target.any() and not to_slow.any()


def replay_returns_slowly(
    reward: np.ndarray, last: np.ndarray, terminal: np.ndarray, bootstrap: np.ndarray
) -> np.ndarray:
    """One sequence, case by case."""
    returns = np.zeros(len(reward) - 1)
    for t in reversed(range(len(returns))):
        beyond = returns[t + 1] if t + 1 < len(returns) else bootstrap[t + 1]
        if terminal[t + 1]:
            returns[t] = reward[t + 1]
        elif last[t + 1]:
            returns[t] = reward[t + 1] + 332 / 333 * bootstrap[t + 1]
        else:
            blend = 0.05 * bootstrap[t + 1] + 0.95 * beyond
            returns[t] = reward[t + 1] + 332 / 333 * blend
    return returns


ENDINGS = {  # steps that are last, and those of them that are terminal
    "no end": ([], []),
    "terminal": ([3], [3]),
    "truncation": ([3], []),
    "terminal at the end": ([6], [6]),
    "truncation at the end": ([6], []),
    "terminal at the start": ([0, 1], [0, 1]),
    "both": ([2, 5], [2]),
    "two in a row": ([3, 4], []),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_replay_returns_against_a_loop(ending: str) -> None:
    reward, bootstrap = np.random.default_rng(4).normal(size=(2, 7)).astype(np.float32)
    last, terminal = (np.isin(np.arange(7), steps) for steps in ENDINGS[ending])
    r, ends, over, v = (jnp.asarray(x)[:, None] for x in (reward, last, terminal, bootstrap))
    actual = actor_critic.replay_returns(
        r, is_last=ends, is_terminal=over, bootstrap=v, horizon=333.0, lambda_=0.95
    )[:, 0]
    expected = replay_returns_slowly(reward, last, terminal, bootstrap)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_other_shapes_are_refused() -> None:
    """A column would broadcast without an error."""
    column, full = jnp.ones((HORIZON, 1)), jnp.ones((HORIZON, STARTS))
    zero = jnp.float32(0)
    with pytest.raises(AssertionError, match="shape"):
        actor_critic.advantage(full, column, range_=ReturnRange(low=zero, high=zero))
    with pytest.raises(AssertionError, match="shape"):
        actor_critic.imagined_returns(rollout(), jnp.ones((HORIZON + 1, 1)), lambda_=0.95)
    critic = TwoHot(jnp.asarray(LOGITS))
    with pytest.raises(AssertionError, match="shape"):
        actor_critic.value_loss(critic, full, slow=critic, weight=column, slow_scale=1.0)
    policy = {"action": Choices.from_logits(jnp.asarray(LOGITS), classes=(5,), unimix=0.0)}
    action = {"action": jnp.zeros((HORIZON, STARTS, 1), jnp.int32)}
    with pytest.raises(AssertionError, match="shape"):
        actor_critic.policy_loss(policy, action, advantage=column, weight=full, entropy_scale=0.3)


def test_flags_are_no_numbers() -> None:
    """Exchanged with rewards, they would be taken for them."""
    x, flags = jnp.ones((7, 2)), jnp.zeros((7, 2), bool)
    with pytest.raises(AssertionError, match="type"):
        actor_critic.replay_returns(
            x, is_last=x, is_terminal=flags, bootstrap=x, horizon=333.0, lambda_=0.95
        )
