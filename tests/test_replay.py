"""The ring: what is drawn is what was written, each start as likely as any other, once if fresh."""

from functools import cache, partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamer_jax.replay import ring as replay
from dreamer_jax.replay import samplers
from dreamer_jax.types import ReplayState, Window

STEP = {
    "image": jax.ShapeDtypeStruct((2, 3), np.uint8),
    "number": jax.ShapeDtypeStruct((), np.int32),
    "flag": jax.ShapeDtypeStruct((), np.bool_),
    "reward": jax.ShapeDtypeStruct((1,), np.float32),
}
LATENT = {
    "deter": jax.ShapeDtypeStruct((3,), np.uint16),
    "stoch": jax.ShapeDtypeStruct((2,), np.uint8),
}
BIG = 2**31  # bytes


class Layout(NamedTuple):
    rows: int
    capacity: int
    window: int
    batch: int


LAYOUTS = [Layout(1, 5, 5, 2), Layout(1, 7, 2, 3), Layout(2, 8, 3, 4), Layout(3, 12, 5, 7)]


def content(row: int, time: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What step `time` of a row holds; no two are alike."""
    number = 1000 * row + time
    step = {
        "image": (number + np.arange(6).reshape(2, 3)) % 256,
        "number": np.array(number),
        "flag": np.array(time % 3 == 0),
        "reward": np.array([number / 4]),
    }
    latent = {"deter": 60_000 + number + np.arange(3), "stoch": (number + np.arange(2)) % 256}

    def typed(values: dict[str, np.ndarray], kinds: dict[str, Any]) -> dict[str, np.ndarray]:
        return {key: value.astype(kinds[key].dtype) for key, value in values.items()}

    return typed(step, STEP), typed(latent, LATENT)


def as_dict(held: ReplayState | Window) -> dict[str, jax.Array]:
    """Its steps. They are dictionaries here, because the ring takes any pytree."""
    return cast(Any, held.steps)


def stack(items: list[Any]) -> Any:
    return jax.tree.map(lambda *x: np.stack(x), *items)


add = jax.jit(replay.add, donate_argnums=0)


@cache
def drawer(window: int, online: bool) -> Any:
    draw = samplers.draw_online if online else samplers.draw_uniform
    return jax.jit(partial(draw, length=window))


def append(state: ReplayState, layout: Layout, count: int) -> ReplayState:
    """Adds the next `count` steps of every row."""
    first = int(state.total[0])
    for time in range(first, first + count):
        state = add(state, *stack([content(row, time) for row in range(layout.rows)]))
    return state


def empty(step: Any, latent: Any, rows: int, capacity: int) -> ReplayState:
    queue = jnp.zeros(rows, jnp.int32)
    return replay.init(step, latent, rows=rows, capacity=capacity, sampler=queue)


def filled(layout: Layout, count: int) -> ReplayState:
    return append(empty(STEP, LATENT, layout.rows, layout.capacity), layout, count)


def random_words(layout: Layout, seed: int) -> jax.Array:
    return jax.random.bits(jax.random.key(seed), (layout.batch, 2))


def starts(window: Any) -> list[tuple[int, int]]:
    """(row, time) of the first step of each sequence, told from what was drawn."""
    return [divmod(int(number), 1000) for number in window.steps["number"][0]]


def check_window(window: Any, layout: Layout, total: int) -> None:
    """Every sequence is one that was written, whole, and not overwritten since."""
    for slot, (row, start) in enumerate(starts(window)):
        times = range(start, start + layout.window)
        assert max(0, total - layout.capacity) <= start and times[-1] < total
        expected = stack([content(row, time) for time in times])
        drawn = jax.tree.map(lambda x, slot=slot: x[:, slot], (window.steps, window.latents))
        jax.tree.map(np.testing.assert_array_equal, drawn, expected)
        assert int(window.row[slot]) == row
        assert window.time[:, slot].tolist() == [time % layout.capacity for time in times]


class SlowQueue:
    """The online queue, one sequence at a time."""

    def __init__(self, layout: Layout):
        self.layout = layout
        self.head = [0] * layout.rows

    def take(self, total: int) -> list[tuple[int, int]]:
        """(row, time) of the sequences that a batch takes from the queue."""
        self.head = [max(head, total - self.layout.capacity) for head in self.head]
        taken = []
        for row in range(self.layout.rows):
            while len(taken) < self.layout.batch and self.head[row] + self.layout.window <= total:
                taken.append((row, self.head[row]))
                self.head[row] += self.layout.window - 1  # the last step is the next one's context
        return taken


@given(layout=st.sampled_from(LAYOUTS), extra=st.integers(0, 40), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_windows_are_what_was_written(layout: Layout, extra: int, seed: int):
    total = layout.window + extra
    state = filled(layout, total)
    assert state.total.tolist() == [total] * layout.rows
    after, window = drawer(layout.window, online=False)(state, random_words(layout, seed))
    check_window(window, layout, total)
    jax.tree.map(np.testing.assert_array_equal, after, state)  # drawing changes nothing


@given(
    layout=st.sampled_from(LAYOUTS),
    pauses=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_the_online_queue_against_a_slow_one(layout: Layout, pauses: list[int], seed: int):
    state, queue = filled(layout, layout.window), SlowQueue(layout)
    for pause in pauses:
        state = append(state, layout, pause)
        total = int(state.total[0])
        words = random_words(layout, seed)
        state, window = drawer(layout.window, online=True)(state, words)
        fresh = queue.take(total)
        check_window(window, layout, total)
        assert starts(window)[: len(fresh)] == fresh
        assert state.sampler.tolist() == queue.head
        _, uniform = drawer(layout.window, online=False)(state, words)
        assert starts(window)[len(fresh) :] == starts(uniform)[len(fresh) :]


def test_every_step_is_fresh_exactly_once_and_in_order():
    layout = LAYOUTS[2]
    state, trained = filled(layout, layout.window), [[] for _ in range(layout.rows)]
    for seed in range(30):
        before = np.array(state.sampler)
        state, window = drawer(layout.window, online=True)(state, random_words(layout, seed))
        fresh = int((np.array(state.sampler) - before).sum()) // (layout.window - 1)
        for row, start in starts(window)[:fresh]:
            trained[row] += range(start + 1, start + layout.window)  # the first is only context
        state = append(state, layout, 1 + seed % 4)
    for times in trained:
        assert len(times) > 50
        assert times == list(range(1, len(times) + 1))


def test_rows_of_different_age():
    """Each row has its own write head."""
    layout = LAYOUTS[2]
    young, old = filled(layout, 5), filled(layout, 21)
    state = jax.tree.map(lambda a, b: jnp.stack([a[0], b[1]]), young, old)
    _, window = drawer(layout.window, online=True)(state, random_words(layout, 0))
    assert starts(window)[:4] == [(0, 0), (0, 2), (1, 13), (1, 15)]
    for total, row in ((5, 0), (21, 1)):
        mine = [i for i, (r, _) in enumerate(starts(window)) if r == row]
        part = window.replace(
            **{"steps": {k: v[:, mine] for k, v in window.steps.items()}},
            **{"latents": {k: v[:, mine] for k, v in window.latents.items()}},
            **{"row": window.row[jnp.array(mine)], "time": window.time[:, mine]},
        )
        check_window(part, layout, total)


def test_every_start_is_equally_likely():
    layout = Layout(3, 12, 5, 30_000)
    state = filled(layout, 17)
    _, window = drawer(layout.window, online=False)(state, random_words(layout, 0))
    rows, times = np.divmod(np.array(window.steps["number"][0]), 1000)
    counts = np.zeros((3, 8))
    np.add.at(counts, (rows, times - 5), 1)  # the oldest step that is left is number 5
    expected = layout.batch / counts.size
    chi_square = ((counts - expected) ** 2 / expected).sum()
    degrees = counts.size - 1
    assert chi_square < degrees + 5 * np.sqrt(2 * degrees)


@given(extra=st.integers(0, 20), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_refresh_writes_to_the_trained_steps_and_nowhere_else(extra: int, seed: int):
    layout = LAYOUTS[3]
    state = filled(layout, layout.window + extra)
    _, window = drawer(layout.window, online=False)(state, random_words(layout, seed))
    shape = (layout.window - 1, layout.batch)
    names = np.arange(np.prod(shape)).reshape(shape)  # which sequence and step a value is from
    fresh = {
        "deter": np.broadcast_to(names[..., None], (*shape, 3)).astype(np.uint16),
        "stoch": np.broadcast_to(names[..., None], (*shape, 2)).astype(np.uint8),
    }
    after = jax.jit(replay.refresh)(state, window, fresh)
    jax.tree.map(np.testing.assert_array_equal, after.replace(latents=state.latents), state)
    allowed: dict[tuple[int, int], set[int]] = {}
    for t, slot in np.ndindex(shape):
        at = int(window.row[slot]), int(window.time[t + 1, slot])
        allowed.setdefault(at, set()).add(int(names[t, slot]))  # two sequences may overlap
    for at in np.ndindex(layout.rows, layout.capacity):
        for key, ring in after.latents.items():
            if at in allowed:
                assert len(set(ring[at].tolist())) == 1 and int(ring[at][0]) in allowed[at]
            else:
                np.testing.assert_array_equal(ring[at], state.latents[key][at])


def test_every_leaf_keeps_its_type():
    layout = LAYOUTS[0]
    state = filled(layout, 6)
    kinds = {"image": "uint8", "number": "int32", "flag": "bool", "reward": "float32"}
    _, window = drawer(layout.window, online=True)(state, random_words(layout, 0))
    for held in (state, window):
        steps, latents = as_dict(held), held.latents
        assert {key: str(x.dtype) for key, x in steps.items()} == kinds
        assert [str(latents[key].dtype) for key in ("deter", "stoch")] == ["uint16", "uint8"]
    bytes_per_step = sum(x.nbytes for x in jax.tree.leaves((state.steps, state.latents)))
    assert bytes_per_step == layout.rows * layout.capacity * (6 + 4 + 1 + 4 + 6 + 2)


def test_a_ring_without_latents():
    state = empty(STEP, None, 1, 6)
    for time in range(9):
        state = add(state, stack([content(0, time)[0]]), None)
    state, window = drawer(3, online=True)(state, jax.random.bits(jax.random.key(0), (2, 2)))
    assert state.latents is None and window.latents is None
    assert starts(window) == [(0, 3), (0, 5)]


def test_a_ring_in_host_memory_behaves_the_same():
    layout = LAYOUTS[2]
    state = filled(layout, 13)
    host = jax.device_put(state, state.total.sharding.with_memory_kind("pinned_host"))
    host = host.replace(total=jnp.copy(state.total), sampler=jnp.copy(state.sampler))
    for seed in range(2):
        step = stack([content(row, 13 + seed) for row in range(layout.rows)])
        state, host = add(state, *step), add(host, *step)
        words = random_words(layout, seed)
        state, window = drawer(layout.window, online=True)(state, words)
        host, same = drawer(layout.window, online=True)(host, words)
        jax.tree.map(np.testing.assert_array_equal, same, window)
    assert as_dict(host)["image"].sharding.memory_kind == "pinned_host"


@pytest.mark.skipif(psutil.virtual_memory().available < 6e9, reason="needs 6 GB of memory")
def test_more_than_two_gigabytes():
    """Positions beyond 2³¹ bytes come back as they were written."""
    side, rows = 64, 2
    capacity = 11 * BIG // (10 * rows * side * side * 3)
    image = jax.ShapeDtypeStruct((side, side, 3), np.uint8)
    state = empty({"image": image}, None, rows, capacity)
    assert as_dict(state)["image"].nbytes > BIG + 200_000_000
    near_the_end = jnp.full(rows, capacity - 3, jnp.int32)
    state = state.replace(total=near_the_end, sampler=jnp.copy(near_the_end))
    frames = np.random.default_rng(0).integers(0, 256, (5, rows, side, side, 3), np.uint8)
    for frame in frames:  # three up to the end of each row, two over its beginning
        state = add(state, {"image": frame}, None)
    window = jnp.array([[0], [1]]), jnp.arange(capacity - 3, capacity + 2) % capacity
    np.testing.assert_array_equal(as_dict(state)["image"][window], frames.swapaxes(0, 1))
    draw = jax.jit(partial(samplers.draw_online, length=5), donate_argnums=0)
    state, drawn = draw(state, jnp.zeros((rows, 2), jnp.uint32))
    np.testing.assert_array_equal(as_dict(drawn)["image"], frames)
    for leaf in jax.tree.leaves(state):
        leaf.delete()
