"""The learned reward: its networks, its ensemble, and how differences become rewards."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.world_model import resnet, tokenizer, video_reward
from dreamer_jax.world_model.tokenizer import TokenizerSize
from dreamer_jax.world_model.video_reward import RewardSize

pytestmark = pytest.mark.usefixtures("quick_compiler")

F32 = jnp.dtype("float32")
IMAGE = (16, 24, 3)
IMAGES = jax.random.randint(jax.random.key(1), (3, 2, *IMAGE), 0, 256).astype(jnp.uint8)


def test_resnet_34_has_34_layers_and_the_parameters_of_the_paper() -> None:
    network = resnet.ResNet34(width=64, outputs=1, dtype=F32)
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.uint8)
    params = jax.eval_shape(network.init, jax.random.key(0), images)["params"]
    named = jax.tree_util.tree_flatten_with_path(params)[0]
    kernels = {jax.tree_util.keystr(path): x.shape for path, x in named if "kernel" in str(path)}
    main = {path: shape for path, shape in kernels.items() if "shortcut" not in path}
    layers = sum(shape[0] if len(shape) == 5 else 1 for shape in main.values())
    assert layers == 34
    assert len(kernels) - len(main) == 3
    # 21,797,672 of the ResNet-34 for 1,000 classes, less its last layer, plus that for one score.
    assert sum(x.size for x in jax.tree.leaves(params)) == 21_797_672 - 513_000 + 513


def test_members_differ_and_every_way_to_ask_gives_the_same_answer() -> None:
    frozen = tokenizer.make(TokenizerSize(channels="8", width=8, codes=16), image=IMAGE)
    size = RewardSize(variant="tokens", units=8, members=2)
    model = video_reward.make(size, image=IMAGE, tokenizer=frozen)

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def asked(key: jax.Array) -> tuple[jax.Array, ...]:
        params = {"reward": model.init(key), "tokenizer": frozen.init(key)}
        before, after = IMAGES[:-1], IMAGES[1:]
        return (
            model.embed(params, IMAGES),
            model.score(params, IMAGES),
            model.rewards(params, IMAGES),
            model.reward(params, before, after),
            model.reward(params, before, before),
        )

    frames, score, rewards, pairs, nothing = asked(jax.random.key(0))
    assert frames.shape == (2, 3, 2, 1)
    assert np.abs(frames[0] - frames[1]).min() > 1e-3
    np.testing.assert_allclose(score, (frames - frames[:, :1])[..., 0], atol=1e-6)
    np.testing.assert_array_equal(rewards[0], 0)
    mean = (frames[:, 1:] - frames[:, :-1]).mean(0)[..., 0]
    inside = np.abs(mean) < size.limit
    assert inside.any()
    np.testing.assert_allclose(rewards[1:][inside], mean[inside], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pairs, rewards[1:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(nothing, 0, atol=1e-5)


def test_rewards_are_in_units_of_the_mean_pace_and_gains_clipped_where_members_disagree() -> None:
    size = RewardSize(scale=2.0, limit=1.5)
    reward = {"pace": {"sum": jnp.float32(6), "count": jnp.float32(12)}}
    reward["spread"] = {"sum": jnp.float32(0.6), "count": jnp.float32(2)}
    #                      agreed, agreed, not,  not,  not but small
    first = jnp.array([0.5, 5.0, 5.0, -5.0, 0.4])
    second = jnp.array([0.5, 5.2, 6.0, -6.0, -0.4])
    found = video_reward.judged(jnp.stack([first, second]), reward, size)
    # No loss is clipped, so a way in and out again never pays.
    np.testing.assert_allclose(found, [2.0, 20.4, 3.0, -22.0, 0.0], rtol=1e-6)


def test_calibration_follows_the_pace_and_the_largest_usual_disagreement() -> None:
    reward = {"pace": video_reward.unknown(), "spread": video_reward.unknown()}
    assert video_reward.ratio(reward["pace"]) == 1
    differences = jnp.array([[[1.0, -4.0]], [[3.0, -4.0]]])  # [M, T - 1, B]
    elapsed = jnp.array([[10.0, 20.0]])
    deviation = jax.random.exponential(jax.random.key(0), (400, 1))
    steps = jnp.stack([deviation, -deviation])  # of successive frames
    for _ in range(3):
        reward = video_reward.calibrated(reward, differences, elapsed, steps, doubt=0.25)
    np.testing.assert_allclose(video_reward.ratio(reward["pace"]), 6 / 30, rtol=1e-6)
    assert video_reward.doubtful(steps, reward).mean() == 0.25


def test_tokens_need_a_tokenizer() -> None:
    with pytest.raises(ValueError, match=r"reward\.variant=tokens: needs a tokenizer"):
        video_reward.make(RewardSize(variant="tokens"), image=IMAGE)
