"""What a learned reward knows about runs that it has not learned from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax.math import mean_where
from dreamer_jax.pretraining.reward_config import EVERY, Pairs
from dreamer_jax.types import Clips, Metrics
from dreamer_jax.world_model import clip_orders, preference, rank_metrics, video_reward
from dreamer_jax.world_model.video_reward import VideoReward

GAPS = (1, 4, 16, 64, 256, 1024)  # steps; accuracies are told from each of them up to the next
Params = dict[str, Any]


class Progress(NamedTuple):
    """A clip as it is played: the rewards that an agent would have got, and the truth."""

    paid: jax.Array  # [T, B] float32, sum of the mean differences since the first frame
    time: jax.Array  # [T, B] int32, when each frame was recorded


def measure(
    model: VideoReward,
    params: Params,
    images: jax.Array,
    after: jax.Array,
    clips: Clips,
    key: jax.Array,
    config: Pairs,
) -> Metrics:
    """All metrics of clips [T, B] of runs that are held out.

    Args:
      model: the learned reward.
      params: "reward", and for variants with tokens "tokenizer".
      images: [T, B, h, w, c] uint8 of the clips.
      after: [T / EVERY, B, h, w, c] uint8, one step after every EVERY-th image.
      clips: random moments.
      key: consumed.
      config: which pairs.
    """
    of_cut, of_noise = jax.random.split(key)
    steps = jnp.stack([images[::EVERY], after])  # successive ones
    noise = jax.random.randint(of_noise, steps.shape, 0, 256).astype(jnp.uint8)
    others = jnp.concatenate([after, *(255 - steps), *noise])
    every = model.embed(params, jnp.concatenate([images, others]))
    frames = every[:, : len(images)]
    later, *rest = jnp.split(every[:, len(images) :], 5, axis=1)
    real = jnp.stack([frames[:, ::EVERY], later], 1)
    inverted, of_noise_images = jnp.stack(rest[:2], 1), jnp.stack(rest[2:], 1)
    inner = (len(images) // 4, max(len(images) // 4 + 1, 3 * len(images) // 4))
    cut = jax.random.randint(of_cut, clips.duration.shape, *inner)
    rewind = clip_orders.rewound(cut, length=len(images))
    forwards = clip_orders.forwards(len(images), runs=len(cut))
    true, rewound = (played(model, params, frames, clips, order) for order in (forwards, rewind))
    shown = {"": real, "_noise": of_noise_images, "_inverted": inverted}
    pace = (true.paid[-1] / (true.time[-1] - true.time[0])).mean()
    return {
        **_accuracies(model, params, frames, images, clips, config),
        **_order(true, rewound, cut),
        **_disagreement(model, params, shown),
        "reward/accuracy_step": _of_steps(model.compare(params, real[:, 0], real[:, 1]), steps),
        "reward/pace": pace / jnp.maximum(video_reward.ratio(params["reward"]["pace"]), 1e-8),
    }


def played(
    model: VideoReward, params: Params, frames: jax.Array, clips: Clips, order: jax.Array
) -> Progress:
    """The progress that is paid step by step along clips: frames [M, T, B, F], order [T, B]."""
    shown = jax.vmap(clip_orders.play, in_axes=(0, None))(frames, order)
    steps = model.compare(params, shown[:, :-1], shown[:, 1:]).mean(0)
    start = jnp.zeros_like(steps[:1])
    paid = jnp.concatenate([start, jnp.cumsum(steps, axis=0)])
    return Progress(paid, clip_orders.play(clips.time, order))


def _accuracies(
    model: VideoReward,
    params: Params,
    frames: jax.Array,
    images: jax.Array,
    clips: Clips,
    config: Pairs,
) -> Metrics:
    """Shares of pairs of one run that are in the right order, by the steps between them.

    Frames that look the same are left out. NaN where there is no such pair.
    """
    first, second = preference.positions(len(images))
    same = preference.look_the_same(images, decibels=config.still)[first, second]
    elapsed = (clips.time[second] - clips.time[first]).astype(jnp.float32)
    difference = model.compare(params, frames[:, first], frames[:, second]).mean(0)
    right = preference.right(difference, elapsed)
    found = {"reward/accuracy": mean_where(right, ~same), "reward/same": same.mean()}
    found["reward/accuracy_second"] = mean_where(right, ~same & (elapsed >= config.second))
    for low, high in zip(GAPS, (*GAPS[1:], jnp.inf), strict=True):
        within = ~same & (elapsed >= low) & (elapsed < high)
        found[f"reward/accuracy_gap_{low}"] = mean_where(right, within)
    return found


def _of_steps(differences: jax.Array, images: jax.Array) -> jax.Array:
    """Share of single steps that count as progress, where anything changes: [] float32.

    differences: [M, N, B]; images: before and after each step, [2, N, B, h, w, c] uint8.
    """
    moves = (images[0] != images[1]).any((-3, -2, -1))
    mean = differences.mean(0)
    return mean_where(preference.right(mean, jnp.ones_like(mean)), moves)


def _order(true: Progress, rewound: Progress, cut: jax.Array) -> Metrics:
    """Whether what is paid along a clip follows what the clip achieved, not how long it lasted.

    cut: [B], the moment at which each rewound clip turns back, and a truncated one ends.
    """
    position = jnp.broadcast_to(jnp.arange(len(true.time))[:, None], true.time.shape)
    partial = jnp.take_along_axis(true.paid, cut[None], axis=0)[0]
    returns = jnp.stack([rewound.paid[-1], partial, true.paid[-1]])
    ideal = jnp.broadcast_to(jnp.arange(3)[:, None], returns.shape)
    return {
        "reward/tau": rank_metrics.kendall(true.paid, true.time).mean(),
        "reward/tau_rewound": rank_metrics.kendall(rewound.paid, rewound.time).mean(),
        "reward/tau_rewound_position": rank_metrics.kendall(rewound.paid, position).mean(),
        "reward/tau_fail_partial_success": rank_metrics.kendall(returns, ideal).mean(),
        "reward/pearson": rank_metrics.pearson(true.paid, true.time).mean(),
        "reward/spearman": rank_metrics.spearman(true.paid, true.time).mean(),
    }


def _disagreement(model: VideoReward, params: Params, shown: dict[str, jax.Array]) -> Metrics:
    """How far the members are apart on successive frames, relative to the recordings they know.

    shown: end of a metric's name -> embedded frames before and after a step [M, 2, N, B, F]. Those
    of "_noise" are uniform in each pixel, and those of "_inverted" are frames with 255 - x for x.
    """
    found = dict[str, jax.Array]()
    spread = jnp.maximum(video_reward.ratio(params["reward"]["spread"]), 1e-8)
    for name, frames in shown.items():
        differences = model.compare(params, frames[:, 0], frames[:, 1])
        found[f"reward/disagreement{name}"] = differences.std(0).mean() / spread
        found[f"reward/clipped{name}"] = video_reward.doubtful(differences, params["reward"]).mean()
    return found
