"""A reward that is learned from videos: how far each frame is after the one before it.

Models of progress by name: `resnet` scores frames from pixels, `tokens` scores them from the codes
of a frozen tokenizer, `distance` predicts the signed distance of two frames from pixels, and
`token_distance` from codes. Each is an ensemble, whose disagreement tells where the videos say
nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from dreamer_jax.limits import Positive, Scale, Share, Size, one_of
from dreamer_jax.nn.forms import compute_dtype
from dreamer_jax.world_model import frame_score, resnet, temporal_distance, token_reader
from dreamer_jax.world_model.preference import Comparer, Reader
from dreamer_jax.world_model.resnet import ResNet34
from dreamer_jax.world_model.token_reader import TokenReader
from dreamer_jax.world_model.tokenizer import Tokenizer

RATE = 0.01  # of the moving averages that calibrate the reward, per update
VARIANTS = ("resnet", "tokens", "distance", "token_distance")
READ_TOKENS = ("tokens", "token_distance")  # variants that need a tokenizer


@dataclass(frozen=True)
class RewardSize:
    """Which model of progress, how large, and how its differences become rewards."""

    variant: Annotated[str, one_of(*VARIANTS)] = "resnet"
    members: Positive = 3  # of the ensemble
    width: Positive = 64  # of `resnet` and `distance`: channels of the ResNet's first stage
    units: Positive = 128  # of all but `resnet`: width of the head
    queries: Positive = 4  # of variants with tokens: places of a frame that the head looks at
    bins: Positive = 21  # of variants with distances; odd
    longest: Size = 4096.0  # of variants with distances: steps of the last bin
    scale: Scale = 1.0  # reward of one step's progress at the mean pace of the recordings
    # Of the recordings' steps: where the ensemble disagrees more than on all but these, gains are
    # clipped.
    doubt: Share = 0.01
    limit: Scale = 1.0  # largest reward / scale there
    # The type to compute in; auto: float32 on a CPU, bfloat16 elsewhere.
    dtype: Annotated[str, one_of("auto", "float32", "bfloat16")] = "auto"


class VideoReward(NamedTuple):
    """A learned reward, as pure functions. Images are [..., h, w, c] uint8.

    `params` holds "reward", which `init` makes, and for variants with tokens also "tokenizer".
    """

    init: Callable[[jax.Array], dict[str, Any]]  # (key) -> params["reward"]
    reward: Callable[[dict[str, Any], jax.Array, jax.Array], jax.Array]
    """(params, images before [*], images after [*]) -> [*] float32, as `judge` says"""
    rewards: Callable[[dict[str, Any], jax.Array], jax.Array]
    """(params, successive images [T, *]) -> [T, *] float32: of each step, 0 for the first one"""
    score: Callable[[dict[str, Any], jax.Array], jax.Array]
    """(params, images [T, *]) -> [M, T, *] float32: progress of each since the first, per member"""
    embed: Callable[[dict[str, Any], jax.Array], jax.Array]
    """(params, images [*]) -> [M, *, F] float32: all that comparing reads of a frame"""
    compare: Callable[[dict[str, Any], jax.Array, jax.Array], jax.Array]
    """(params, embedded before [M, *, F], after [M, *, F]) -> differences [M, *] float32"""
    judge: Callable[[dict[str, Any], jax.Array], jax.Array]
    """(params, differences [M, *]) -> rewards [*] float32"""
    comparer: Comparer  # one member of the ensemble
    read: Callable[[dict[str, Any], jax.Array], jax.Array]
    """(params, images [*]) -> what a member embeds: images, or vectors of tokens [*, n, width]"""


def make(
    size: RewardSize,
    *,
    image: tuple[int, int, int],
    tokenizer: Tokenizer | None = None,
) -> VideoReward:
    """The learned reward for images of one shape.

    Args:
      size: which model, and how large.
      image: height, width and channels.
      tokenizer: for variants with tokens; its params are `params["tokenizer"]`.

    Raises:
      ValueError: an even number of bins, or a variant with tokens and no tokenizer.
    """
    comparer = make_comparer(size, image=image, tokenizer=tokenizer)

    def read(params: dict[str, Any], images: jax.Array) -> jax.Array:
        chex.assert_shape(images, (..., *image))
        if size.variant not in READ_TOKENS or tokenizer is None:
            return images
        tokens = tokenizer.encode(params["tokenizer"], images)
        return jax.lax.stop_gradient(tokenizer.embed(params["tokenizer"], tokens))

    def init(key: jax.Array) -> dict[str, Any]:
        members = jax.vmap(comparer.init)(jax.random.split(key, size.members))
        return {"members": members, "pace": unknown(), "spread": unknown()}

    def embed(params: dict[str, Any], images: jax.Array) -> jax.Array:
        inputs = read(params, images)
        # One member after another: side by side, convolutions of several kernels are slow on CPUs.
        return jax.lax.map(lambda p: comparer.embed(p, inputs), params["reward"]["members"])

    def compare(params: dict[str, Any], before: jax.Array, after: jax.Array) -> jax.Array:
        return jax.vmap(comparer.difference)(params["reward"]["members"], before, after)

    def score(params: dict[str, Any], images: jax.Array) -> jax.Array:
        frames = embed(params, images)
        return compare(params, jnp.broadcast_to(frames[:, :1], frames.shape), frames)

    def judge(params: dict[str, Any], differences: jax.Array) -> jax.Array:
        return judged(differences, params["reward"], size)

    def reward(params: dict[str, Any], before: jax.Array, after: jax.Array) -> jax.Array:
        frames = embed(params, jnp.stack([before, after]))
        return judge(params, compare(params, frames[:, 0], frames[:, 1]))

    def rewards(params: dict[str, Any], images: jax.Array) -> jax.Array:
        frames = embed(params, images)
        found = judge(params, compare(params, frames[:, :-1], frames[:, 1:]))
        return jnp.concatenate([jnp.zeros_like(found[:1]), found])

    return VideoReward(init, reward, rewards, score, embed, compare, judge, comparer, read)


def make_comparer(
    size: RewardSize, *, image: tuple[int, int, int], tokenizer: Tokenizer | None
) -> Comparer:
    """One member of the ensemble; arguments and errors as those of `make`."""
    dtype = compute_dtype(size.dtype)
    scores = size.variant in ("resnet", "tokens")
    outputs = 1 if scores else size.units
    reader = make_reader(size, outputs=outputs, image=image, tokenizer=tokenizer, dtype=dtype)
    if scores:
        return frame_score.make(reader)
    return temporal_distance.make(
        reader, units=size.units, bins=size.bins, longest=size.longest, dtype=dtype
    )


def make_reader(
    size: RewardSize,
    *,
    outputs: int,
    image: tuple[int, int, int],
    tokenizer: Tokenizer | None,
    dtype: jnp.dtype,
) -> Reader:
    """The network that reads so many numbers of a frame; arguments as those of `make`."""
    if size.variant not in READ_TOKENS:
        return resnet.reader(ResNet34(width=size.width, outputs=outputs, dtype=dtype), image=image)
    if tokenizer is None:
        raise ValueError(f"reward.variant={size.variant}: needs a tokenizer")
    network = TokenReader(units=size.units, queries=size.queries, outputs=outputs, dtype=dtype)
    return token_reader.reader(network, tokens=tokenizer.tokens, width=tokenizer.width)


def unknown() -> dict[str, jax.Array]:
    """A ratio of two moving sums, before anything was added."""
    return {"sum": jnp.zeros(()), "count": jnp.zeros(())}


def ratio(average: dict[str, jax.Array]) -> jax.Array:
    """[] the mean; 1 as long as it is unknown."""
    known = average["count"] > 0
    return jnp.where(known, average["sum"] / jnp.where(known, average["count"], 1.0), 1.0)


def calibrated(
    reward: dict[str, Any],
    neighbors: jax.Array,
    elapsed: jax.Array,
    successive: jax.Array,
    *,
    doubt: float,
) -> dict[str, Any]:
    """Moves the mean pace and the largest usual disagreement toward those of true clips.

    pace = Σ |mean difference| / Σ steps. The spread is the deviation of the members' differences
    that a share `doubt` of successive frames exceeds.

    Args:
      reward: as `VideoReward.init` makes it.
      neighbors: [M, T - 1, B] differences of neighboring moments.
      elapsed: [T - 1, B] float32, steps between them.
      successive: [M, N, B] differences of successive frames.
      doubt: the share.
    """

    def moved(average: dict[str, jax.Array], x: jax.Array, count: jax.Array) -> Any:
        new = {"sum": x, "count": count}
        return jax.tree.map(lambda old, now: old + RATE * (now - old), average, new)

    pace = moved(reward["pace"], jnp.abs(neighbors.mean(0)).mean(), elapsed.mean())
    largest = jnp.quantile(successive.std(0), 1 - doubt)
    spread = moved(reward["spread"], largest, jnp.ones(()))
    return {**reward, "pace": pace, "spread": spread}


def doubtful(differences: jax.Array, reward: dict[str, Any]) -> jax.Array:
    """Whether the members disagree more than they usually do on the recordings: [*] bool.

    differences: [M, *] of successive frames.
    """
    return differences.std(0) > ratio(reward["spread"])


def judged(differences: jax.Array, reward: dict[str, Any], size: RewardSize) -> jax.Array:
    """The reward of each comparison: [M, *] -> [*] float32.

    r = scale mean_m d_m / pace, where the mean pace of the recordings is 1. Where the ensemble
    disagrees, r / scale is at most `limit`: outside of the recordings a score may be anything, and
    a policy looks for the largest one. Losses are not clipped. If they were, a policy could go in
    with a large gain and come out with a small loss, again and again.
    """
    mean = differences.mean(0) / jnp.maximum(ratio(reward["pace"]), 1e-8)
    clipped = jnp.minimum(mean, size.limit)
    return size.scale * jnp.where(doubtful(differences, reward), clipped, mean)
