"""What to look at: numbers that tell why learning fails, and pictures of what the model expects."""

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.networks import Dreamer, scale_vectors
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.nn.heads import Policy
from dreamer_jax.types import Metrics, Rollout, Window
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.decoders import reconstruction_losses


def behavior_metrics(
    policy: Policy,
    rollout: Rollout,
    returns: jax.Array,
    value: jax.Array,
    advantage: jax.Array,
    return_range: ReturnRange,
) -> Metrics:
    """What to look at when learning fails: scales, spreads, and how undecided the policy is."""
    entropies = {f"entropy/{key}": dist.entropy().mean() for key, dist in policy.items()}
    shares = {
        f"randomness/{key}": entropies[f"entropy/{key}"] / dist.max_entropy()
        for key, dist in policy.items()
        if dist.max_entropy() > 0  # else there is nothing to choose
    }
    return {
        "behavior/imagined_return": returns.mean(),
        "behavior/imagined_return_std": returns.std(),
        "behavior/imagined_reward": rollout.reward.mean(),
        "behavior/imagined_continue": rollout.continue_.mean(),
        "behavior/value": value.mean(),
        "behavior/advantage_std": advantage.std(),
        "behavior/return_low": return_range.low,
        "behavior/return_high": return_range.high,
        **entropies,
        **shares,
    }


def report(
    dreamer: Dreamer, state: DreamerState, window: Window, key: jax.Array
) -> tuple[Metrics, dict[str, jax.Array]]:
    """What the world model sees, and what it expects with its eyes closed.

    The first half of a sequence is filtered, the second half is predicted from the actions alone.
    Returns errors per key for both halves, and per image key the truth and the model's view of it,
    [2, T, B, h, w, c] uint8. The key is consumed.
    """
    batch = prepare(dreamer, window)
    scaled = scale_vectors(dreamer, state.moments, batch.step.obs)
    observe_key, dream_key = jax.random.split(key)
    half = batch.step.reward.shape[0] // 2
    tokens = dreamer.encode(state.params, scaled)
    model, variables = dreamer.nets.rssm, {"params": state.params["rssm"]}
    seen, _, _ = rssm.observe(
        model,
        variables,
        batch.start,
        batch.previous_action[:half],
        tokens[:half],
        batch.step.is_first[:half],
        observe_key,
    )
    last = jax.tree.map(lambda x: x[-1], seen)
    given = batch.previous_action[half:]
    expected, _ = rssm.imagine(model, variables, last, lambda _, a: (a, a), given, dream_key)
    latents = jax.tree.map(lambda a, b: jnp.concatenate([a, b[1:]]), seen, expected)
    outputs = dreamer.decode(state.params, latents)
    errors = reconstruction_losses(outputs, scaled, dreamer.obs)
    metrics = {f"report/seen/{key}": error[:half].mean() for key, error in errors.items()}
    metrics |= {f"report/expected/{key}": error[half:].mean() for key, error in errors.items()}
    views = {k: jnp.round(255 * outputs[k]).astype(jnp.uint8) for k in dreamer.obs.images}
    return metrics, {key: jnp.stack([batch.step.obs[key], view]) for key, view in views.items()}
