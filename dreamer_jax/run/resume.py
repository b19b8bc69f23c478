"""From a running run to a snapshot of it, and back, to the last bit."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import jax
import numpy as np

from dreamer_jax.counters import Counters
from dreamer_jax.faults import Damaged, Diverged
from dreamer_jax.host import array_files
from dreamer_jax.outputs.journal import checked
from dreamer_jax.replay import blocks
from dreamer_jax.run import checkpoint, programs
from dreamer_jax.run.background_save import Snapshot
from dreamer_jax.run.layout import counted, placed, seeded
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import OnDevice, Run, RunState, ring, row_capacity
from dreamer_jax.types import ReplayState


def start(run: Run, compiled: Programs) -> tuple[RunState, dict[str, Any], list[str]]:
    """Where the run goes on: at its newest checkpoint that is whole, or at the beginning.

    Returns the place, the state of the journal, and what the user should be told about it. Raises
    Damaged if there are checkpoints but none is whole.
    """
    directory = run.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        return begin(run, compiled), {}, []
    step, (place, past), notes = checkpoint.newest(directory, partial(restore, run, compiled))
    # Their experience will be written over.
    checkpoint.set_aside(directory, after=step)
    notes.append(f"goes on from step {step}")
    if run.env.lost:
        notes.append(f"{run.env.lost} episodes did not repeat themselves: cut off as truncated")
    return place, past, notes


def begin(run: Run, compiled: Programs) -> RunState:
    """The first step of a run."""
    seed = seeded(run.layout, run.seed)
    state = run.begin(compiled.init(seed))
    memory = empty(run)
    carry = jax.device_put(run.agent.player.carry(run.env.num_envs), run.layout.carry)
    device = OnDevice(seed, state, memory, carry, programs.zeros(compiled.sums))
    return RunState(device, Counters(), run.env.reset())


def empty(run: Run) -> ReplayState:
    """The ring where it will stay, before anything has happened."""
    return jax.jit(ring(run), out_shardings=run.layout.ring)()


def snapshot(
    run: Run, compiled: Programs, place: RunState, journal: dict[str, Any], written: int
) -> Snapshot:
    """Copies all that the next step depends on to the host; waits for the updates under way.

    written: blocks of the replay ring that are on disk already, counted from the beginning of the
        run.
    Raises Diverged if a loss or anything that was learnt is not finite.
    """
    device, counters = place.device, place.counters
    memory = device.memory
    items = {
        "agent": device.state,
        "replay": {"latents": memory.latents, "total": memory.total, "sampler": memory.sampler},
        "acting": device.carry,
        "sums": device.sums,
    }
    # Copies: on a CPU these arrays would be views of memory that the next step writes over.
    items = jax.tree.map(np.array, jax.device_get(items))
    losses = {k: x for k, x in items["sums"].items() if k.startswith("loss/")}
    learnt = array_files.named(losses) | array_files.named(items["agent"])
    require_finite(learnt, journal["logged"][0], counters.step)
    length, full = block_length(run), full_blocks(run, counters)
    host = {**asdict(counters), "journal": journal, "first_block": full.start}

    def read(index: int) -> Any:
        return jax.device_get(compiled.block(memory, counted(run.layout, index * length), length))

    return Snapshot(
        step=counters.step,
        items=items,
        host=host,
        files={"env": run.env.snapshot(), "tail": read(full.stop)},
        blocks={i: read(i) for i in full if i >= written},
    )


def restore(run: Run, compiled: Programs, step: int) -> tuple[RunState, dict[str, Any]]:
    """The inverse of `snapshot`. Raises Damaged where a file is not what was written."""
    directory = run.logdir / "checkpoints"
    counters, past = standing(run, step, checkpoint.read_host(directory, step))
    memory = empty(run)
    seed = seeded(run.layout, run.seed)
    state = jax.eval_shape(run.agent.learner.init, jax.random.key(0))
    carry = jax.eval_shape(lambda: run.agent.player.carry(run.env.num_envs))
    where = run.layout
    changing = {"latents": memory.latents, "total": memory.total, "sampler": memory.sampler}
    places = {
        "latents": where.ring.latents,
        "total": where.ring.total,
        "sampler": where.ring.sampler,
    }
    wanted = {
        "agent": placed(state, where.state),
        "replay": placed(jax.eval_shape(lambda: changing), places),
        "acting": placed(carry, where.carry),
        "sums": compiled.sums,
    }
    items = checkpoint.restore(directory, step, wanted)
    for start, steps in experience(run, memory, counters):
        memory = compiled.put(memory, counted(where, start), jax.device_put(steps, where.seen))
    memory = memory.replace(**items["replay"])
    episodes = array_files.read_all(checkpoint.path_of(directory, step, "env"))
    try:
        seen = run.env.restore(episodes)
    except ValueError as error:
        raise Damaged(f"the episodes of checkpoint {step} cannot go on: {error}") from None
    device = OnDevice(seed, items["agent"], memory, items["acting"], items["sums"])
    return RunState(device, counters, seen), past


def standing(run: Run, step: int, host: Any) -> tuple[Counters, dict[str, Any]]:
    """Counters and the journal's state, as saved. Raises Damaged if that is not what they are."""
    try:
        past = checked(host["journal"], run.env)
        kinds = {"step": int, "updates": int, "seconds": float}
        counters = Counters(**{name: kind(host[name]) for name, kind in kinds.items()})
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise Damaged(f"the counters of checkpoint {step} are not those of such a run") from None
    if counters.step != step or step % run.env.num_envs or counters.updates < 0:
        raise Damaged(f"the counters of checkpoint {step} say step {counters.step}")
    return counters, past


def experience(run: Run, memory: ReplayState, counters: Counters) -> Iterator[tuple[int, Any]]:
    """The blocks of the ring as they were lived, one by one: first step, steps [E, L, ...]."""
    length, full = block_length(run), full_blocks(run, counters)
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((x.shape[0], length, *x.shape[2:]), x.dtype), memory.steps
    )
    for index in full:
        yield index * length, array_files.read(blocks.path(run.logdir / "replay", index), like)
    # The tail is as long as a block. Beyond its newest step it holds what was there before.
    tail = checkpoint.path_of(run.logdir / "checkpoints", counters.step, "tail")
    yield full.stop * length, array_files.read(tail, like)


def block_length(run: Run) -> int:
    """Steps of each row in a block of this run."""
    return blocks.block_length(run.env.num_envs, row_capacity(run))


def full_blocks(run: Run, counters: Counters) -> range:
    """The full blocks that the ring needs."""
    total = counters.step // run.env.num_envs
    return blocks.blocks(total, row_capacity(run), block_length(run))


def require_finite(arrays: dict[str, Any], since: int, step: int) -> None:
    """Raises Diverged, naming them, if arrays hold NaN or infinity."""
    wrong = [name for name, x in arrays.items() if not np.isfinite(x).all()]
    if wrong:
        more = f" and {len(wrong) - 5} more" * (len(wrong) > 5)
        span = f"between steps {since} and {step}"
        raise Diverged(f"not finite any more {span}: {', '.join(wrong[:5])}{more}")
