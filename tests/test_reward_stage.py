"""The stage `reward` learns which of two frames is the later one, on runs that it has not seen."""

from functools import partial
from typing import Any

import growing_bar
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dreamer_jax.pretraining import reward as stage
from dreamer_jax.pretraining.reward_config import PIECE, Losses, Optimizer, Pairs, RewardConfig
from dreamer_jax.world_model import frame_score, resnet, temporal_distance
from dreamer_jax.world_model.preference import Comparer, Reader
from dreamer_jax.world_model.tokenizer import TokenizerSize
from dreamer_jax.world_model.video_reward import RewardSize

PAIRS = Pairs(batch=8, length=12, measured=12, near=0.0, rewound=0.0, truncated=0.0, shuffled=0.0)

QUICK = {"xla_backend_optimization_level": 0}  # compiles in half of the time


def config(variant: str, *, members: int) -> RewardConfig:
    return RewardConfig(
        reward=RewardSize(variant=variant, width=4, units=32, members=members),
        tokenizer=TokenizerSize(channels="8", width=16, codes=32),
        pairs=PAIRS,
        optimizer=Optimizer(learning_rate=3e-3, warmup=10),
    ).resolved()


def pieces(seed: int) -> Any:
    """Clips as the stage wants them."""
    return growing_bar.clips(seed, length=PIECE * PAIRS.length, piece=PIECE)


def learned(
    config: RewardConfig, *, updates: int, options: dict[str, Any] | None = None
) -> tuple[Any, Any, float]:
    """The stage, its state, and the mean accuracy in the last updates, each on fresh runs."""
    fit = stage.make(config, growing_bar.INTERFACE)
    state = jax.jit(fit.init, compiler_options=QUICK)(jax.random.key(0))
    update = jax.jit(fit.update, donate_argnums=0, compiler_options=options)
    accuracies = []
    for seed in range(updates):
        state, metrics = update(state, pieces(seed), jax.random.key(seed))
        accuracies.append(metrics["reward/accuracy"])
    assert state.updates == updates
    return fit, state, float(np.mean(accuracies[-10:]))


def test_a_resnet_sees_that_a_growing_bar_is_progress() -> None:
    _, state, accuracy = learned(config("resnet", members=1), updates=80)
    assert accuracy > 0.95
    network = resnet.ResNet34(width=4, outputs=1, dtype=jnp.dtype("float32"))
    embed = jax.jit(resnet.reader(network, image=growing_bar.IMAGE).embed)
    params = jax.tree.map(lambda x: x[0], state.params["reward"]["members"])
    images = growing_bar.clips(0).steps.obs["image"]
    frames = embed(params, images)
    assert frames.shape == (12, 8, 1)
    others = embed(params, images.at[1:].set(0))
    np.testing.assert_allclose(others[0], frames[0], rtol=1e-4, atol=1e-4)


def test_tokens_are_enough_and_are_measured() -> None:
    fit, state, accuracy = learned(config("tokens", members=2), updates=400, options=QUICK)
    assert accuracy > 0.95
    held_out = pieces(10_000)
    metrics = {
        k: float(v)
        for k, v in jax.jit(fit.measure, compiler_options=QUICK)(
            state, held_out, jax.random.key(0)
        ).items()
    }
    assert metrics["reward/accuracy_second"] > 0.95
    assert metrics["reward/accuracy_gap_64"] > 0.97
    assert 0.5 < metrics["reward/accuracy_step"] < 0.9, "a step is a tenth of a pixel"
    assert np.isnan(metrics["reward/accuracy_gap_1024"])
    assert metrics["reward/tau"] > 0.9
    assert metrics["reward/tau_rewound"] > 0.8
    assert abs(metrics["reward/tau_rewound_position"]) < 0.5, "progress is no clock"
    assert metrics["reward/tau_fail_partial_success"] > 0.9
    assert metrics["reward/spearman"] > 0.9
    assert 0.1 < metrics["reward/disagreement"] < 1
    assert metrics["reward/clipped"] < 0.1
    pictures = jax.eval_shape(fit.pictures, state, held_out, jax.random.key(0))
    assert {k: x.ndim for k, x in pictures.items()} == {"progress": 3, "progress_film": 4}
    assert all(x.dtype == jnp.uint8 for x in pictures.values())


def linear(outputs: int) -> Reader:
    """A model of one weight for each column of pixels is enough to tell what the losses teach."""
    return Reader(
        init=lambda key: 0.1 * jax.random.normal(key, (growing_bar.SIDE, outputs)),
        embed=lambda weights, images: (images.astype(jnp.float32) / 255).mean((-3, -1)) @ weights,
    )


SCORE = frame_score.make(linear(1))
DISTANCE = temporal_distance.make(
    linear(16), units=16, bins=21, longest=200.0, dtype=jnp.dtype("float32")
)


def traced_step(
    params: Any, clips: Any, key: jax.Array, pairs: Pairs, comparer: Comparer
) -> tuple[Any, Any]:
    images = clips.steps.obs["image"]
    played = stage.play(images, images, clips, key, RewardConfig(pairs=pairs))
    gradient, (metrics, _) = jax.grad(stage.loss, has_aux=True)(
        params, played, jnp.ones(images.shape[1]), comparer=comparer, losses=Losses(path=0.0)
    )
    rate = 10.0 if comparer is SCORE else 0.5
    return jax.tree.map(lambda x, slope: x - rate * slope, params, gradient), metrics


step = jax.jit(traced_step, static_argnums=(3, 4))


def after(
    pairs: Pairs,
    damage: Any = lambda clips: clips,
    *,
    comparer: Comparer = SCORE,
    updates: int = 60,
    step: Any = step,
) -> tuple[float, float]:
    """Accuracy on clips that are played forwards, and the last losses, after some updates."""
    params, losses = comparer.init(jax.random.key(0)), []
    for seed in range(updates):
        clips = damage(growing_bar.clips(seed))
        params, metrics = step(params, clips, jax.random.key(seed), pairs, comparer)
        losses.append(metrics["reward/loss/pairs"])
    fresh = [
        step(params, growing_bar.clips(seed), jax.random.key(0), PAIRS, comparer)[1]
        for seed in (900, 901)
    ]
    accuracy = float(np.mean([x["reward/accuracy"] for x in fresh]))
    return accuracy, float(np.mean(losses[-20:]))


def test_distances_see_that_a_growing_bar_is_progress() -> None:
    accuracy, _ = after(PAIRS, comparer=DISTANCE, updates=300)
    assert accuracy > 0.95


NEGATIVES = Pairs(
    batch=8, length=12, measured=12, near=0.0, rewound=0.5, truncated=0.0, shuffled=0.5
)


def test_negatives_are_labeled_by_what_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips that are rewound and shuffled teach the same order as those that are not."""
    accuracy, loss = after(NEGATIVES)
    assert accuracy > 0.93
    assert loss < 0.4
    true_pairs = stage.preference.pairs

    def by_position(time: jax.Array, same: jax.Array, order: jax.Array, *, near: float) -> Any:
        pairs = true_pairs(time, same, order, near=near)
        return pairs.replace(elapsed=jnp.abs(pairs.elapsed))

    monkeypatch.setattr(stage.preference, "pairs", by_position)
    _, loss = after(NEGATIVES, step=jax.jit(partial(traced_step), static_argnums=(3, 4)))
    assert loss > 0.6, "a planted fault: negatives count as progress, and nothing can be learned"


def test_pairs_with_the_wrong_sign_are_noticed() -> None:
    assert after(PAIRS)[0] > 0.93
    assert after(PAIRS, lambda clips: clips.replace(time=-clips.time))[0] < 0.1


def test_frames_that_look_the_same_are_not_ordered() -> None:
    clips = growing_bar.clips(0)
    images = jnp.broadcast_to(clips.steps.obs["image"][:1], clips.steps.obs["image"].shape)
    still = clips.replace(steps=clips.steps.replace(obs={"image": images}))
    weights = jax.random.normal(jax.random.key(0), (growing_bar.SIDE, 1))
    moved, _ = step(weights, still, jax.random.key(0), PAIRS, SCORE)
    np.testing.assert_allclose(moved, weights, atol=1e-6)


def test_contradictions_are_told_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"pairs\.rewound, truncated and shuffled: their sum is"):
        RewardConfig(pairs=Pairs(rewound=0.6, shuffled=0.6)).resolved()
    with pytest.raises(ValueError, match=r"reward\.bins=4: must be odd"):
        RewardConfig(reward=RewardSize(bins=4)).resolved()


def test_the_optimizer_follows_adam() -> None:
    chain = stage.optimizer(Optimizer(learning_rate=0.1, warmup=1, weight_decay=0.0, clip=1e9))
    params = {"a": jnp.ones(2), "b": jnp.ones(3)}
    state = chain.init(params)
    for _ in range(2):
        changes, state = chain.update(jax.tree.map(jnp.ones_like, params), state, params)
        params = optax.apply_updates(params, changes)
    # The first update has the learning rate 0, and Adam moves by the learning rate itself.
    np.testing.assert_allclose(jnp.concatenate(jax.tree.leaves(params)), 0.9, rtol=1e-5)
