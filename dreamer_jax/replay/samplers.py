"""Which sequences of the ring an update learns from. Each sampler is a few pure functions.

A sampler keeps its memory in `ReplayState.sampler`: rows [E, ...], split over devices like the ring
itself. All functions here see the share of one device; callers donate the state.

Letters are those of `dreamer_jax.types`; a window has W = 1 + T steps.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.config import Replay
from dreamer_jax.replay import ring
from dreamer_jax.replay.windows import below, window_at
from dreamer_jax.types import ReplayState, Window


class Sampler(NamedTuple):
    """How windows are chosen. `draw` consumes random words [B, 2] uint32."""

    init: Callable[[int, int], Any]  # each sampler has a memory of another type
    """(rows E, capacity C) -> the first memory of the sampler, a pytree of [E, ...] or None"""
    added: Callable[[ReplayState], ReplayState]
    """(state after `ring.add`) -> state whose sampler knows the new step"""
    draw: Callable[[ReplayState, jax.Array], tuple[ReplayState, Window]]
    """(state, words) -> state, window [W, B, ...]"""
    learned: Callable[[ReplayState, Window, jax.Array], ReplayState]
    """(state, window, loss [T, B] of the agent) -> state after the window was trained on"""


class Priorities(PyTreeNode):
    """How likely the sequence that starts at each step is to be drawn, up to a factor."""

    value: jax.Array  # [E, C] float32, above 0
    highest: jax.Array  # [E] float32, the largest so far in each row; new steps get it


def make(config: Replay) -> Sampler:
    """The sampler that `config.sampler` names.

    Args:
      config: `length` is T. Windows have W = T + 1 steps, the first of which is the context.

    Raises:
      KeyError: no sampler has this name; `limits` refuses such a config earlier.
    """
    length = config.length + 1
    return {
        "uniform": partial(uniform, length),
        "online": partial(online, length),
        "newest": partial(newest, length),
        "prioritized": partial(prioritized, length, exponent=config.priority_exponent),
    }[config.sampler]()


def uniform(length: int) -> Sampler:
    """Every start that leaves room for W = `length` steps is equally likely."""
    return Sampler(
        init=_no_memory,
        added=_unchanged,
        draw=partial(draw_uniform, length=length),
        learned=_nothing_learned,
    )


def online(length: int) -> Sampler:
    """Uniform, except that each fresh sequence is trained on once, soon after it was collected.

    Its memory is [E] int32, the first step of each row that the queue has not handed out.
    """
    return Sampler(
        init=_first_of_queue,
        added=_unchanged,
        draw=partial(draw_online, length=length),
        learned=_nothing_learned,
    )


def newest(length: int) -> Sampler:
    """The newest W = `length` steps of each row, row after row, as on-policy learning needs."""
    return Sampler(
        init=_no_memory,
        added=_unchanged,
        draw=partial(draw_newest, length=length),
        learned=_nothing_learned,
    )


def prioritized(length: int, *, exponent: float) -> Sampler:
    """Starts are drawn in proportion to p = (mean |loss| of the sequence)^exponent.

    A new step has the highest priority seen in its row, so that it is trained on soon.
    Source: Schaul et al. 2016, § 3.3, without importance weights.
    """
    return Sampler(
        init=_equal_priorities,
        added=prioritize_new,
        draw=partial(draw_prioritized, length=length),
        learned=partial(reprioritize, exponent=exponent),
    )


def draw_uniform(state: ReplayState, bits: jax.Array, *, length: int) -> tuple[ReplayState, Window]:
    """Draws windows whose starts are uniform over all rows and all ages.

    Args:
      state: only read; every row must hold at least W steps.
      bits: [B, 2] uint32, consumed. The first word chooses the row, the second one the start.
      length: W.

    Returns:
      The same state, and a window [W, B, ...].
    """
    row, start = _anywhere(state, bits, length=length)
    return state, window_at(state, row, start, length=length)


def draw_online(state: ReplayState, bits: jax.Array, *, length: int) -> tuple[ReplayState, Window]:
    """Fills slots from the online queue first, the others as `draw_uniform` does.

    The queue holds the sequences, end to end, that no update has seen yet. They come first because
    the newest experience is what the model predicts worst.

    Args:
      state: its sampler [E] int32 advances over the sequences that were handed out.
      bits: [B, 2] uint32, consumed; also drawn for the slots that the queue fills, so that the
        other slots do not depend on the queue.
      length: W.

    Returns:
      The new state, and a window [W, B, ...].
    """
    row, start = _anywhere(state, bits, length=length)
    state, fresh = _next_online(state, batch=bits.shape[0], length=length)
    row, start = jnp.where(fresh.slot, fresh.row, row), jnp.where(fresh.slot, fresh.start, start)
    return state, window_at(state, row, start, length=length)


def draw_newest(state: ReplayState, bits: jax.Array, *, length: int) -> tuple[ReplayState, Window]:
    """The newest window of rows 0, 1, ..., starting over until there are B of them.

    Args:
      state: only read; every row must hold at least W steps.
      bits: [B, 2] uint32; only their number counts.
      length: W.

    Returns:
      The same state, and a window [W, B, ...].
    """
    chex.assert_shape(bits, (None, 2))
    row = jnp.arange(bits.shape[0]) % state.total.shape[0]
    return state, window_at(state, row, (state.total - length)[row], length=length)


def draw_prioritized(
    state: ReplayState, bits: jax.Array, *, length: int
) -> tuple[ReplayState, Window]:
    """Draws starts in proportion to their priorities.

    The first random word chooses a row by the sum of its priorities, the second one a start in it.
    Costs a cumulative sum over the ring, E C operations.

    Args:
      state: only read; its sampler holds `Priorities`, every row at least W steps.
      bits: [B, 2] uint32, consumed.
      length: W.

    Returns:
      The same state, and a window [W, B, ...].
    """
    chex.assert_shape(bits, (None, 2))
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
    return state, window_at(state, row, start, length=length)


def prioritize_new(state: ReplayState) -> ReplayState:
    """Gives the newest step [E] the highest priority of its row; called after `ring.add`."""
    known: Priorities = state.sampler
    rows = jnp.arange(state.total.shape[0])
    position = (state.total - 1) % ring.capacity(state)
    value = known.value.at[rows, position].set(known.highest)
    return state.replace(sampler=known.replace(value=value))


def reprioritize(
    state: ReplayState, window: Window, loss: jax.Array, *, exponent: float
) -> ReplayState:
    """Sets the priorities of the starts of a window to (mean over T of |loss|)^exponent.

    Args:
      state: its sampler holds `Priorities`.
      window: as drawn from this state; its first R sequences are from the ring.
      loss: [T, B] float32 with B >= R. Recorded sequences have no priorities.
      exponent: 0 makes all starts equally likely.

    Returns:
      The state with the priorities of R starts replaced, and the highest of each row raised.

    Raises:
      AssertionError: `loss` does not have T = W - 1 rows.
    """
    chex.assert_shape(loss, (window.time.shape[0] - 1, None))
    known: Priorities = state.sampler
    drawn = jnp.abs(loss).mean(0)[: window.row.size]
    fresh = (drawn + 1e-6) ** exponent
    value = known.value.at[window.row, window.time[0]].set(fresh)
    highest = known.highest.at[window.row].max(fresh)
    return state.replace(sampler=Priorities(value=value, highest=highest))


def _anywhere(state: ReplayState, bits: jax.Array, *, length: int) -> tuple[jax.Array, jax.Array]:
    """Row [B] and start [B], uniform over all rows and all starts of a row."""
    chex.assert_shape(bits, (None, 2))
    filled = jnp.minimum(state.total, ring.capacity(state))
    oldest = state.total - filled
    row = below(bits[:, 0], jnp.int32(state.total.shape[0]))
    return row, oldest[row] + below(bits[:, 1], (filled - length + 1)[row])


class _Queued(NamedTuple):
    """Sequences at the head of the online queue, one for each slot of a batch."""

    slot: jax.Array  # [B] bool, whether the queue fills the slot; elsewhere row and start are void
    row: jax.Array  # [B] int32
    start: jax.Array  # [B] int32


def _next_online(state: ReplayState, *, batch: int, length: int) -> tuple[ReplayState, _Queued]:
    """Takes up to B sequences from the head of the queue.

    Row e has (total - head - 1) // T whole sequences waiting. They overlap by the context step
    only, so that every step is trained on exactly once. Slot i takes the i-th of all waiting.
    """
    stride = length - 1
    # Steps that were overwritten before their turn came are skipped.
    head = jnp.maximum(state.sampler, state.total - ring.capacity(state))
    waiting = jnp.maximum(0, (state.total - head - 1) // stride)
    ends = jnp.cumsum(waiting)
    slot = jnp.arange(batch)
    row = jnp.minimum(jnp.searchsorted(ends, slot, side="right"), waiting.size - 1)
    before = (ends - waiting)[row]
    start = head[row] + (slot - before) * stride
    taken = jnp.clip(batch - (ends - waiting), 0, waiting)
    queued = _Queued(slot=slot < ends[-1], row=row, start=start)
    return state.replace(sampler=head + taken * stride), queued


def _pick(cumulative: jax.Array, share: jax.Array) -> jax.Array:
    """The first of cumulative sums [n] that exceeds `share` [*], in [0, 1), of their total."""
    found = jnp.searchsorted(cumulative, share * cumulative[-1], side="right")
    return jnp.minimum(found, cumulative.size - 1)


def _no_memory(rows: int, capacity: int) -> None:
    del rows, capacity


def _first_of_queue(rows: int, capacity: int) -> jax.Array:
    """[E] int32, before the first step of every row."""
    del capacity
    return jnp.zeros(rows, jnp.int32)


def _equal_priorities(rows: int, capacity: int) -> Priorities:
    return Priorities(value=jnp.ones((rows, capacity)), highest=jnp.ones(rows))


def _unchanged(state: ReplayState) -> ReplayState:
    return state


def _nothing_learned(state: ReplayState, window: Window, loss: jax.Array) -> ReplayState:
    del window, loss
    return state
