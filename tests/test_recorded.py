"""Sequences from recordings: as many as asked for, whole, each step as often, and learned from."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from witness import Witness

from dreamer_jax import mesh
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.config import Config, Replay, resolve
from dreamer_jax.replay import ring as replay
from dreamer_jax.replay import samplers
from dreamer_jax.replay.recorded_windows import join_recorded
from dreamer_jax.run import device_functions, layout
from dreamer_jax.types import Recordings, ReplayState, Step, Window
from dreamer_jax.world_model.latents import compact

N, ROWS, FILLED, WINDOW = 9, 2, 12, 5
MARK = 1000  # rewards from here on are of recorded steps
ENDS = (3, 8)  # last steps of the recorded episodes


def step(number: Any) -> Step:
    """The step of a number, or of many."""
    number = np.asarray(number)
    return Step(
        obs={"state": jnp.asarray(np.stack([number, -number], -1), jnp.float32)},
        action={"action": jnp.asarray(number[..., None] % 3, jnp.int32)},
        reward=jnp.asarray(number, jnp.float32),
        is_first=jnp.asarray(number % 4 == 0),
        is_last=jnp.asarray(number % 4 == 3),
        is_terminal=jnp.asarray(number % 8 == 3),
        events={"event/number": jnp.asarray(number, jnp.float32)},
    )


@cache
def recordings() -> Recordings:
    """Two episodes, of 4 and 5 steps."""
    index = np.arange(N)
    return Recordings(
        steps=step(MARK + index).replace(
            is_first=jnp.asarray(np.isin(index, [0, 4])),
            is_last=jnp.asarray(np.isin(index, ENDS)),
            is_terminal=jnp.asarray(index == N - 1),
        )
    )


@cache
def ring(latents: bool = True) -> ReplayState:
    """Rows of numbered steps, row e from 100 e on."""
    number = jnp.zeros((), jnp.int32)
    latent = {"number": number} if latents else None
    state = replay.init(
        step(0), latent, rows=ROWS, capacity=FILLED, sampler=jnp.zeros(ROWS, jnp.int32)
    )
    add = jax.jit(replay.add)
    for time in range(FILLED):
        numbers = 100 * np.arange(ROWS) + time
        known = {"number": jnp.asarray(numbers, jnp.int32)} if latents else None
        state = add(state, step(numbers), known)
    return state


def every_start() -> jax.Array:
    """[N, 2] random words, each of which begins at another step."""
    return jnp.stack([jnp.full(N, 7), jnp.arange(N)], -1).astype(jnp.uint32)


PAIRS = jnp.asarray([[0, 1], [5, 2]], jnp.uint32)


def drawn(state: ReplayState, bits: jax.Array) -> Window:
    _, window = samplers.draw_uniform(state, PAIRS, length=WINDOW)
    return jax.jit(join_recorded)(recordings(), window, bits)


def test_recorded_sequences_are_whole() -> None:
    """A slow loop knows what each of them must be."""
    window, all_steps = drawn(ring(), every_start()), recordings().steps
    assert window.steps.reward.shape == (WINDOW, 2 + N)
    for start in range(N):
        found = jax.tree.map(lambda x, start=start: x[1:, 2 + start], window.steps)
        index = [(start + t) % N for t in range(WINDOW - 1)]
        expected: Step = jax.tree.map(lambda x, index=index: x[np.array(index)], all_steps)
        # It begins as an episode does; those that begin on the way are where they were.
        expected = expected.replace(is_first=expected.is_first.at[0].set(True))
        jax.tree.map(np.testing.assert_array_equal, found, expected)
        follows = ~np.asarray(found.is_first[1:])
        assert not (np.asarray(found.is_last[:-1]) & follows).any()
    assert (window.latents["number"][:, 2:] == 0).all()


def test_every_step_is_trained_on_as_often_as_any_other() -> None:
    trained = drawn(ring(), every_start()).steps.reward[1:, 2:]
    numbers, times = np.unique(trained, return_counts=True)
    assert numbers.tolist() == list(range(MARK, MARK + N))
    assert set(times.tolist()) == {WINDOW - 1}


def test_the_rest_of_the_window_is_as_it_was() -> None:
    _, alone = samplers.draw_uniform(ring(), PAIRS, length=WINDOW)
    window = drawn(ring(), every_start())
    first: Any = jax.tree.map(lambda x: x[:, :2], (window.steps, window.latents))
    jax.tree.map(np.testing.assert_array_equal, first, (alone.steps, alone.latents))
    assert window.row.tolist() == alone.row.tolist()


def test_nothing_is_written_back_for_them() -> None:
    state, window = ring(), drawn(ring(), every_start())
    fresh = {"number": jnp.arange(4 * (2 + N), dtype=jnp.int32).reshape(4, 2 + N) + 5000}
    found = replay.refresh(state, window, fresh).latents["number"]
    expected = np.array(state.latents["number"])
    for slot in range(2):
        expected[window.row[slot], window.time[1:, slot]] = fresh["number"][:, slot]
    np.testing.assert_array_equal(found, expected)


# A batch ----------------------------------------------------------------------------------------


@cache
def drawer(share: float, latents: bool, memory: str) -> Any:
    """(key) -> a batch of 8 sequences."""
    config = Replay(batch=8, length=WINDOW - 1, seed_from="x", seed_share=share, memory=memory)
    devices = mesh.make(1)
    held, other = ring(latents=latents), recordings()
    where = layout.make(devices, config)
    held = jax.device_put(held, where.ring)
    other = jax.device_put(other, where.recordings)
    fixed = device_functions.make_fixed(Witness().agent(), config=config, layout=where)
    draw = jax.jit(partial(device_functions.draw, fixed))
    return lambda key: draw(held, key, other)[1]


def batch(share: float, seed: int = 0, latents: bool = True, memory: str = "device") -> Window:
    return drawer(share, latents, memory)(jax.random.key(seed))


def numbers(window: Window) -> np.ndarray:
    return np.asarray(window.steps.reward[1:])


@pytest.mark.parametrize(("share", "count"), [(0.05, 0), (0.1, 1), (0.3, 2), (0.5, 4), (1, 8)])
def test_the_share_is_exact(share: float, count: int) -> None:
    for seed in range(4):
        recorded = numbers(batch(share, seed)) >= MARK
        assert recorded.all(0).tolist() == [False] * (8 - count) + [True] * count
        assert (recorded.any(0) == recorded.all(0)).all()


def test_what_is_drawn_follows_from_the_key() -> None:
    one, same, other = (numbers(batch(0.5, seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one[:, 4:] != other[:, 4:]).any()
    starts = {int(x) for seed in range(12) for x in numbers(batch(0.5, seed))[0, 4:]}
    assert starts == set(range(MARK, MARK + N))


def test_recordings_without_latents_and_in_host_memory() -> None:
    plain, host = batch(0.5), batch(0.5, memory="pinned_host")
    jax.tree.map(np.testing.assert_array_equal, plain, host)
    cold = batch(0.5, latents=False)
    assert cold.latents is None
    np.testing.assert_array_equal(numbers(cold), numbers(plain))


def test_a_share_that_is_nothing_is_refused() -> None:
    def checked(**values: Any) -> Config:
        return resolve(Config(agent=DreamerConfig(), replay=Replay(batch=8, **values)))

    assert checked(seed_share=0.01).replay.recorded == 0  # without recordings it means nothing
    assert checked(seed_from="x").replay.recorded == 2
    with pytest.raises(ValueError, match=r"no sequence of replay\.batch=8 would be drawn"):
        checked(seed_from="x", seed_share=0.05)
    with pytest.raises(ValueError, match=r"replay\.seed_share=1\.5: must be 0 to 1"):
        checked(seed_from="x", seed_share=1.5)


# Learning ---------------------------------------------------------------------------------------


def updated(change: Any = None) -> Any:
    """What the small agent has learned from a batch of one sequence from the ring and two others.

    change: what is done to the recording before.
    """
    dreamer = tiny.make()
    held = tiny.experience(dreamer, 1 + tiny.LENGTH, seed=0)
    recording = jax.tree.map(lambda x: x[:, 0], tiny.experience(dreamer, 1 + tiny.LENGTH, seed=5))
    recording = recording if change is None else change(recording)
    kept = compact(tiny.latents(dreamer, 1 + tiny.LENGTH, 1))
    window = Window(
        steps=jax.tree.map(lambda x: x[:, :1], held),
        latents=kept,
        row=jnp.zeros(1, jnp.int32),
        time=jnp.arange(1 + tiny.LENGTH)[:, None],
    )
    # As long as a window, so that its last step is the context of a sequence from its start.
    bits = jnp.zeros((tiny.BATCH - 1, 2), jnp.uint32)
    window = join_recorded(Recordings(steps=recording), window, bits)
    state, _, metrics = tiny.updater()(tiny.made_up(dreamer), window, jax.random.key(1))
    assert np.isfinite(metrics["optimizer/loss"])
    return state.params, state.optimizer  # the first step of a warm-up only tells the optimizer


def same(left: Any, right: Any) -> bool:
    return all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), left, right)))


def test_recorded_steps_are_learned_from() -> None:
    before = updated()
    assert same(updated(), before)

    def reward(at: int) -> Any:
        return lambda recording: recording.replace(reward=recording.reward.at[at].add(1.0))

    for at in range(tiny.LENGTH):
        assert not same(updated(reward(at)), before), at

    def action(at: int) -> Any:
        return lambda recording: recording.replace(
            action={"action": (recording.action["action"].at[at].add(1)) % 3}
        )

    assert not same(updated(action(0)), before)


def test_what_comes_before_a_recorded_sequence_is_never_looked_at() -> None:
    def other_context(recording: Step) -> Step:
        recording = recording.replace(
            obs={k: x.at[-1].set(9.0) for k, x in recording.obs.items()},
            action={k: x.at[-1].set(0) for k, x in recording.action.items()},
        )
        reward, is_last = recording.reward.at[-1].set(50.0), recording.is_last.at[-1].set(True)
        return recording.replace(reward=reward, is_last=is_last)

    assert same(updated(other_context), updated())
