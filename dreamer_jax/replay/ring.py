"""Experience replay on the device: a ring of steps per environment, drawn as windows of time.

Row e of the ring belongs to environment e. A row that has seen `total` steps keeps the newest C of
them, step s at position s % C, so age and not position decides what a window may hold: it never
straddles the write head. All functions are pure; callers donate the state.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import compute_on as compute_on_

from dreamer_jax.types import Recordings, ReplayState, Window

Space = jax.memory.Space
# JAX 0.12 has renamed it.
compute_on: Any = getattr(compute_on_, "compute_on2", compute_on_.compute_on)


def init(step: Any, latent: Any, rows: int, capacity: int) -> ReplayState:
    """An empty ring for steps and latents shaped like the examples (arrays or shape structs).

    Args:
      step, latent: pytrees without batch axes. rows: E. capacity: C, steps per row.
    """

    def ring(x: Any) -> jax.Array:
        return jnp.zeros((rows, capacity, *x.shape), x.dtype)

    counters = jnp.zeros(rows, jnp.int32)
    return ReplayState(
        steps=jax.tree.map(ring, step),
        latents=jax.tree.map(ring, latent),
        total=counters,
        online=jnp.copy(counters),
    )


def capacity(state: ReplayState) -> int:
    """C, the steps that fit in a row."""
    return jax.tree.leaves(state.steps)[0].shape[1]


def add(state: ReplayState, step: Any, latent: Any) -> ReplayState:
    """Appends one step to every row, over the oldest where a row is full: leaves [E, ...]."""
    rows = jnp.arange(state.total.shape[0])
    position = state.total % capacity(state)

    write = partial(_write, row=rows, time=position)
    return state.replace(
        steps=jax.tree.map(write, state.steps, step),
        latents=jax.tree.map(write, state.latents, latent),
        total=state.total + 1,
    )


def draw(
    state: ReplayState, bits: jax.Array, length: int, online: bool
) -> tuple[ReplayState, Window]:
    """Draws one window for each pair of random words.

    Slots are filled from the online queue first: the sequences, end to end, that no update has seen
    yet, each handed out once. The others start anywhere, every start being equally likely.

    Args:
      bits: [B, 2] uint32, for the row and the start of each window.
      length: W. Every row must hold at least W steps.
      online: whether there is an online queue.

    Returns: the state with its queue advanced, and a window [W, B, ...].
    """
    size = capacity(state)
    filled = jnp.minimum(state.total, size)
    oldest = state.total - filled
    row = _below(bits[:, 0], jnp.int32(state.total.shape[0]))
    start = oldest[row] + _below(bits[:, 1], (filled - length + 1)[row])
    if online:
        state, fresh, fresh_row, fresh_start = _next_online(state, bits.shape[0], length)
        row, start = jnp.where(fresh, fresh_row, row), jnp.where(fresh, fresh_start, start)
    time = (start + jnp.arange(length)[:, None]) % size
    steps, latents = jax.tree.map(lambda x: _read(x, row, time), (state.steps, state.latents))
    return state, Window(steps=steps, latents=latents, row=row, time=time)


def draw_recorded(recordings: Recordings, window: Window, bits: jax.Array) -> Window:
    """A window with more sequences behind its own: a recorded one for each pair of random words.

    Recordings are read in a circle, so that every step of them is as likely to be trained on as any
    other. There are no latents for them: whatever a sequence begins with, it begins as if an
    episode did, and its context step is never looked at.

    Args:
      bits: [B - R, 2] uint32, of which the first one is not needed.
    """
    length, count = window.time.shape[0], recordings.steps.reward.shape[0]
    start = _below(bits[:, 1], jnp.int32(count))
    time = (start + jnp.arange(-1, length - 1)[:, None]) % count
    steps = jax.tree.map(lambda x: _read(x, time), recordings.steps)
    steps = steps.replace(is_first=steps.is_first.at[1].set(True))
    latents = jax.tree.map(
        lambda x: jnp.zeros((*time.shape, *x.shape[2:]), x.dtype), window.latents
    )
    both = (window.steps, window.latents), (steps, latents)
    steps, latents = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), *both)
    return window.replace(steps=steps, latents=latents)


def refresh(state: ReplayState, window: Window, latents: Any) -> ReplayState:
    """Writes the latents [T, B, ...] of a window's trained steps back to where they were."""
    latents = jax.tree.map(lambda x: x[:, : window.row.size], latents)
    # The context step was not seen again.
    write = partial(_write, row=window.row, time=window.time[1:])
    return state.replace(latents=jax.tree.map(write, state.latents, latents))


def block(state: ReplayState, start: jax.Array, length: int) -> Any:
    """What lies where the steps `start`, ..., `start + length - 1` of each row belong: [E, L, ...].

    Those that were not added yet have the steps there that they will be written over.
    """
    places = _places(state, start, length)
    return jax.tree.map(lambda x: _read(x, *places.values()), state.steps)


def put(state: ReplayState, start: jax.Array, steps: Any) -> ReplayState:
    """Puts a `block` back where it was; counters and latents stay as they are."""
    places = _places(state, start, jax.tree.leaves(steps)[0].shape[1])
    return state.replace(steps=jax.tree.map(partial(_write, **places), state.steps, steps))


def _places(state: ReplayState, start: jax.Array, length: int) -> dict[str, jax.Array]:
    rows = jnp.arange(state.total.shape[0])[:, None]
    return {"row": rows, "time": (start + jnp.arange(length)) % capacity(state)}


def _write(ring: jax.Array, x: jax.Array, row: jax.Array, time: jax.Array) -> jax.Array:
    def write(ring: jax.Array, x: jax.Array, *at: jax.Array) -> jax.Array:
        return ring.at[at].set(x)

    return _where_it_lies(write, ring, x.astype(ring.dtype), row, time)


def _read(ring: jax.Array, *at: jax.Array) -> jax.Array:
    def read(ring: jax.Array, *at: jax.Array) -> jax.Array:
        return ring[at]

    return jax.device_put(_where_it_lies(read, ring, *at), Space.Device)


def _where_it_lies(
    function: Callable[..., jax.Array], ring: jax.Array, *inputs: jax.Array
) -> jax.Array:
    """Computes on the host what concerns a ring in host memory: only its result travels."""
    if jax.typeof(ring).memory_space != Space.Host:
        return function(ring, *inputs)
    moved = [jax.device_put(x, Space.Host) for x in inputs]
    on_host = compute_on(function, compute_type="device_host", out_memory_spaces=Space.Host)
    return on_host(ring, *moved)


def _next_online(
    state: ReplayState, batch: int, length: int
) -> tuple[ReplayState, jax.Array, jax.Array, jax.Array]:
    """The sequences at the head of the queue: state, fresh [B], row [B], start [B].

    Row e has (total - online - 1) // T whole sequences waiting; they overlap by the context step
    only, so that every step is trained on exactly once. Slot i takes the i-th of all waiting.
    """
    stride = length - 1
    # What was overwritten before its turn came is skipped.
    head = jnp.maximum(state.online, state.total - capacity(state))
    waiting = jnp.maximum(0, (state.total - head - 1) // stride)
    ends = jnp.cumsum(waiting)
    slot = jnp.arange(batch)
    row = jnp.minimum(jnp.searchsorted(ends, slot, side="right"), waiting.size - 1)
    before = (ends - waiting)[row]
    start = head[row] + (slot - before) * stride
    taken = jnp.clip(batch - (ends - waiting), 0, waiting)
    return state.replace(online=head + taken * stride), slot < ends[-1], row, start


def _below(bits: jax.Array, limit: jax.Array) -> jax.Array:
    """An integer in [0, limit); no value is more likely than another by more than limit / 2³²."""
    return (bits % limit.astype(jnp.uint32)).astype(jnp.int32)
