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
from dreamer_jax.pretraining.reward_config import Losses, Optimizer, Pairs, RewardConfig
from dreamer_jax.world_model import frame_score
from dreamer_jax.world_model.preference import Reader
from dreamer_jax.world_model.tokenizer import TokenizerSize
from dreamer_jax.world_model.video_reward import RewardSize

PAIRS = Pairs(batch=8, length=12, measured=12, near=0.0, rewound=0.0, truncated=0.0, shuffled=0.0)


def config(variant: str, *, pairs: Pairs = PAIRS) -> RewardConfig:
    return RewardConfig(
        reward=RewardSize(variant=variant, width=4, units=32, members=2),
        tokenizer=TokenizerSize(channels="8", width=16, codes=32),
        pairs=pairs,
        optimizer=Optimizer(learning_rate=3e-3, warmup=10),
    ).resolved()


def learned(variant: str, *, updates: int) -> tuple[Any, Any, float]:
    """The stage, its state, and the mean accuracy in the last updates, each on fresh runs."""
    fit = stage.make(config(variant), growing_bar.INTERFACE)
    state = jax.jit(fit.init)(jax.random.key(0))
    update = jax.jit(fit.update, donate_argnums=0)
    accuracies = []
    for seed in range(updates):
        state, metrics = update(state, growing_bar.clips(seed), jax.random.key(seed))
        accuracies.append(metrics["reward/accuracy"])
    return fit, state, float(np.mean(accuracies[-10:]))


@pytest.mark.parametrize(("variant", "updates"), [("resnet", 80), ("token_distance", 400)])
def test_a_growing_bar_is_progress(variant: str, updates: int) -> None:
    _, state, accuracy = learned(variant, updates=updates)
    assert accuracy > 0.95
    assert state.updates == updates


def test_tokens_are_enough_and_are_measured() -> None:
    fit, state, accuracy = learned("tokens", updates=400)
    assert accuracy > 0.95
    held_out = growing_bar.clips(10_000)
    metrics = {
        k: float(v) for k, v in jax.jit(fit.measure)(state, held_out, jax.random.key(0)).items()
    }
    assert metrics["reward/accuracy_second"] > 0.95
    assert metrics["reward/accuracy_gap_64"] > 0.97
    assert np.isnan(metrics["reward/accuracy_gap_1024"])
    assert metrics["reward/tau"] > 0.9
    assert metrics["reward/tau_rewound"] > 0.8
    assert abs(metrics["reward/tau_rewound_position"]) < 0.5, "progress is no clock"
    assert metrics["reward/tau_fail_partial_success"] > 0.9
    assert metrics["reward/spearman"] > 0.9
    assert metrics["reward/disagreement"] < 2
    pictures = jax.eval_shape(fit.pictures, state, held_out, jax.random.key(0))
    assert {k: x.ndim for k, x in pictures.items()} == {"progress": 3, "progress_film": 4}
    assert all(x.dtype == jnp.uint8 for x in pictures.values())


# A model of one weight for each pixel is enough to tell what the losses teach.
LINEAR = frame_score.make(
    Reader(
        init=lambda _: jnp.zeros((growing_bar.SIDE, 1)),
        embed=lambda weights, images: (images.astype(jnp.float32) / 255).mean((-3, -1)) @ weights,
    )
)


@partial(jax.jit, static_argnums=3)
def step(weights: jax.Array, clips: Any, key: jax.Array, pairs: Pairs) -> tuple[jax.Array, Any]:
    images = clips.steps.obs["image"]
    played = stage.play(images, images, clips, key, config("resnet", pairs=pairs))
    gradient, (metrics, _) = jax.grad(stage.loss, has_aux=True)(
        weights, played, jnp.ones(images.shape[1]), comparer=LINEAR, losses=Losses()
    )
    return weights - 10.0 * gradient, metrics


def after(pairs: Pairs, damage: Any = lambda clips: clips) -> tuple[float, float]:
    """Accuracy on clips that are played forwards, and the last losses, after 60 updates."""
    weights, losses = jnp.zeros((growing_bar.SIDE, 1)), []
    for seed in range(60):
        clips = damage(growing_bar.clips(seed))
        weights, metrics = step(weights, clips, jax.random.key(seed), pairs)
        losses.append(metrics["reward/loss/pairs"])
    fresh = [
        step(weights, growing_bar.clips(seed), jax.random.key(0), PAIRS)[1] for seed in (90, 91)
    ]
    return float(np.mean([x["reward/accuracy"] for x in fresh])), float(np.mean(losses[-20:]))


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
    step.clear_cache()
    _, loss = after(NEGATIVES)
    step.clear_cache()
    assert loss > 0.6, "a planted fault: negatives count as progress, and nothing can be learned"


def test_pairs_with_the_wrong_sign_are_noticed() -> None:
    assert after(PAIRS)[0] > 0.93
    assert after(PAIRS, lambda clips: clips.replace(time=-clips.time))[0] < 0.1


def test_frames_that_look_the_same_are_not_ordered() -> None:
    clips = growing_bar.clips(0)
    images = jnp.broadcast_to(clips.steps.obs["image"][:1], clips.steps.obs["image"].shape)
    still = clips.replace(steps=clips.steps.replace(obs={"image": images}))
    weights = jax.random.normal(jax.random.key(0), (growing_bar.SIDE, 1))
    moved, _ = step(weights, still, jax.random.key(0), PAIRS)
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
