"""What the model makes of recent frames, for the pictures of a run."""

import jax
import jax.numpy as jnp

from dreamer_jax import spaces
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.agents.tokens.world import World
from dreamer_jax.types import Metrics, Obs, Window
from dreamer_jax.world_model import token_dreams
from dreamer_jax.world_model.token_frames import Frames

SEQUENCES = 4  # that are shown
STEPS = 16  # of each, at most


def pictures(world: World, state: OnPolicyState, window: Window, key: jax.Array) -> Obs:
    """Frames, and the model's view of them: [2, T, B, h, w, c] uint8, see `Learner.report`.

    The first T // 2 frames are reconstructed. From them and the recorded actions the model dreams
    the others, whether an episode ends there or not. The key is consumed.
    """
    params = state.params
    steps = jax.tree.map(lambda x: x[1 : STEPS + 1, :SEQUENCES], window.steps)
    truth = steps.obs[world.image]
    tokens = world.tokenizer.encode(params["tokenizer"], truth)
    action = spaces.flatten(steps.action, world.interface.act)
    half, (length, batch) = len(truth) // 2, truth.shape[:2]
    shown: Frames = jax.tree.map(
        lambda x: jnp.swapaxes(x[:half], 0, 1),
        Frames(tokens, action, jnp.ones_like(steps.is_first), steps.is_first),
    )
    dreamt = token_dreams.imagine(
        world.dynamics,
        params["dynamics"],
        start=jax.tree.map(lambda x: x[:, -world.dynamics.size.frames :], shown),
        act=token_dreams.repeat,
        action_noise=action[half - 1 : -1],
        uniform=jax.random.uniform(key, (length - half, batch, world.tokenizer.tokens)),
    )
    seen = jnp.concatenate([tokens[:half], dreamt.frames.tokens])
    return {world.image: jnp.stack([truth, world.tokenizer.decode(params["tokenizer"], seen)])}


def in_dreams(
    world: World, state: OnPolicyState, window: Window, key: jax.Array
) -> tuple[Metrics, Obs]:
    """See `Learner.report`, for a policy that learns in dreams: the error of their pictures."""
    views = pictures(world, state, window, key)
    truth, view = views[world.image].astype(jnp.float32) / 255
    half = len(truth) // 2
    error = jnp.square(truth - view).mean((1, 2, 3, 4))
    return {
        "world_model/seen/error": error[:half].mean(),
        "world_model/expected/error": error[half:].mean(),
    }, views
