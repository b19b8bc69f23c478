"""What a learned reward knows about runs that it has not learned from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax.math import mean_where
from dreamer_jax.pretraining.reward_config import PIECE, Pairs, RewardConfig
from dreamer_jax.types import Clips, Metrics
from dreamer_jax.world_model import clip_orders, preference, rank_metrics, video_reward
from dreamer_jax.world_model.video_reward import VideoReward

GAPS = (1, 4, 16, 64, 256, 1024)  # steps; accuracies are told from each of them up to the next
OUTSIDE = 4  # pieces of each clip that are replaced by images that no recording has

Params = dict[str, Any]


class Progress(NamedTuple):
    """A clip as it is played: the rewards that an agent would have got, and the truth."""

    paid: jax.Array  # [T, B] float32, sum of the mean differences since the first frame
    time: jax.Array  # [T, B] int32, when each frame was recorded


def measure(
    model: VideoReward,
    params: Params,
    images: jax.Array,
    clips: Clips,
    key: jax.Array,
    config: RewardConfig,
) -> Metrics:
    """All metrics of clips [T, B] of runs that are held out.

    Args:
      model: the learned reward.
      params: "reward", and for variants with tokens "tokenizer".
      images: [T, B, h, w, c] uint8.
      clips: where these images are from.
      key: consumed.
      config: of the stage.
    """
    of_cut, of_noise = jax.random.split(key)
    pieces = images.reshape(-1, PIECE, *images.shape[1:])
    some = pieces[:: max(1, len(pieces) // OUTSIDE)].reshape(-1, *images.shape[1:])
    noise = jax.random.randint(of_noise, some.shape, 0, 256).astype(jnp.uint8)
    every = model.embed(params, jnp.concatenate([images, noise, 255 - some]))
    ends = (len(images), len(images) + len(some))
    frames, of_noise_images, inverted = jnp.split(every, ends, axis=1)
    # Orders are told of the first frames of pieces: successive frames often look the same.
    moments, time = frames[:, ::PIECE], clips.time[::PIECE]
    inner = (len(time) // 4, max(len(time) // 4 + 1, 3 * len(time) // 4))
    cut = jax.random.randint(of_cut, clips.duration.shape, *inner)
    rewind = clip_orders.rewound(cut, length=len(time))
    forwards = clip_orders.forwards(len(time), runs=len(cut))
    true, rewound = (played(model, params, moments, time, order) for order in (forwards, rewind))
    shown = {"": frames, "_noise": of_noise_images, "_inverted": inverted}
    pace = (true.paid[-1] / (true.time[-1] - true.time[0])).mean()
    return {
        **_accuracies(model, params, frames, images, clips, config.pairs),
        **_order(true, rewound, cut),
        **_disagreement(model, params, shown),
        "reward/pace": pace / jnp.maximum(video_reward.ratio(params["reward"]["pace"]), 1e-8),
    }


def played(
    model: VideoReward, params: Params, frames: jax.Array, time: jax.Array, order: jax.Array
) -> Progress:
    """The progress that is paid along clips: frames [M, T, B, F], time and order [T, B]."""
    shown = jax.vmap(clip_orders.play, in_axes=(0, None))(frames, order)
    steps = model.compare(params, shown[:, :-1], shown[:, 1:]).mean(0)
    start = jnp.zeros_like(steps[:1])
    paid = jnp.concatenate([start, jnp.cumsum(steps, axis=0)])
    return Progress(paid, clip_orders.play(time, order))


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

    shown: end of a metric's name -> embedded frames [M, T, B, F], of which each second one is the
    step after the one before it. Those of "_noise" are uniform in each pixel, and those of
    "_inverted" are frames with 255 - x for x.
    """
    found = dict[str, jax.Array]()
    spread = jnp.maximum(video_reward.ratio(params["reward"]["spread"]), 1e-8)
    for name, frames in shown.items():
        differences = model.compare(params, frames[:, ::PIECE], frames[:, 1::PIECE])
        found[f"reward/disagreement{name}"] = differences.std(0).mean() / spread
        found[f"reward/clipped{name}"] = video_reward.doubtful(differences, params["reward"]).mean()
    return found
