"""The loss of PPO, its scale of returns and its epochs, against loops and by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.behavior import actor_critic, ppo
from dreamer_jax.behavior.trajectories import Experience
from dreamer_jax.nn.dists import Choices

T, B = 24, 5
GENERATOR = np.random.default_rng(0)
REWARD, VALUE = GENERATOR.normal(size=(2, T, B)).astype(np.float32)
WEIGHT = (GENERATOR.uniform(size=(T, B)) < 0.7).astype(np.float32)
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
    np.testing.assert_allclose(new.denormalize(after), old.denormalize(before), atol=1e-5)
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
