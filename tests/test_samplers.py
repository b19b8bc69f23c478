"""The samplers `newest` and `prioritized`; `test_replay.py` has the online queue."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from witness import Witness, compiled, run_to_the_end

from dreamer_jax.config import Replay
from dreamer_jax.replay import ring, samplers
from dreamer_jax.replay.recorded_windows import with_recordings
from dreamer_jax.replay.samplers import Sampler
from dreamer_jax.run import resume
from dreamer_jax.run.state import Run
from dreamer_jax.types import Recordings, ReplayState, Step

ROWS, CAPACITY, LENGTH = 3, 11, 4  # LENGTH is W


def step(number: Any) -> Step:
    """A step that can be told from all others by its reward."""
    reward = jnp.asarray(number, jnp.float32)
    no = jnp.zeros(reward.shape, bool)
    return Step(
        obs={}, action={}, reward=reward, is_first=no, is_last=no, is_terminal=no, events={}
    )


def filled(sampler: Sampler, count: int) -> ReplayState:
    """A ring to which `count` steps were added: row e holds the numbers 100 e + time."""
    remembered = sampler.init(ROWS, CAPACITY)
    state = ring.init(step(0.0), None, rows=ROWS, capacity=CAPACITY, sampler=remembered)
    add = jax.jit(lambda state, step: sampler.added(ring.add(state, step, None)))
    for time in range(count):
        state = add(state, step(100 * np.arange(ROWS) + time))
    return state


def words(count: int, seed: int = 0) -> jax.Array:
    return jax.random.bits(jax.random.key(seed), (count, 2))


@pytest.mark.parametrize("name", ["uniform", "online", "newest", "prioritized"])
def test_windows_are_sequences_that_are_in_the_ring(name: str) -> None:
    sampler = samplers.make(Replay(sampler=name, length=LENGTH - 1))
    for count in (LENGTH, CAPACITY, 17):
        _, window = jax.jit(sampler.draw)(filled(sampler, count), words(60))
        reward = np.asarray(window.steps.reward)
        assert reward.shape == (LENGTH, 60)
        np.testing.assert_array_equal(np.diff(reward, axis=0), 1)
        row, time = np.divmod(reward, 100)
        np.testing.assert_array_equal(row, np.broadcast_to(window.row, row.shape))
        assert time.min() >= max(0, count - CAPACITY) and time.max() < count


def test_the_newest_are_the_newest_of_every_row() -> None:
    sampler = samplers.newest(LENGTH)
    _, window = sampler.draw(filled(sampler, 17), words(ROWS))
    expected = 100 * np.arange(ROWS) + np.arange(17 - LENGTH, 17)[:, None]
    np.testing.assert_array_equal(window.steps.reward, expected)


def test_starts_are_drawn_in_proportion_to_their_priorities() -> None:
    sampler, count, drawn = samplers.prioritized(LENGTH, exponent=1.0), 17, 200_000
    state = filled(sampler, count)
    value = np.random.default_rng(0).uniform(0.1, 2, (ROWS, CAPACITY)).astype(np.float32)
    state = state.replace(sampler=state.sampler.replace(value=jnp.asarray(value)))
    _, window = jax.jit(sampler.draw)(state, words(drawn))
    found = np.zeros((ROWS, CAPACITY))
    np.add.at(found, (np.asarray(window.row), np.asarray(window.time[0])), 1)
    starts = np.arange(count - CAPACITY, count - LENGTH + 1) % CAPACITY
    expected = np.zeros((ROWS, CAPACITY))
    expected[:, starts] = value[:, starts]
    expected *= drawn / expected.sum()
    assert not found[expected == 0].any()
    # Within five standard deviations of a count, everywhere.
    assert (np.abs(found - expected) <= 5 * np.sqrt(expected)).all()


def test_a_loss_becomes_the_priority_of_its_start_and_new_steps_get_the_highest() -> None:
    sampler = samplers.prioritized(LENGTH, exponent=0.5)
    state = filled(sampler, 9)
    state, window = sampler.draw(state, jnp.asarray([[0, 0], [2**32 - 1, 2**32 - 1]], jnp.uint32))
    assert window.row.tolist() == [0, ROWS - 1]
    assert window.time[0].tolist() == [0, 9 - LENGTH]
    loss = jnp.asarray([[1.0, 16.0]] * (LENGTH - 1))
    state = sampler.learned(state, window, loss)
    expected = np.ones((ROWS, CAPACITY))
    expected[0, 0], expected[ROWS - 1, 9 - LENGTH] = 1.0, 4.0
    np.testing.assert_allclose(state.sampler.value, expected, rtol=1e-5)
    state = sampler.added(ring.add(state, step(np.zeros(ROWS)), None))
    np.testing.assert_allclose(state.sampler.value[:, 9], [1.0, 1.0, 4.0], rtol=1e-5)


def test_recorded_sequences_leave_priorities_alone() -> None:
    sampler = samplers.prioritized(LENGTH, exponent=1.0)
    recording = Recordings(steps=step(1000 + np.arange(7)))
    draw = jax.jit(partial(with_recordings, sampler), static_argnames="count")
    state, window = draw(filled(sampler, 9), recording, words(5), count=2)
    assert window.steps.reward.shape == (LENGTH, 5)
    assert (window.steps.reward[1:, 3:] >= 1000).all() and (window.steps.reward[:, :3] < 300).all()
    after = sampler.learned(state, window, jnp.full((LENGTH - 1, 5), 9.0))
    changed = np.argwhere(np.asarray(after.sampler.value) != np.asarray(state.sampler.value))
    drawn = {(int(e), int(t)) for e, t in zip(window.row, window.time[0], strict=True)}
    assert {tuple(pair) for pair in changed.tolist()} == drawn


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Many of them would broadcast, and write a step or a loss where it does not belong."""
    sampler = samplers.prioritized(LENGTH, exponent=1.0)
    state = filled(sampler, 9)
    state, window = sampler.draw(state, words(5))
    start = jnp.int32(0)
    wrong = (
        lambda: ring.add(state, step(0.0), None),
        lambda: ring.add(state, step(np.zeros(1)), None),
        lambda: ring.refresh(state, window, jnp.zeros((LENGTH, 5))),
        lambda: ring.block(state, jnp.zeros(1, jnp.int32), length=2),
        lambda: ring.put(state, start, step(np.zeros((1, 2)))),
        lambda: sampler.draw(state, words(5)[:, :1]),
        lambda: sampler.learned(state, window, jnp.zeros((LENGTH, 5))),
    )
    for call in wrong:
        with pytest.raises(AssertionError):
            call()


def run(logdir: Path, sampler: str, steps: int) -> Run:
    """The run of an agent that checks every step it is given."""
    made = Witness().run(logdir, steps)
    config = replace(made.config, replay=replace(made.config.replay, sampler=sampler))
    return replace(made, config=config)


@pytest.mark.parametrize("sampler", ["uniform", "newest", "prioritized"])
def test_a_run_in_two_parts_is_the_same_run(sampler: str, tmp_path: Path) -> None:
    for name, parts in (("whole", [201]), ("parts", [99, 201])):
        for steps in parts:
            run_to_the_end(run(tmp_path / name, sampler, steps))
    found = []
    for name in ("whole", "parts"):
        made = run(tmp_path / name, sampler, 201)
        state, _ = resume.restore(made, compiled(made), step=201)
        found.append(jax.device_get(state.device))
        mistakes = [x for key, x in found[-1].sums.items() if key.startswith("wrong/")]
        assert mistakes and not any(mistakes)
    jax.tree.map(np.testing.assert_array_equal, *found)
