"""Learning from recordings: exact resume, held-out clips, errors."""

import dataclasses
import json
import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.struct import PyTreeNode

from dreamer_jax import mesh as meshes
from dreamer_jax.faults import Diverged
from dreamer_jax.host import array_files
from dreamer_jax.loops import fit as loop
from dreamer_jax.loops import fit_programs
from dreamer_jax.loops.fit import FitRun
from dreamer_jax.outputs.jsonl import JsonLines
from dreamer_jax.pretraining.config import Schedule
from dreamer_jax.run import checkpoint
from dreamer_jax.types import Clips, Draw, Fit, Metrics, Obs, Step

SIDE = 4


class State(PyTreeNode, kw_only=True):
    params: dict[str, Any]
    optimizer: Any
    updates: jax.Array


class Noise:
    """Clips of random pictures, a function of seed and index."""

    def __init__(self, seed: int) -> None:
        self.seed, self.asked = seed, list[int]()

    def clips(self, draw: Draw, index: int) -> Clips:
        self.asked.append(index)
        t, b = draw.length, draw.batch
        random = np.random.default_rng([self.seed, index])
        flags: Any = np.zeros((t, b), bool)
        pixels: Any = random.integers(0, 256, (t, b, SIDE, SIDE, 1), np.uint8)
        steps = Step(
            obs={"screen": pixels},
            action={},
            reward=flags.astype(np.float32),
            is_first=flags,
            is_last=flags,
            is_terminal=flags,
            events={},
        )
        time: Any = np.tile(np.arange(t, dtype=np.int32)[:, None], (1, b))
        duration: Any = np.full(b, t, np.int32)
        return Clips(steps=steps, time=time, duration=duration)

    def ahead(self, draw: Draw, *, start: int) -> Generator[Clips]:
        index = start
        while True:
            yield self.clips(draw, index)
            index += 1


def linear(*, rate: float = 1e-2) -> Fit[State]:
    """A linear autoencoder with noisy codes: its updates depend on clips and keys."""
    optimizer = optax.adam(rate)

    def init(key: jax.Array) -> State:
        params = {"linear": 0.1 * jax.random.normal(key, (SIDE * SIDE, 3))}
        zero = jnp.zeros((), jnp.int32)
        return State(params=params, optimizer=optimizer.init(params), updates=zero)

    def loss(params: dict[str, Any], clips: Clips, key: jax.Array) -> jax.Array:
        x = clips.steps.obs["screen"].reshape(-1, SIDE * SIDE) / 255 - 0.5
        code = x @ params["linear"]
        code += 0.1 * jax.random.normal(key, code.shape)
        return jnp.mean(jnp.square(code @ params["linear"].T - x))

    def update(state: State, clips: Clips, key: jax.Array) -> tuple[State, Metrics]:
        value, gradient = jax.value_and_grad(loss)(state.params, clips, key)
        change, optimizer_state = optimizer.update(gradient, state.optimizer)
        params: Any = optax.apply_updates(state.params, change)
        state = State(params=params, optimizer=optimizer_state, updates=state.updates + 1)
        return state, {"linear/loss": value}

    def measure(state: State, clips: Clips, key: jax.Array) -> Metrics:
        return {"linear/error": loss(state.params, clips, key)}

    def pictures(state: State, clips: Clips, key: jax.Array) -> Obs:
        del state, key
        frames = jnp.repeat(clips.steps.obs["screen"][:, 0], 3, axis=-1)
        return {"linear/picture": frames[0], "linear/film": frames}

    return Fit(
        draw=Draw(batch=4, length=2),
        init=init,
        update=update,
        measure=measure,
        pictures=pictures,
        examined=Draw(batch=2, length=5),
    )


def make(logdir: Path, *, updates: int, fit: Fit[State] | None = None, **schedule: int) -> FitRun:
    usual = {"log_every": 3, "measure_every": 4, "pictures_every": 0, "save_every": 5}
    return FitRun(
        fit=fit or linear(),
        training=Noise(1),
        held_out=Noise(2),
        config=Schedule(updates=updates, **(usual | schedule)),
        seed=3,
        logdir=logdir,
    )


def learn(run: FitRun) -> Any:
    clips = run.training.clips(run.fit.draw, 0)
    compiled = fit_programs.build(run.fit, clips, mesh=meshes.make(1))
    return loop.fit(run, compiled, make_sinks=lambda logdir, step: [JsonLines(logdir, step)])


def same(one: Any, other: Any) -> bool:
    pairs = zip(array_files.named(one).items(), array_files.named(other).items(), strict=True)
    return all(a == b and np.array_equal(x, y) for (a, x), (b, y) in pairs)


def rows(logdir: Path, name: str) -> list[tuple[int, float]]:
    found = [json.loads(line) for line in (logdir / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row[name]) for row in found if name in row]


class Stopping(Noise):
    """Asks the process to stop while batch `at` is drawn."""

    at = 7

    def ahead(self, draw: Draw, *, start: int) -> Generator[Clips]:
        for clips in super().ahead(draw, start=start):
            if self.asked[-1] == self.at:
                os.kill(os.getpid(), signal.SIGTERM)
            yield clips


def test_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    whole = learn(make(straight, updates=13))
    learn(dataclasses.replace(make(parts, updates=13), training=Stopping(1)))
    assert checkpoint.latest(parts / "checkpoints") == 8
    run = make(parts, updates=13)
    assert same(whole, learn(run))
    assert cast(Noise, run.training).asked[1:] == list(range(8, 13))
    for name in ("linear/loss", "held_out/error"):
        assert rows(straight, name) == rows(parts, name)


def test_measurements_are_of_the_same_clips_of_other_runs(tmp_path: Path) -> None:
    run = make(tmp_path, updates=9)
    learn(run)
    batches = run.config.measure_batches
    assert cast(Noise, run.held_out).asked == list(range(batches)) * 3  # after 4, 8 and 9 updates
    assert [step for step, _ in rows(tmp_path, "held_out/error")] == [4, 8, 9]
    assert [step for step, _ in rows(tmp_path, "linear/loss")] == [3, 6, 9]


def test_logged_losses_are_means_over_the_updates_since_the_line_before(tmp_path: Path) -> None:
    learn(make(tmp_path / "each", updates=6, log_every=1))
    learn(make(tmp_path / "threes", updates=6, log_every=3))
    each = np.array([x for _, x in rows(tmp_path / "each", "linear/loss")])
    threes = [x for _, x in rows(tmp_path / "threes", "linear/loss")]
    np.testing.assert_allclose(threes, each.reshape(2, 3).mean(1), rtol=1e-6)


class Seen(JsonLines):
    """Keeps the shapes of pictures and films."""

    shapes: ClassVar[dict[str, tuple[int, ...]]] = {}

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        self.shapes[name] = (step, *pixels.shape)

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        assert rate > 0
        self.shapes[name] = (step, *frames.shape)


def test_batches_in_which_something_does_not_occur_do_not_count() -> None:
    assert loop.mean([1.0, float("nan"), 4.0]) == 2.5
    assert np.isnan(loop.mean([float("nan")]))


def test_pictures_and_films_reach_the_outputs(tmp_path: Path) -> None:
    run = make(tmp_path, updates=3, pictures_every=2)
    compiled = fit_programs.build(run.fit, run.training.clips(run.fit.draw, 0), mesh=meshes.make(1))
    loop.fit(run, compiled, make_sinks=lambda logdir, step: [Seen(logdir, step)])
    assert Seen.shapes == {"linear/picture": (3, 4, 4, 3), "linear/film": (3, 5, 4, 4, 3)}


def test_learning_that_diverges_ends_and_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    learn(make(tmp_path, updates=2))
    with pytest.raises(Diverged, match="between steps"):
        learn(make(tmp_path, updates=6, fit=linear(rate=1e30)))
    assert checkpoint.steps(tmp_path / "checkpoints") == [2]


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    learn(make(tmp_path, updates=10))
    file = next((tmp_path / "checkpoints" / "10").rglob("counters.json"))
    file.write_text("{}")
    whole = learn(make(tmp_path / "other", updates=12))
    assert same(whole, learn(make(tmp_path, updates=12)))
