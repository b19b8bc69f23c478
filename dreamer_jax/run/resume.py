"""Snapshots of a run, and the run restored from one, equal to the last bit."""

from dataclasses import asdict, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamer_jax.counters import Counters
from dreamer_jax.faults import Damaged, Diverged, Mismatch
from dreamer_jax.host import array_files
from dreamer_jax.outputs.averages import is_loss
from dreamer_jax.outputs.journal_state import JournalState
from dreamer_jax.run import checkpoint, programs
from dreamer_jax.run.background_save import Snapshot
from dreamer_jax.run.layout import count_on_device, seed_on_device, with_sharding
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import OnDevice, Run, RunState, ring
from dreamer_jax.run.stored_ring import block_file, full_blocks, length_of_blocks, stored_blocks
from dreamer_jax.shapes import carry_shapes, state_shapes
from dreamer_jax.types import Metrics, ReplayState


class Start(NamedTuple):
    """Where a run starts or resumes."""

    now: RunState
    past: JournalState | None  # None for a new run
    notes: list[str]  # lines for the user


def start(run: Run, compiled: Programs) -> Start:
    """Resumes from the newest checkpoint that is whole, or begins if there is none.

    Damaged checkpoints after it are renamed: the run will overwrite the blocks of replay that they
    need, so they could never be restored again, but their weights stay for the user.

    Args:
      run: its environments are reset or restored.
      compiled: nothing of `run` is donated to them.

    Raises:
      Damaged: there are checkpoints, but none is whole.
    """
    directory = run.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        return Start(now=begin(run, compiled), past=None, notes=[])
    found = checkpoint.newest(directory, lambda step: restore(run, compiled, step=step))
    checkpoint.set_aside(directory, after=found.step)
    notes = [*found.notes, f"resumes from step {found.step}"]
    if run.env.lost:
        notes.append(f"{run.env.lost} episodes did not replay identically: ended as truncated")
    now, past = found.loaded
    return Start(now=now, past=past, notes=notes)


def find(run: Run) -> Counters | None:
    """The counters of the checkpoint that `start` will restore; None for a new run.

    Nothing has to be compiled for it. Everything is checked apart from the content of the blocks,
    of which it only checks that they are there, and the environments' episodes.

    Raises:
      Damaged: there are checkpoints, but none is whole.
      Mismatch: the checkpoint is of an agent or a ring with other arrays.
    """
    directory = run.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        return None
    return checkpoint.newest(directory, lambda step: _checked(run, step=step)).loaded


def _checked(run: Run, *, step: int) -> Counters:
    """The counters of a checkpoint that can be restored; raises Damaged or Mismatch."""
    directory = run.logdir / "checkpoints"
    counters, _ = read_counters(run, checkpoint.read_counters(directory, step), step=step)
    checkpoint.require(directory, step, checkpoint_shapes(run, jax.eval_shape(ring(run))))
    for name in ("env", "tail"):
        array_files.read_all(checkpoint.path_of(directory, step, name=name))
    for index in full_blocks(run, counters):
        if not (file := block_file(run, index)).is_file():
            raise Damaged(f"{file} is missing")
    return counters


def checkpoint_shapes(run: Run, memory: ReplayState) -> dict[str, Any]:
    """Shapes and shardings of the items of a checkpoint, by name.

    `sums` is not among them: only the compiled programs know its shapes.

    memory: the ring, for its shapes and dtypes.
    """
    where = run.layout
    changing = {"latents": memory.latents, "total": memory.total, "sampler": memory.sampler}
    places = {
        "latents": where.ring.latents,
        "total": where.ring.total,
        "sampler": where.ring.sampler,
    }
    carry = carry_shapes(run.agent, rows=run.env.num_envs)
    return {
        "agent": with_sharding(state_shapes(run.agent), where.state),
        "replay": with_sharding(jax.eval_shape(lambda: changing), places),
        "acting": with_sharding(carry, where.carry),
    }


def begin(run: Run, compiled: Programs) -> RunState:
    """The state of a new run, before its first step."""
    seed = seed_on_device(run.layout, run.seed)
    state = run.begin(compiled.init(seed))
    memory = empty(run)
    carry = jax.device_put(run.agent.player.carry(run.env.num_envs), run.layout.carry)
    device = OnDevice(
        seed=seed, state=state, memory=memory, carry=carry, sums=programs.zeros(compiled.sums)
    )
    return RunState(device=device, counters=Counters(), seen=run.env.reset())


def empty(run: Run) -> ReplayState:
    """The empty ring [E, C, ...], made where it stays, so that it never exists twice."""
    return jax.jit(ring(run), out_shardings=run.layout.ring)()


def snapshot(
    run: Run, compiled: Programs, now: RunState, *, journal: JournalState, written: int
) -> Snapshot:
    """Copies everything that the next step depends on to the host.

    Waits for the updates that are still running. Nothing of `now` is donated, and training may
    continue while the snapshot is written.

    Args:
      run: its environments tell their snapshot.
      compiled: read blocks of the ring.
      now: the run between two steps.
      journal: its state between the same two steps.
      written: blocks of the ring on disk already, counted from the beginning of the run.

    Returns:
      NumPy arrays and JSON. Of the ring, only full blocks that are not on disk, and the tail.

    Raises:
      Diverged: a loss or a learned parameter is not finite. Such a checkpoint would be useless, and
        it would replace a good one.
    """
    device, counters = now.device, now.counters
    memory = device.memory
    items = {
        "agent": device.state,
        "replay": {"latents": memory.latents, "total": memory.total, "sampler": memory.sampler},
        "acting": device.carry,
        "sums": device.sums,
    }
    # On a CPU, device_get returns views of memory that the next step overwrites, so copy them.
    items = jax.tree.map(np.array, jax.device_get(items))
    losses = {k: x for k, x in items["sums"].items() if is_loss(k)}
    learned = array_files.named(losses) | array_files.named(items["agent"])
    since, _ = journal.logged
    require_finite(learned, since=since, step=counters.step)
    length, full = length_of_blocks(run), full_blocks(run, counters)

    def read(index: int) -> Any:
        first = count_on_device(run.layout, index * length)
        return jax.device_get(compiled.block(memory, first, length=length))

    return Snapshot(
        step=counters.step,
        items=items,
        counters={**asdict(counters), "journal": journal.to_json(), "first_block": full.start},
        files={"env": run.env.snapshot(), "tail": read(full.stop)},
        blocks={i: read(i) for i in full if i >= written},
    )


def restore(run: Run, compiled: Programs, *, step: int) -> tuple[RunState, JournalState]:
    """The inverse of `snapshot`.

    The order keeps damage cheap and memory small. Counters come first, because they are small and
    say which blocks are needed. Blocks are put into the ring one by one, so that the ring never
    exists twice. Latents replace those of the empty ring afterwards. Environments come last: they
    replay their episodes, which takes longest.

    Args:
      run: its environments are restored.
      compiled: write blocks into the ring, which is donated to them.
      step: of the checkpoint.

    Returns:
      The run between two steps, and the state of the journal.

    Raises:
      Damaged: a file was changed, or belongs to another run.
      Fault: the checkpoint is of another agent.
      FileNotFoundError: there is no such checkpoint.
    """
    directory = run.logdir / "checkpoints"
    counters, past = read_counters(run, checkpoint.read_counters(directory, step), step=step)
    memory = empty(run)
    seed = seed_on_device(run.layout, run.seed)
    where = run.layout
    items = checkpoint.restore(directory, step, checkpoint_shapes(run, memory))
    sums, past = restored_sums(run, compiled, counters=counters, past=past)
    for first, steps in stored_blocks(run, memory, counters=counters):
        memory = compiled.put(
            memory, count_on_device(where, first), jax.device_put(steps, where.seen)
        )
    memory = memory.replace(**items["replay"])
    episodes = array_files.read_all(checkpoint.path_of(directory, step, name="env"))
    try:
        seen = run.env.restore(episodes)
    except ValueError as error:
        raise Damaged(f"the episodes of checkpoint {step} cannot be resumed: {error}") from None
    device = OnDevice(
        seed=seed,
        state=items["agent"],
        memory=memory,
        carry=items["acting"],
        sums=sums,
    )
    return RunState(device=device, counters=counters, seen=seen), past


def restored_sums(
    run: Run, compiled: Programs, *, counters: Counters, past: JournalState
) -> tuple[Metrics, JournalState]:
    """The sums of metrics in a checkpoint, and the journal that reports them.

    Where another version had other metrics, the logging interval starts again: nothing that is
    learned depends on them.
    """
    directory, wanted = run.logdir / "checkpoints", {"sums": compiled.sums}
    try:
        return checkpoint.restore(directory, counters.step, wanted)["sums"], past
    except Mismatch:
        begun = replace(past, logged=(counters.step, counters.updates))
        return programs.zeros(compiled.sums), begun


def read_counters(run: Run, saved: Any, *, step: int) -> tuple[Counters, JournalState]:
    """Counters and the state of the journal, checked.

    Args:
      saved: the JSON of the checkpoint of `step`; a stranger may have written anything.

    Raises:
      Damaged: it does not hold counters and journal of such a run.
    """
    try:
        past = JournalState.from_json(saved["journal"], run.env)
        counters = Counters(
            step=int(saved["step"]), updates=int(saved["updates"]), seconds=float(saved["seconds"])
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise Damaged(f"the counters of checkpoint {step} are not those of such a run") from None
    if counters.step != step or step % run.env.num_envs or counters.updates < 0:
        raise Damaged(f"the counters of checkpoint {step} say step {counters.step}")
    return counters, past


def require_finite(arrays: dict[str, np.ndarray], *, since: int, step: int) -> None:
    """Raises Diverged, naming them and the steps, if arrays hold NaN or infinity."""
    wrong = [name for name, x in arrays.items() if not np.isfinite(x).all()]
    if wrong:
        more = f" and {len(wrong) - 5} more" * (len(wrong) > 5)
        span = f"between steps {since} and {step}"
        raise Diverged(f"no longer finite {span}: {', '.join(wrong[:5])}{more}")
