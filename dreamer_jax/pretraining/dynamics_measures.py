"""What a model in tokens knows of runs that it has not learned from, and trivial answers."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dreamer_jax.math import mean_where
from dreamer_jax.pretraining.token_clips import TokenClips
from dreamer_jax.types import Metrics
from dreamer_jax.world_model import image_metrics, token_dreams
from dreamer_jax.world_model.token_dreams import Dream
from dreamer_jax.world_model.token_dynamics import TokenDynamics
from dreamer_jax.world_model.token_frames import Frames, likeliest
from dreamer_jax.world_model.tokenizer import Tokenizer

AHEAD = (1, 8, 25)  # dreamt frames after which the picture is compared
MOST = 5  # guesses of `top5`

Params = dict[str, Any]


def measure(
    model: TokenDynamics,
    images: Tokenizer,
    params: Params,
    given: TokenClips,
    key: jax.Array,
) -> Metrics:
    """All metrics of clips of runs that are held out.

    Args:
      model: the dynamics, with K frames of context.
      images: the tokenizer.
      params: "dynamics" and "tokenizer".
      given: clips of more than K frames.
      key: consumed.
    """
    of_order, of_others, of_dream = jax.random.split(key, 3)
    dream = dreamt(model, params["dynamics"], given, of_dream)
    windows = given.windows(model.size.frames + 1)
    return {
        **next_tokens(model, params["dynamics"], windows, of_order),
        **next_frames(model, params["dynamics"], windows, of_others),
        **pictures_ahead(images, params["tokenizer"], given, dream),
    }


def dreamt(model: TokenDynamics, params: Any, given: TokenClips, key: jax.Array) -> Dream:
    """Continues the first K frames of each clip to its end, under the recorded actions."""
    count = model.size.frames
    start = jax.tree.map(lambda x: x[:, :count], given.frames)
    actions = jnp.swapaxes(given.frames.action[:, count - 1 : -1], 0, 1)
    uniform = jax.random.uniform(key, (*actions.shape[:2], model.tokens))
    return token_dreams.imagine(
        model,
        params,
        start=start,
        act=token_dreams.repeat,
        action_noise=actions,
        uniform=uniform,
    )


def next_tokens(model: TokenDynamics, params: Any, windows: TokenClips, key: jax.Array) -> Metrics:
    """How well each token is predicted from all before it, and what actions add to that.

    For `shuffled`, the actions are those of other windows; for `unknown`, the model gets none.
    """
    frames = windows.frames
    given = {"": frames}
    if model.action:
        given["shuffled"] = frames._replace(action=shuffled(frames.action, key))
        given["unknown"] = frames._replace(known=jnp.zeros_like(frames.known))
    # One program for all of them, one after the other.
    stacked: Frames = jax.tree.map(lambda *x: jnp.stack(x), *given.values())
    outputs = jax.lax.map(lambda frames: model.forward(params, *frames), stacked)
    logits = dict(zip(given, outputs.logits, strict=True))
    found = {f"dynamics/{name}": x for name, x in accuracies(logits.pop(""), windows).items()}
    found["dynamics/reward/explained"] = explained(
        outputs.reward.mean()[0, :, :-1], windows.reward[:, 1:], windows.follows
    )
    for name, of_others in logits.items():
        those = accuracies(of_others, windows)
        found[f"dynamics/actions/bits_{name}"] = those["bits/all"] - found["dynamics/bits/all"]
        found[f"dynamics/actions/ratio_{name}"] = those["bits/all"] / found["dynamics/bits/all"]
        found[f"dynamics/actions/changed_{name}"] = those["accuracy/changed"]
    return found


def next_frames(model: TokenDynamics, params: Any, windows: TokenClips, key: jax.Array) -> Metrics:
    """Shares of tokens that are right in the last frames of windows, predicted as a whole.

    Each token is the most likely one after those that the model itself has said. So what the true
    tokens of a frame give away of its others does not count here.
    """
    context = jax.tree.map(lambda x: x[:, :-1], windows.frames)
    other = context._replace(action=shuffled(context.action, key))
    both: Frames = jax.tree.map(lambda *x: jnp.concatenate(x), context, other)
    unread = jnp.zeros((len(both.known), model.tokens))
    guesses = model.next_frame(params, *both, unread, choose=likeliest).tokens
    right, with_others = jnp.split(guesses == jnp.tile(windows.frames.tokens[:, -1], (2, 1)), 2)
    follows = jnp.broadcast_to(windows.follows[:, -1:], right.shape)
    moved = follows & windows.changed[:, -1]
    found = {
        "dynamics/frame/all": mean_where(right, follows),
        "dynamics/frame/changed": mean_where(right, moved),
        "dynamics/frame/copy": mean_where(~windows.changed[:, -1], follows),
    }
    if model.action:
        found["dynamics/frame/changed_shuffled"] = mean_where(with_others, moved)
    return found


def shuffled(action: jax.Array, key: jax.Array) -> jax.Array:
    """The same actions in a random order: [B, K, A]."""
    batch, frames, width = action.shape
    flat = action.reshape(batch * frames, width)
    return jax.random.permutation(key, flat).reshape(action.shape)


def accuracies(logits: jax.Array, windows: TokenClips) -> Metrics:
    """Shares of tokens that are guessed right, and bits per token, with the trivial answer.

    `copy` is the share of tokens that equal those at the same place in the frame before: what a
    copy of that frame gets right. Of the `changed` tokens it gets none.

    Args:
      logits: [B, K, n, codes], of all frames but the first one.
      windows: of K + 1 frames.

    Returns: NaN for tokens of a kind that does not occur.
    """
    target, changed = windows.frames.tokens[:, 1:], windows.changed
    of_target = jnp.take_along_axis(logits, target[..., None], axis=-1)
    rank = (logits > of_target).sum(-1)
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, target)
    follows = jnp.broadcast_to(windows.follows[..., None], target.shape)
    moved = follows & changed
    return {
        "accuracy/all": mean_where(rank < 1, follows),
        "accuracy/changed": mean_where(rank < 1, moved),
        "accuracy/all_top5": mean_where(rank < MOST, follows),
        "accuracy/changed_top5": mean_where(rank < MOST, moved),
        "accuracy/copy": mean_where(~changed, follows),
        "bits/all": mean_where(nats, follows) / math.log(2),
        "bits/changed": mean_where(nats, moved) / math.log(2),
    }


def explained(guess: jax.Array, truth: jax.Array, which: jax.Array) -> jax.Array:
    """1 - Σ (guess - truth)² / Σ (mean - truth)² over `which` [*] bool: 1 at best, 0 for the mean.

    NaN where the truth does not vary.
    """
    mean = mean_where(truth, which)
    error, spread = (mean_where(jnp.square(x - truth), which) for x in (guess, mean))
    return jnp.where(spread > 0, 1 - error / spread, jnp.nan)


def pictures_ahead(images: Tokenizer, params: Any, given: TokenClips, dream: Dream) -> Metrics:
    """PSNR in dB of frames after 1, 8 and 25 steps, of clips in which no episode ends until then.

    `held` is the last true frame before the dream, which any answer should beat; `tokens` is the
    true frame through the tokenizer, which no dream can beat by much.
    """
    ahead, count = len(dream.frames.tokens), given.reward.shape[1]
    seen = count - ahead
    held, found = _unit(given.images[:, seen - 1]), dict[str, jax.Array]()
    for step in (n for n in AHEAD if n <= ahead):
        now = seen + step - 1
        truth = _unit(given.images[:, now])
        whole = ~given.frames.is_first[:, seen : now + 1].any(1)
        answers = {
            "dream": _unit(images.decode(params, dream.frames.tokens[step - 1])),
            "held": held,
            "tokens": _unit(images.decode(params, given.frames.tokens[:, now])),
        }
        for name, answer in answers.items():
            error = jnp.square(answer - truth).mean((1, 2, 3))
            found[f"dynamics/psnr/{name}_{step}"] = image_metrics.psnr(mean_where(error, whole))
    return found


def _unit(images: jax.Array) -> jax.Array:
    return images.astype(jnp.float32) / 255
