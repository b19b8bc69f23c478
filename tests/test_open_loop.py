"""Regressions find what is in a latent, and nothing that is not."""

from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from adding_model import Adding

from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.state import DreamerCarry
from dreamer_jax.spaces import of
from dreamer_jax.types import Step
from envs import atari
from experiments import known_play, linear_probe, open_loop, positions
from experiments.known_play import ENVS, Known
from experiments.open_loop import Moments
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
        steps=jax.device_get(steps),
        at={"ball_x": x, "ball_y": random.uniform(0, 8, shape)},
        env="atari_pong",
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
        test = (at != ABSENT) & linear_probe.split().test
        for part, x in linear_probe.features_of(carry).items():
            guess = linear_probe.fitted(x, at, at != ABSENT)
            found[name, part] = linear_probe.r_squared(guess(x[test]), at[test])
    assert found["ball_x", "deter"] > 0.99 and found["ball_x", "both"] > 0.99
    assert found["ball_x", "stoch"] < 0.1
    assert max(value for (name, _), value in found.items() if name == "ball_y") < 0.1


def test_the_regression_is_of_the_copies_that_fit_and_penalized() -> None:
    """Least squares with a row √λ for each weight; nothing of the copies that test goes into it."""
    random, shape = np.random.default_rng(0), (60, ENVS)
    features = random.normal(2, 3, (*shape, 5))
    at = features @ np.array([1.0, 0, -2, 0, 3]) + 7 + random.normal(size=shape)
    copies, everywhere = linear_probe.split(), np.ones(shape, bool)
    found = linear_probe.fitted(features, at, everywhere)
    x, y = features[:, copies.fit].reshape(-1, 5), at[:, copies.fit].ravel()
    scaled, errors = (x - x.mean(0)) / (x.std(0) + 1e-3), list[float]()
    for penalty in linear_probe.PENALTIES:
        rows = np.concatenate([scaled, np.sqrt(penalty) * np.eye(5)])
        weight = np.linalg.lstsq(rows, np.append(y - y.mean(), np.zeros(5)))[0]
        errors.append(float(np.abs(weight - found.weight).max()))
    assert min(errors) < 1e-6 and found.offset == pytest.approx(y.mean())
    other = np.where(copies.test[:, None], random.normal(size=features.shape), features)
    again = linear_probe.fitted(other, np.where(copies.test, -at, at), everywhere)
    jax.tree.map(np.testing.assert_array_equal, found, again)


class Telling(Adding):
    """Its sum is the place of the bright column, in the first copies only."""

    def see(self, _state: Any, carry: DreamerCarry, *seen: Any) -> DreamerCarry:
        obs, _, key = seen
        place = obs["image"][:, 0, :, 0].argmax(-1)
        noise = 8 * jax.random.uniform(key, place.shape)
        told = jnp.where(linear_probe.split().test, noise, place)[:, None]
        return carry.replace(latent=carry.latent.replace(deter=told))


def test_only_copies_that_test_are_judged(known: Known) -> None:
    model: Any = Telling()  # has the parts that a dream asks for
    found = open_loop.measures(model, None, Adding.empty(), known)
    assert max(found["r2/ball_x"], found["r2/ball_x/deter"], found["r2/ball_x/0"]) < 0.1


def test_what_is_never_shown_is_not_guessed() -> None:
    shape = (25, ENVS)
    found = linear_probe.fitted(np.ones((*shape, 3)), np.full(shape, ABSENT), np.zeros(shape, bool))
    assert np.isnan(found(np.ones((2, 3)))).all()


def test_each_copy_has_one_task() -> None:
    assert np.stack(linear_probe.split()).sum(0).tolist() == [1] * ENVS


def test_a_large_penalty_does_not_move_the_offset() -> None:
    """Where little is known, the mean of what is to be guessed stays."""
    random, shape = np.random.default_rng(0), (25, ENVS)
    features = random.normal(size=(*shape, 200))
    at = 100 + features[..., 0] + 5 * random.normal(size=shape)
    found = linear_probe.fitted(features, at, np.ones(shape, bool))
    test = np.broadcast_to(linear_probe.split().test, shape)
    assert linear_probe.r_squared(found(features[test]), at[test]) > -0.3
    np.testing.assert_allclose(found(features).mean(), 100, atol=1)


def test_the_pixels_around_a_thing_are_judged() -> None:
    """1 for drawings that are right there, whatever is elsewhere; 0 for the mean image."""
    random, t, e = np.random.default_rng(0), np.arange(30), np.full(30, 7)
    image = random.integers(0, 256, (30, ENVS, 64, 64, 3), np.uint8)
    x, y = random.integers(0, 160, (30, ENVS)), random.integers(34, 194, (30, ENVS))
    at = {"ball_x": x * 1.0, "ball_y": y * 1.0, "enemy_y": y * 1.0}
    at = {name: np.where(random.random(x.shape) < 0.2, ABSENT, value) for name, value in at.items()}
    at["ball_y"] = np.where(at["ball_x"] == ABSENT, ABSENT, y)
    steps = tiny.experience(tiny.make(tiny.PIXELS))
    known = Known(steps.replace(obs={"image": image}), at, env="atari_pong")
    mean = np.broadcast_to(image.mean((0, 1)), (30, 64, 64, 3))
    truth, nothing = image[t, e].astype(float), np.zeros((30, 1))
    for thing, places in {"ball": x, "enemy": np.full_like(x, 17)}.items():
        right = mean.copy()
        error = variance = 0.0
        guess = random.integers(0, 256, truth.shape, np.uint8)
        for i in np.flatnonzero(at[f"{thing}_y"][:, 7] != ABSENT):
            column = int((places[i, 7] + 0.5) * 64 / 160)
            row = int((y[i, 7] + 0.5) * 64 / 210)
            box = np.s_[i, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
            right[box] = truth[box]
            error += np.square(guess[box] - truth[box]).sum()
            variance += np.square(mean[box] - truth[box]).sum()
        shares = [
            open_loop.explained(thing, known, Moments(0, t, e, nothing, drawn))
            for drawn in (right, mean, guess)
        ]
        np.testing.assert_allclose(shares, [1, 0, 1 - error / variance], atol=1e-3)
    moments = Moments(0, t, e, nothing, mean)
    expected = np.square((truth - mean) / 255).sum((1, 2, 3)).mean()
    np.testing.assert_allclose(open_loop.image_error(known, moments), expected, rtol=1e-4)


def test_dreams_stay_within_an_episode_of_the_copies_that_test(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = known._replace(steps=jax.tree.map(lambda x: np.repeat(x, 10, 0), known.steps))
    is_first = np.zeros((10 * STEPS, ENVS), bool)
    is_first[[50, 400], 6] = True
    t, e = open_loop.beginnings(long._replace(steps=long.steps.replace(is_first=is_first)))
    assert set(e) == {6, 7} and len(t) <= open_loop.MOST
    assert not any(begin < end <= begin + 15 for begin in t[e == 6] for end in (50, 400))
    monkeypatch.setattr(open_loop, "MOST", 100)
    _, e = open_loop.beginnings(long)
    assert len(e) <= 100 and min((e == 6).sum(), (e == 7).sum()) > 40
    short = known._replace(steps=jax.tree.map(lambda x: x[:16], known.steps))
    with pytest.raises(ValueError, match="16 steps are too few for dreams of 15"):
        open_loop.beginnings(short)


def test_dreams_follow_the_recorded_actions(known: Known) -> None:
    """After n steps from t on, those of t to t + n - 1 were taken, and step t + n is dreamt of."""
    steps = jax.tree.map(lambda x: np.repeat(x, 10, 0), known.steps)
    time = np.broadcast_to(
        np.arange(10 * STEPS, dtype=np.int32)[:, None, None], (10 * STEPS, ENVS, 1)
    )
    long = known._replace(steps=steps.replace(action={"action": time}))
    model: Any = Adding()  # has the parts that a dream asks for
    carry = open_loop.watch(model, None, Adding.empty(), long)
    begun = open_loop.beginnings(long)
    dreams = open_loop.dreamt(long, carry, model, None)
    assert [moments.ahead for moments in dreams] == [0, 1, 5, 15]
    for moments in dreams:
        ahead = moments.ahead
        np.testing.assert_array_equal(moments.t, begun[0] + ahead)
        expected = ahead * begun[0] + ahead * (ahead - 1) / 2
        np.testing.assert_array_equal(moments.features[:, 0], expected)


def test_places_are_those_of_their_step() -> None:
    """No events tell of the first step of an episode."""
    options = atari.Options(size=0, sticky=0.0, full_actions=False)
    actions = np.random.default_rng(0).integers(0, 6, (40, 1, 1)).astype(np.int32)
    with closing(positions.make("atari_pong", options, num_envs=1, seed=0)) as env:
        found = known_play.play(env, lambda step, _: {"action": actions[step]}, steps=40)
    np.testing.assert_array_equal(found.steps.action["action"], actions)
    assert found.steps.is_first[:, 0].tolist() == [True] + [False] * 39
    assert found.at["player_y"][0, 0] == ABSENT != found.at["player_y"][1, 0]
    near = np.abs(found.image[20:, 0, 34:194, 17].astype(int) - (213, 130, 74)) < 30
    red = np.all(near, axis=-1)
    drawn = [34 + rows.nonzero()[0].mean() for rows in red]  # of the enemy's paddle
    np.testing.assert_allclose(drawn, found.at["enemy_y"][20:, 0], atol=1)
    assert np.median(np.abs(np.diff(drawn))) > 3


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
