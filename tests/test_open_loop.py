"""Regressions find what is in a latent, and nothing that is not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.state import DreamerCarry
from dreamer_jax.spaces import of
from dreamer_jax.types import Action, Step
from dreamer_jax.world_model.latents import Latent
from experiments import known_play, linear_probe, open_loop
from experiments.known_play import ENVS, Known
from experiments.positions import ABSENT

STEPS = 150


@pytest.fixture(scope="module")
def known() -> Known:
    """Steps in which one thing moves at random; it is not shown everywhere."""
    random, shape = np.random.default_rng(0), (STEPS, ENVS)
    x = random.integers(0, 8, shape).astype(np.float32)
    x[random.random(shape) < 0.3] = ABSENT
    image = np.zeros((*shape, 8, 8, 1), np.uint8)
    t, e = np.nonzero(x != ABSENT)
    image[t, e, :, x[t, e].astype(int)] = 255
    nothing = jnp.zeros(shape, bool)
    steps = Step(
        obs={"image": jnp.asarray(image)},
        action={"action": jnp.zeros((*shape, 1), jnp.int32)},
        reward=jnp.zeros(shape),
        is_first=nothing,
        is_last=nothing,
        is_terminal=nothing,
        events={},
    )
    return Known(
        steps=jax.device_get(steps), at={"ball_x": x, "ball_y": random.uniform(0, 8, shape)}
    )


def test_what_is_in_the_latent_is_found(known: Known) -> None:
    """The deterministic part holds one coordinate, and the latents hold none."""
    dreamer = agent.make(tiny.CONFIG, of({**tiny.VECTOR, **tiny.PIXELS}, tiny.TURN))
    one = jax.device_get(dreamer.player.carry(ENVS))
    carry = jax.tree.map(lambda x: np.stack([x] * STEPS), one)
    deter = np.random.default_rng(1).normal(size=carry.latent.deter.shape).astype(np.float32)
    deter[..., 1] = (known.at["ball_x"] - 3) / 5 + deter[..., 0]
    carry = carry.replace(latent=carry.latent.replace(deter=deter))
    found = {}
    for name, at in known.at.items():
        test = (at != ABSENT) & linear_probe.test_rows()
        for part, x in linear_probe.features_of(carry).items():
            guess = linear_probe.fitted(x, at, at != ABSENT)
            found[name, part] = linear_probe.r_squared(guess(x[test]), at[test])
    assert found["ball_x", "deter"] > 0.99 and found["ball_x", "both"] > 0.99
    assert found["ball_x", "latents"] < 0.1
    assert max(value for (name, _), value in found.items() if name == "ball_y") < 0.1


def test_a_large_penalty_does_not_move_the_offset() -> None:
    """Where little is known, the mean of what is to be guessed stays."""
    random, shape = np.random.default_rng(0), (25, ENVS)
    features = random.normal(size=(*shape, 200))
    at = 100 + features[..., 0] + 5 * random.normal(size=shape)
    found = linear_probe.fitted(features, at, np.ones(shape, bool))
    test = np.broadcast_to(linear_probe.test_rows(), shape)
    assert linear_probe.r_squared(found(features[test]), at[test]) > -0.3
    np.testing.assert_allclose(found(features).mean(), 100, atol=1)


def test_the_pixels_around_a_thing_are_judged(known: Known) -> None:
    """1 for drawings that are right there, 0 for the mean image, below for a thing elsewhere."""
    t, e = (x.ravel() for x in np.mgrid[:STEPS, 6:8])
    mean = np.broadcast_to(known.image.mean((0, 1)), (len(t), 8, 8, 1))
    drawn = {
        "right": known.image[t, e],
        "mean": mean,
        "elsewhere": np.roll(known.image[t, e], 4, axis=2),
    }
    shares = {
        name: open_loop.explained(
            "ball",
            known._replace(at={"ball_x": known.at["ball_x"]}),
            open_loop.Moments(0, t, e, np.zeros((len(t), 1)), image),
            screen=(8, 8),
        )
        for name, image in drawn.items()
    }
    assert shares["right"] == 1 and shares["elsewhere"] < 0
    np.testing.assert_allclose(shares["mean"], 0, atol=1e-6)
    moments = open_loop.Moments(0, t, e, np.zeros((len(t), 1)), mean)
    expected = np.square((known.image[t, e] - mean) / 255).sum((1, 2, 3)).mean()
    np.testing.assert_allclose(open_loop.image_error(known, moments), expected, rtol=1e-4)


def test_dreams_stay_within_an_episode_of_the_copies_that_test(known: Known) -> None:
    long = known._replace(steps=jax.tree.map(lambda x: np.repeat(x, 10, 0), known.steps))
    is_first = np.zeros((10 * STEPS, ENVS), bool)
    is_first[[50, 400], 6] = True
    t, e = open_loop.beginnings(long._replace(steps=long.steps.replace(is_first=is_first)))
    assert set(e) == {6, 7} and len(t) % open_loop.CHUNK == 0
    assert not any(begin < end <= begin + 15 for begin in t[e == 6] for end in (50, 400))
    with pytest.raises(ValueError, match="150 steps are too few for"):
        open_loop.beginnings(known)


class Adding:
    """A model whose moment is the sum of the actions that were dreamt of."""

    def see(self, _state: Any, carry: DreamerCarry, *_seen: jax.Array) -> DreamerCarry:
        return carry.replace(latent=carry.latent.replace(deter=jnp.zeros((ENVS, 1))))

    def took(self, carry: DreamerCarry, action: Action) -> DreamerCarry:
        return carry.replace(action=action)

    def imagine(self, _state: Any, carry: DreamerCarry, _key: jax.Array) -> DreamerCarry:
        added = carry.latent.deter + carry.action["action"]
        return carry.replace(latent=carry.latent.replace(deter=added))

    def read(self, _state: Any, carry: DreamerCarry) -> Any:
        image = jnp.zeros((len(carry.latent.deter), 8, 8, 1), jnp.uint8)
        return SimpleNamespace(obs={"image": image})


def test_dreams_follow_the_recorded_actions(known: Known) -> None:
    """After n steps from t on, those of t to t + n - 1 were taken, and step t + n is dreamt of."""
    steps = jax.tree.map(lambda x: np.repeat(x, 10, 0), known.steps)
    time = np.broadcast_to(
        np.arange(10 * STEPS, dtype=np.int32)[:, None, None], (10 * STEPS, ENVS, 1)
    )
    long = known._replace(steps=steps.replace(action={"action": time}))
    latent = Latent(deter=jnp.zeros((ENVS, 1)), stoch=jnp.zeros((ENVS, 1, 1)))
    model: Any = Adding()
    empty = DreamerCarry(latent=latent, action={"action": jnp.zeros((ENVS, 1), jnp.int32)})
    carry = open_loop.watch(model, None, empty, long)
    begun = open_loop.beginnings(long)
    for ahead, moments in open_loop.dreamt(long, carry, model, None).items():
        np.testing.assert_array_equal(moments.t, begun[0] + ahead)
        expected = ahead * begun[0] + ahead * (ahead - 1) / 2
        np.testing.assert_array_equal(moments.features[:, 0], expected)


def test_a_play_is_read_as_it_was_written(known: Known, tmp_path: Path) -> None:
    path = tmp_path / "play.npz"
    known_play.save(path, known._replace(env="atari_pong"))
    found = known_play.read(path)
    assert found.env == "atari_pong"
    jax.tree.map(np.testing.assert_array_equal, known[:2], found[:2])


@pytest.mark.parametrize("content", [b"", b"PK no", b"\x93NUMPY"])
def test_another_file_is_no_play(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "play.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no file of"):
        known_play.read(path)
    np.savez(path, reward=np.zeros(3))
    with pytest.raises(ValueError, match="is no file of"):
        known_play.read(path)


def test_r_squared_is_one_less_the_share_of_the_error() -> None:
    truth = np.array([0.0, 2.0, 4.0])
    assert linear_probe.r_squared(truth, truth) == 1
    assert linear_probe.r_squared(np.full(3, 2.0), truth) == 0
    np.testing.assert_allclose(linear_probe.r_squared(truth + 1, truth), 1 - 1 / (8 / 3))
    assert np.isnan(linear_probe.r_squared(truth, np.ones(3)))


def test_a_model_without_such_latents_is_refused() -> None:
    with pytest.raises(ValueError, match="only the latents of DreamerV3's world model"):
        linear_probe.features_of({"summary": jnp.zeros(3)})
