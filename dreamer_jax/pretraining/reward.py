"""The stage `reward`: a model of progress from recorded runs, without rewards or actions."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax.struct import PyTreeNode

from dreamer_jax.math import weighted_mean
from dreamer_jax.nn import optim
from dreamer_jax.pretraining import progress_pictures, reward_measures
from dreamer_jax.pretraining.image_keys import image_key
from dreamer_jax.pretraining.reward_config import EVERY, PIECE, Losses, Optimizer, RewardConfig
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Clips, Draw, Fit, Metrics, Obs
from dreamer_jax.world_model import clip_orders, preference, tokenizer, video_reward
from dreamer_jax.world_model.preference import Comparer, Pairs
from dreamer_jax.world_model.video_reward import VideoReward

Params = dict[str, Any]


class RewardState(PyTreeNode, kw_only=True):
    """All that the stage learns, and the tokenizer that it reads."""

    params: Params  # "reward"; for variants with tokens also "tokenizer", which never changes
    optimizer: optax.OptState  # of the members of the ensemble
    updates: jax.Array  # [] int32


class Played(PyTreeNode, kw_only=True):
    """A batch of clips as the losses read it, and the order in which they are played."""

    inputs: jax.Array  # [T, B, ...] what a member embeds, in true order
    order: jax.Array  # [T, B] int32, which moment is played at each position
    pairs: Pairs  # [P, B], of these positions
    moved: jax.Array  # [B] float32, steps from the first to the last frame that is played


def frozen(config: RewardConfig) -> tuple[str, ...]:
    """Names of the networks that are read and do not learn."""
    return ("tokenizer",) if config.reward.variant in video_reward.READ_TOKENS else ()


def make(config: RewardConfig, interface: Interface) -> Fit[RewardState]:
    """The stage for recordings with these spaces.

    Raises:
      ValueError: the recording has no such image, or it does not fit the tokenizer.
    """
    key = image_key(interface)
    image = interface.obs.images[key]
    frozen = None
    if config.reward.variant in video_reward.READ_TOKENS:
        frozen = tokenizer.make(config.tokenizer, image=image)
    model = video_reward.make(config.reward, image=image, tokenizer=frozen)
    chain = optimizer(config.optimizer)

    def init(random: jax.Array) -> RewardState:
        of_reward, of_tokenizer = jax.random.split(random)
        params: Params = {"reward": model.init(of_reward)}
        if frozen is not None:
            params["tokenizer"] = frozen.init(of_tokenizer)
        begun = jax.vmap(chain.init)(params["reward"]["members"])
        return RewardState(params=params, optimizer=begun, updates=jnp.zeros((), jnp.int32))

    def learn(state: RewardState, clips: Clips, random: jax.Array) -> tuple[RewardState, Metrics]:
        shown, after = moments(clips), steps_after(clips.steps.obs[key])
        images = shown.steps.obs[key]
        read = model.read(state.params, jnp.concatenate([images, after]))
        inputs, after = jnp.split(read, [len(images)])
        played = play(inputs, images, shown, random, config)
        return update(state, shown, played, after, model=model, chain=chain, config=config)

    def measure(state: RewardState, clips: Clips, random: jax.Array) -> Metrics:
        shown, after = moments(clips), steps_after(clips.steps.obs[key])
        images = shown.steps.obs[key]
        return reward_measures.measure(
            model, state.params, images, after, shown, random, config.pairs
        )

    def pictures(state: RewardState, clips: Clips, random: jax.Array) -> Obs:
        del random
        shown = moments(clips)
        return progress_pictures.pictures(model, state.params, shown.steps.obs[key], shown.time)

    return Fit(
        draw=Draw(config.pairs.batch, PIECE * config.pairs.length, piece=PIECE),
        init=init,
        update=learn,
        measure=measure,
        pictures=pictures,
        examined=Draw(config.pairs.batch, PIECE * config.pairs.measured, piece=PIECE),
    )


def moments(clips: Clips) -> Clips:
    """Clips of the first step of each piece."""
    steps, time = jax.tree.map(lambda x: x[::PIECE], (clips.steps, clips.time))
    return clips.replace(steps=steps, time=time)


def steps_after(images: jax.Array) -> jax.Array:
    """The step after every EVERY-th moment: [PIECE T, B, ...] -> [T / EVERY, B, ...]."""
    return images[1 :: PIECE * EVERY]


def optimizer(config: Optimizer) -> optax.GradientTransformation:
    """AdamW, which sees all parameters as one vector.

    A ResNet has a hundred small arrays, and operations on each of them would take as long to
    compile as the network.
    """
    return optax.flatten(
        optim.adamw(
            learning_rate=config.learning_rate,
            warmup=config.warmup,
            clip=config.clip,
            weight_decay=config.weight_decay,
        )
    )


def play(
    inputs: jax.Array, images: jax.Array, clips: Clips, key: jax.Array, config: RewardConfig
) -> Played:
    """Draws an order for each clip, and compares the moments that it shows.

    inputs: [T, B, ...] as a member reads them; images: [T, B, h, w, c] uint8.
    """
    pairs = config.pairs
    length, runs = clips.time.shape
    shares = clip_orders.Shares(pairs.rewound, pairs.truncated, pairs.shuffled)
    order = clip_orders.mixed(key, length=length, runs=runs, shares=shares)
    same = preference.look_the_same(images, decibels=pairs.still)
    time = clip_orders.play(clips.time, order)
    return Played(
        inputs=inputs,
        order=order,
        pairs=preference.pairs(clips.time, same, order, near=pairs.near),
        moved=(time[-1] - time[0]).astype(jnp.float32),
    )


def update(
    state: RewardState,
    clips: Clips,
    played: Played,
    after: jax.Array,
    *,
    model: VideoReward,
    chain: optax.GradientTransformation,
    config: RewardConfig,
) -> tuple[RewardState, Metrics]:
    """One step of the optimizer for each member, on its own resampling of the runs.

    after: [T / EVERY, B, ...] as a member reads the step after every EVERY-th moment.
    """
    reward = state.params["reward"]
    count = len(jax.tree.leaves(reward["members"])[0])
    weights = preference.resampling(clips.duration, members=count)

    def learned(member: tuple[Any, optax.OptState, jax.Array]) -> Any:
        params, memory, weight = member
        gradients, (metrics, frames) = jax.grad(loss, has_aux=True)(
            params, played, weight, comparer=model.comparer, losses=config.losses
        )
        neighbors = model.comparer.difference(params, frames[:-1], frames[1:])
        embedded = model.comparer.embed(params, after)
        successive = model.comparer.difference(params, frames[::EVERY], embedded)
        changes, memory = chain.update(gradients, memory, params)
        metrics["reward/gradient_norm"] = optax.tree.norm(gradients)
        return optax.apply_updates(params, changes), memory, metrics, neighbors, successive

    # One member after another, so that the values of one backward pass are stored at a time.
    members, memory, metrics, neighbors, successive = jax.lax.map(
        learned, (reward["members"], state.optimizer, weights)
    )
    elapsed = jnp.diff(clips.time, axis=0).astype(jnp.float32)
    reward = {**reward, "members": members}
    reward = video_reward.calibrated(
        reward, neighbors, elapsed, successive, doubt=config.reward.doubt
    )
    found = {name: x.mean() for name, x in metrics.items()}
    found["reward/same"] = played.pairs.same.mean()
    found["reward/pace"] = video_reward.ratio(reward["pace"])
    found["reward/spread"] = video_reward.ratio(reward["spread"])
    params = {**state.params, "reward": reward}
    return RewardState(params=params, optimizer=memory, updates=state.updates + 1), found


def loss(
    params: Any, played: Played, weight: jax.Array, *, comparer: Comparer, losses: Losses
) -> tuple[jax.Array, tuple[Metrics, jax.Array]]:
    """The loss of one member; and its metrics, and the embedded moments [T, B, F].

    weight: [B], of each run for this member.
    """
    frames = comparer.embed(params, played.inputs)
    shown = clip_orders.play(frames, played.order)
    first, second = preference.positions(len(shown))
    pairs = played.pairs
    told = jnp.where(pairs.same, 0.0, pairs.elapsed)
    of_pairs = comparer.loss(params, shown[first], shown[second], told)
    pair = weighted_mean(of_pairs, pairs.weight * weight)
    steps = comparer.difference(params, shown[:-1], shown[1:])
    path = weighted_mean(comparer.path(steps.sum(0), played.moved), weight)
    difference = comparer.difference(params, shown[first], shown[second])
    right = preference.right(difference, pairs.elapsed)
    metrics = {
        "reward/loss/pairs": pair,
        "reward/loss/path": path,
        "reward/accuracy": weighted_mean(right, pairs.weight * ~pairs.same),
    }
    return losses.pairs * pair + losses.path * path, (metrics, frames)
