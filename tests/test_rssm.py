"""The recurrent state-space model against NumPy, its scans against loops of single steps."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.rssm import RSSM

STEPS, BATCH, WIDTH, TOKENS = 4, 3, 5, 7
MODEL = RSSM(
    deter=12,
    hidden=6,
    stoch=3,
    classes=4,
    blocks=2,
    dynamics_layers=2,
    prior_layers=2,
    posterior_layers=1,
    unimix=0.01,
    dtype=jnp.dtype("float32"),
)


def latents(seed: int, *batch: int) -> Latent:
    index = np.random.default_rng(seed).integers(0, MODEL.classes, (*batch, MODEL.stoch))
    one_hot = np.eye(MODEL.classes, dtype=np.float32)[index]
    return Latent(deter=numbers(seed, *batch, MODEL.deter), stoch=jnp.asarray(one_hot))


def numbers(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def random_variables() -> dict[str, Any]:
    """Parameters that are all random, biases and scales too."""
    inputs = (latents(0, 1), jnp.zeros((1, WIDTH)), jnp.zeros((1, TOKENS)))
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0), *inputs)
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda x: jnp.asarray(generator.normal(size=x.shape), x.dtype), shapes)


VARIABLES = random_variables()


def norm_act(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-4) * scale
    return x / (1 + np.exp(-x))


def dense(x: np.ndarray, params: Any) -> np.ndarray:
    """SiLU(RMSNorm(Linear)), as many as there are."""
    for i in range(len(params) // 2):
        layer = params[f"layer{i}"]
        x = norm_act(x @ layer["kernel"] + layer["bias"], params[f"norm{i}"]["scale"])
    return x


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def recurrence(params: Any, deter: np.ndarray, stoch: np.ndarray, action: np.ndarray) -> np.ndarray:
    """A block-diagonal GRU, block by block: [D], [S K], [A] -> [D]."""
    branches = [
        dense(deter, params["from_deter"]),
        dense(stoch, params["from_stoch"]),
        dense(action / np.maximum(1, np.abs(action)), params["from_action"]),
    ]
    width = MODEL.deter // MODEL.blocks
    x = [np.concatenate([block, *branches]) for block in np.split(deter, MODEL.blocks)]
    for i in range(MODEL.dynamics_layers):
        core = params[f"core_{i}"]
        whole = [x[g] @ core["kernel"][g] + core["bias"][g] for g in range(MODEL.blocks)]
        normed = norm_act(np.concatenate(whole), params[f"core_norm_{i}"]["scale"])
        x = np.split(normed, MODEL.blocks)
    following = []
    for g, old in enumerate(np.split(deter, MODEL.blocks)):
        gates = x[g] @ params["gates"]["kernel"][g] + params["gates"]["bias"][g]
        reset, candidate, update = gates[:width], gates[width : 2 * width], gates[2 * width :]
        candidate = np.tanh(sigmoid(reset) * candidate)
        update = sigmoid(update - 1)
        following.append(update * candidate + (1 - update) * old)
    return np.concatenate(following)


def float64(tree: Any) -> Any:
    return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)


def test_recurrence_against_numpy() -> None:
    latent, action = latents(1, BATCH), 2 * numbers(2, BATCH, WIDTH)
    params = float64(VARIABLES["params"])
    deter, stoch = float64((latent.deter, latent.stoch.reshape(BATCH, -1)))
    rows = [recurrence(params, deter[b], stoch[b], float64(action)[b]) for b in range(BATCH)]
    actual = rssm.run(MODEL, VARIABLES, RSSM.recurrence, latent, action)
    np.testing.assert_allclose(actual, np.stack(rows), rtol=1e-4, atol=1e-5)


def mixed(logits: np.ndarray) -> np.ndarray:
    logits = logits.reshape(-1, MODEL.stoch, MODEL.classes)
    probs = np.exp(logits - logits.max(-1, keepdims=True))
    return 0.99 * probs / probs.sum(-1, keepdims=True) + 0.01 / MODEL.classes


def test_prior_and_posterior_against_numpy() -> None:
    deter, tokens = numbers(1, BATCH, MODEL.deter), numbers(2, BATCH, TOKENS)
    params = float64(VARIABLES["params"])
    dists = {
        "prior": rssm.run(MODEL, VARIABLES, RSSM.prior, deter),
        "posterior": rssm.run(MODEL, VARIABLES, RSSM.posterior, deter, tokens),
    }
    for name, given in {"prior": (deter,), "posterior": (deter, tokens)}.items():
        hidden = dense(np.concatenate(float64(given), -1), params[f"{name}_mlp"])
        last = params[f"{name}_logits"]
        expected = mixed(hidden @ last["kernel"] + last["bias"])
        np.testing.assert_allclose(dists[name].probs, expected, rtol=1e-4, atol=1e-5)


def test_prior_and_posterior_always_leave_a_little_to_chance() -> None:
    certain = jax.tree.map(lambda x: 1e4 * x, VARIABLES)
    deter, tokens = numbers(1, BATCH, MODEL.deter), numbers(2, BATCH, TOKENS)
    prior = rssm.run(MODEL, certain, RSSM.prior, deter)
    posterior = rssm.run(MODEL, certain, RSSM.posterior, deter, tokens)
    for least in (prior.probs.min(), posterior.probs.min()):
        np.testing.assert_allclose(least, 0.01 / MODEL.classes, rtol=1e-4)


def test_large_actions_are_scaled_down_to_one() -> None:
    latent, action = latents(1, 1), jnp.array([[0.5, -7.0, 30.0, 1.0, -0.2]])
    small = jnp.array([[0.5, -1.0, 1.0, 1.0, -0.2]])
    np.testing.assert_array_equal(
        rssm.run(MODEL, VARIABLES, RSSM.recurrence, latent, action),
        rssm.run(MODEL, VARIABLES, RSSM.recurrence, latent, small),
    )


def test_is_first_forgets_latent_and_action() -> None:
    latent, action, nothing = latents(1, BATCH), numbers(2, BATCH, WIDTH), MODEL.initial(BATCH)
    tokens, uniform = numbers(3, BATCH, TOKENS), jnp.full((BATCH, MODEL.stoch), 0.5)
    no, second = jnp.zeros(BATCH, bool), jnp.arange(BATCH) == 1

    def features(latent: Latent, action: jax.Array, is_first: jax.Array) -> jax.Array:
        following, _ = rssm.observe_step(
            MODEL,
            VARIABLES,
            latent,
            action,
            tokens=tokens,
            is_first=is_first,
            uniform=uniform,
        )
        return following.features

    step = jax.jit(features)
    masked, kept, fresh = (
        step(latent, action, second),
        step(latent, action, no),
        step(nothing, 0 * action, no),
    )
    np.testing.assert_array_equal(masked[1], fresh[1])
    np.testing.assert_array_equal(masked[::2], kept[::2])
    # Forgetting only one of them would not do: each leaves a mark on the next state.
    assert (fresh[1] != step(latent, 0 * action, no)[1]).any()
    assert (fresh[1] != step(nothing, action, no)[1]).any()


def test_observe_is_a_loop_of_single_steps() -> None:
    start, key = latents(1, BATCH), jax.random.key(5)
    actions, tokens = numbers(2, STEPS, BATCH, WIDTH), numbers(3, STEPS, BATCH, TOKENS)
    is_first = jnp.zeros((STEPS, BATCH), bool).at[2, 1].set(True)
    run = jax.jit(partial(rssm.observe, MODEL, VARIABLES))
    given: dict[str, jax.Array] = {"actions": actions, "tokens": tokens, "is_first": is_first}
    uniform = jax.random.uniform(key, (STEPS, BATCH, MODEL.stoch))
    seen, posteriors, priors = run(start=start, **given, uniform=uniform)
    step = jax.jit(partial(rssm.observe_step, MODEL, VARIABLES))
    latent = start
    for t in range(STEPS):
        latent, posterior = step(
            latent, actions[t], tokens=tokens[t], is_first=is_first[t], uniform=uniform[t]
        )
        np.testing.assert_allclose(seen.deter[t], latent.deter, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(seen.stoch[t], latent.stoch, atol=1e-6)
        np.testing.assert_allclose(posteriors.log_probs[t], posterior.log_probs, atol=1e-4)
        prior = rssm.run(MODEL, VARIABLES, RSSM.prior, latent.deter)
        np.testing.assert_allclose(priors.log_probs[t], prior.log_probs, atol=1e-4)


def test_imagine_is_a_loop_in_which_each_state_chooses_its_own_action() -> None:
    start, key = latents(1, 2, BATCH), jax.random.key(6)
    noise = jax.random.uniform(jax.random.key(7), (STEPS, 2, BATCH, WIDTH))

    def act(features: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        action = jnp.tanh(features[..., :WIDTH]) + noise
        return action, 2 * action  # what is kept, and what the model sees

    uniform = jax.random.uniform(key, (STEPS, 2, BATCH, MODEL.stoch))
    run = jax.jit(
        lambda start, noise: rssm.imagine(
            MODEL,
            VARIABLES,
            start=start,
            act=act,
            action_noise=noise,
            uniform=uniform,
            view=lambda latent: latent,
        )
    )
    dreamt, actions = run(start, noise)
    assert dreamt.deter.shape == (STEPS + 1, 2, BATCH, MODEL.deter)
    step = jax.jit(partial(rssm.imagine_step, MODEL, VARIABLES))
    latent = start
    for t in range(STEPS):
        np.testing.assert_allclose(dreamt.features[t], latent.features, rtol=1e-5, atol=1e-5)
        kept, encoded = act(latent.features, noise[t])
        np.testing.assert_allclose(actions[t], kept, rtol=1e-5, atol=1e-5)
        latent = step(latent, encoded, uniform=uniform[t])
    np.testing.assert_allclose(dreamt.features[STEPS], latent.features, rtol=1e-5, atol=1e-5)


def test_imagined_steps_follow_the_prior() -> None:
    latent, action = latents(1, BATCH), numbers(2, BATCH, WIDTH)
    uniform = jax.random.uniform(jax.random.key(3), (BATCH, MODEL.stoch))
    following = rssm.imagine_step(MODEL, VARIABLES, latent, action, uniform=uniform)
    prior = rssm.run(MODEL, VARIABLES, RSSM.prior, following.deter)
    np.testing.assert_allclose(
        following.stoch, jax.nn.one_hot(prior.sample(uniform), MODEL.classes), atol=1e-6
    )


def test_certain_networks_sample_at_the_rates_of_their_mixed_distributions() -> None:
    """Filtering and dreaming draw from what the losses see, `unimix` included."""
    count = 8000
    certain = jax.tree.map(lambda x: 1e4 * x, VARIABLES)
    latent, action, tokens = latents(1, 1), numbers(2, 1, WIDTH), numbers(3, 1, TOKENS)
    start, action, tokens = jax.tree.map(
        lambda x: jnp.repeat(x, count, axis=0), (latent, action, tokens)
    )
    even = jnp.repeat((jnp.arange(count)[:, None] + 0.5) / count, MODEL.stoch, axis=1)
    no = jnp.zeros(count, bool)
    seen, posterior = rssm.observe_step(
        MODEL, certain, start, action, tokens=tokens, is_first=no, uniform=even
    )
    dreamt = rssm.imagine_step(MODEL, certain, start, action, uniform=even)
    prior = rssm.run(MODEL, certain, RSSM.prior, dreamt.deter[:1])
    for sampled, dist in ((seen.stoch, posterior), (dreamt.stoch, prior)):
        np.testing.assert_allclose(dist.probs[0].min(-1), 0.01 / MODEL.classes, rtol=1e-3)
        np.testing.assert_allclose(sampled.mean(0), dist.probs[0], atol=2 / count)


SEQUENCE = {  # shapes of what `observe` filters, for a start [B, ...]
    "actions": (STEPS, BATCH, WIDTH),
    "tokens": (STEPS, BATCH, TOKENS),
    "is_first": (STEPS, BATCH),
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"is_first": (STEPS, BATCH, 1)},  # another rank
        {"tokens": (STEPS + 1, BATCH, TOKENS)},  # another length
        {"actions": (BATCH, STEPS, WIDTH)},  # batch first
        {name: (shape[0], 1, *shape[2:]) for name, shape in SEQUENCE.items()},  # other than start
    ],
)
def test_sequences_of_other_shapes_are_refused(wrong: dict[str, tuple[int, ...]]) -> None:
    """Some of them would broadcast without an error."""
    given: Any = {name: jnp.zeros(shape) for name, shape in (SEQUENCE | wrong).items()}
    given["is_first"] = given["is_first"].astype(bool)
    observe = partial(rssm.observe, MODEL, VARIABLES, start=latents(1, BATCH))
    with pytest.raises(AssertionError, match=r"rank|shape|prefix"):
        jax.eval_shape(observe, **given, uniform=jnp.zeros((STEPS, BATCH, MODEL.stoch)))


def test_steps_of_other_batches_are_refused() -> None:
    latent, action = latents(1, BATCH), numbers(2, 1, WIDTH)
    uniform = jnp.zeros((BATCH, MODEL.stoch))
    with pytest.raises(AssertionError, match="prefix"):
        rssm.imagine_step(MODEL, VARIABLES, latent, action, uniform=uniform)
    with pytest.raises(AssertionError, match="prefix"):
        rssm.run(MODEL, VARIABLES, RSSM.posterior, latent.deter, numbers(3, 1, TOKENS))
