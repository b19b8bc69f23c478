"""Which sequences of the ring an update learns from: each sampler a few pure functions.

A sampler keeps what it has to remember in `ReplayState.sampler`, rows [E, ...] that are split over
devices like the ring itself. All functions here see one device's share; callers donate the state.

Letters are those of `dreamer_jax.types`; a window has W = 1 + T steps.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.config import Replay
from dreamer_jax.replay import ring
from dreamer_jax.types import Recordings, ReplayState, Window


class Sampler(NamedTuple):
    """How windows are chosen. `draw` consumes random words [B, 2] uint32."""

    init: Callable[[int, int], Any]
    """(rows E, capacity C) -> what the sampler remembers, a pytree of [E, ...] or None"""
    added: Callable[[ReplayState], ReplayState]
    """(state after `ring.add`) -> the same with the new step known to the sampler"""
    draw: Callable[[ReplayState, jax.Array], tuple[ReplayState, Window]]
    """(state, words) -> state, window [W, B, ...]"""
    learned: Callable[[ReplayState, Window, jax.Array], ReplayState]
    """(state, window, loss [T, B] of the agent) -> state after the window was trained on"""


class Priorities(PyTreeNode):
    """How much is still to be learned from the sequence that starts at each step."""

    value: jax.Array  # [E, C] float32, above 0
    highest: jax.Array  # [E] float32, the largest one so far of each row: that of new steps


def make(config: Replay) -> Sampler:
    """The sampler that `config.sampler` names, for sequences of `config.length` steps."""
    length = config.length + 1
    return {
        "uniform": partial(uniform, length),
        "online": partial(online, length),
        "newest": partial(newest, length),
        "prioritized": partial(prioritized, length, config.priority_exponent),
    }[config.sampler]()


def uniform(length: int) -> Sampler:
    """Every start that leaves room for W steps is equally likely."""
    return Sampler(
        init=lambda *_: None,
        added=lambda state: state,
        draw=partial(draw_uniform, length=length),
        learned=lambda state, *_: state,
    )


def online(length: int) -> Sampler:
    """Uniform, except that each fresh sequence is trained on once, soon after it was collected.

    Remembers [E] int32: the first step of each row that the queue has not handed out.
    """
    return Sampler(
        init=lambda rows, _: jnp.zeros(rows, jnp.int32),
        added=lambda state: state,
        draw=partial(draw_online, length=length),
        learned=lambda state, *_: state,
    )


def newest(length: int) -> Sampler:
    """The newest W steps of each row, row after row: what learning on-policy needs."""
    return Sampler(
        init=lambda *_: None,
        added=lambda state: state,
        draw=partial(draw_newest, length=length),
        learned=lambda state, *_: state,
    )


def prioritized(length: int, exponent: float) -> Sampler:
    """Starts are drawn in proportion to p = (mean |loss| of the sequence)^exponent.

    A new step has the highest priority seen in its row, so that it is trained on soon.
    Source: Schaul et al. 2016, § 3.3, without importance weights.
    """
    return Sampler(
        init=lambda rows, capacity: Priorities(jnp.ones((rows, capacity)), jnp.ones(rows)),
        added=prioritize_new,
        draw=partial(draw_prioritized, length=length),
        learned=partial(reprioritize, exponent=exponent),
    )


def draw_uniform(state: ReplayState, bits: jax.Array, *, length: int) -> tuple[ReplayState, Window]:
    """One window for each pair of random words; every row must hold at least W steps."""
    row, start = _anywhere(state, bits, length)
    return state, _window(state, row, start, length)


def draw_online(state: ReplayState, bits: jax.Array, *, length: int) -> tuple[ReplayState, Window]:
    """Fills slots from the online queue first, the others as `draw_uniform` does.

    The queue holds the sequences, end to end, that no update has seen yet.
    """
    row, start = _anywhere(state, bits, length)
    state, fresh, fresh_row, fresh_start = _next_online(state, bits.shape[0], length)
    row, start = jnp.where(fresh, fresh_row, row), jnp.where(fresh, fresh_start, start)
    return state, _window(state, row, start, length)


def draw_newest(state: ReplayState, bits: jax.Array, *, length: int) -> tuple[ReplayState, Window]:
    """The newest window of rows 0, 1, ... in a circle until there are B of them."""
    row = jnp.arange(bits.shape[0]) % state.total.shape[0]
    return state, _window(state, row, (state.total - length)[row], length)


def draw_prioritized(
    state: ReplayState, bits: jax.Array, *, length: int
) -> tuple[ReplayState, Window]:
    """The first random word chooses a row by the sum of its priorities, the second one a start.

    Costs a cumulative sum over the ring, E C operations.
    """
    size = ring.capacity(state)
    newest_start = state.total - length
    oldest = state.total - jnp.minimum(state.total, size)
    starts = oldest[:, None] + jnp.arange(size)
    weight = jnp.take_along_axis(state.sampler.value, starts % size, axis=1)
    cumulative = jnp.cumsum(jnp.where(starts <= newest_start[:, None], weight, 0.0), axis=1)
    share = bits.astype(jnp.float32) / 2.0**32
    row = _pick(jnp.cumsum(cumulative[:, -1]), share[:, 0])
    offset = jax.vmap(_pick)(cumulative[row], share[:, 1])
    start = jnp.minimum(oldest[row] + offset, newest_start[row])
    return state, _window(state, row, start, length)


def prioritize_new(state: ReplayState) -> ReplayState:
    """Gives the step that was added last the highest priority of its row."""
    known: Priorities = state.sampler
    rows = jnp.arange(state.total.shape[0])
    position = (state.total - 1) % ring.capacity(state)
    value = known.value.at[rows, position].set(known.highest)
    return state.replace(sampler=known.replace(value=value))


def reprioritize(
    state: ReplayState, window: Window, loss: jax.Array, *, exponent: float
) -> ReplayState:
    """Sets the priorities of the starts of a window from the loss [T, B] of its sequences."""
    known: Priorities = state.sampler
    drawn = jnp.abs(loss).mean(0)[: window.row.size]
    fresh = (drawn + 1e-6) ** exponent
    value = known.value.at[window.row, window.time[0]].set(fresh)
    highest = known.highest.at[window.row].max(fresh)
    return state.replace(sampler=Priorities(value, highest))


def with_recordings(
    sampler: Sampler, state: ReplayState, recordings: Recordings, bits: jax.Array, count: int
) -> tuple[ReplayState, Window]:
    """A window of `sampler` with `count` recorded sequences after its own.

    bits: [B, 2], of which the first `count` pairs are for the recordings.
    """
    state, window = sampler.draw(state, bits[count:])
    return state, join_recorded(recordings, window, bits[:count])


def join_recorded(recordings: Recordings, window: Window, bits: jax.Array) -> Window:
    """A window with more sequences after its own: a recorded one for each pair of random words.

    Recordings are read in a circle, so that every step of them is as likely to be trained on as any
    other. There are no latents for them: a sequence starts from the initial latent, like a new
    episode, and its context step is never looked at.

    bits: [B - R, 2] uint32, of which the first word is not needed.
    """
    length, count = window.time.shape[0], recordings.steps.reward.shape[0]
    start = _below(bits[:, 1], jnp.int32(count))
    time = (start + jnp.arange(-1, length - 1)[:, None]) % count
    steps = jax.tree.map(lambda x: ring.read(x, time), recordings.steps)
    steps = steps.replace(is_first=steps.is_first.at[1].set(True))
    latents = jax.tree.map(
        lambda x: jnp.zeros((*time.shape, *x.shape[2:]), x.dtype), window.latents
    )
    both = (window.steps, window.latents), (steps, latents)
    steps, latents = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), *both)
    return window.replace(steps=steps, latents=latents)


def _anywhere(state: ReplayState, bits: jax.Array, length: int) -> tuple[jax.Array, jax.Array]:
    """Row [B] and start [B], uniform over all rows and all starts of a row."""
    filled = jnp.minimum(state.total, ring.capacity(state))
    oldest = state.total - filled
    row = _below(bits[:, 0], jnp.int32(state.total.shape[0]))
    return row, oldest[row] + _below(bits[:, 1], (filled - length + 1)[row])


def _window(state: ReplayState, row: jax.Array, start: jax.Array, length: int) -> Window:
    """The steps start, ..., start + W - 1 of the rows."""
    time = (start + jnp.arange(length)[:, None]) % ring.capacity(state)
    experience = (state.steps, state.latents)
    steps, latents = jax.tree.map(lambda x: ring.read(x, row, time), experience)
    return Window(steps=steps, latents=latents, row=row, time=time)


def _next_online(
    state: ReplayState, batch: int, length: int
) -> tuple[ReplayState, jax.Array, jax.Array, jax.Array]:
    """The sequences at the head of the queue: state, fresh [B], row [B], start [B].

    Row e has (total - online - 1) // T whole sequences waiting; they overlap by the context step
    only, so that every step is trained on exactly once. Slot i takes the i-th of all waiting.
    """
    stride = length - 1
    # What was overwritten before its turn came is skipped.
    head = jnp.maximum(state.sampler, state.total - ring.capacity(state))
    waiting = jnp.maximum(0, (state.total - head - 1) // stride)
    ends = jnp.cumsum(waiting)
    slot = jnp.arange(batch)
    row = jnp.minimum(jnp.searchsorted(ends, slot, side="right"), waiting.size - 1)
    before = (ends - waiting)[row]
    start = head[row] + (slot - before) * stride
    taken = jnp.clip(batch - (ends - waiting), 0, waiting)
    return state.replace(sampler=head + taken * stride), slot < ends[-1], row, start


def _below(bits: jax.Array, limit: jax.Array) -> jax.Array:
    """An integer in [0, limit); no value is more likely than another by more than limit / 2³²."""
    return (bits % limit.astype(jnp.uint32)).astype(jnp.int32)


def _pick(cumulative: jax.Array, share: jax.Array) -> jax.Array:
    """The first of cumulative sums [n] that exceeds `share` [*], in [0, 1), of their total."""
    found = jnp.searchsorted(cumulative, share * cumulative[-1], side="right")
    return jnp.minimum(found, cumulative.size - 1)
