"""Checks that a run fits into memory and onto the disk before anything is allocated."""

import bisect
import math
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import psutil

from dreamer_jax import mesh as meshes
from dreamer_jax.config import Config
from dreamer_jax.outputs.elapsed import Elapsed
from dreamer_jax.run import programs
from dreamer_jax.run.layout import COUNT_TYPE, SEED_TYPE, with_sharding
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run, remembered, ring
from dreamer_jax.shapes import carry_shapes, state_shapes
from dreamer_jax.types import Step

USABLE_SHARE = 0.9  # of the free memory that a run may take; other programs need the rest


class Sizes(NamedTuple):
    """Bytes of the parts of a run."""

    step: int  # one step in replay
    latent: int  # its latent
    state: int  # parameters, optimizer and statistics
    temporary: int  # an update needs this on a device while it runs
    recordings: int = 0  # all of them


class ProgramInputs(NamedTuple):
    """Shapes and shardings of the arguments of the programs that a run begins with."""

    # Tuples of pytrees in the order of the arguments, see `Programs`.
    init: tuple[Any, ...]
    act: tuple[Any, ...]
    learn: tuple[Any, ...]


def measure(run: Run) -> Sizes:
    """Sizes that are known before anything is compiled.

    The check comes first because compiling takes minutes, and a ring that cannot fit is found in
    moments.

    Returns:
      Sizes in bytes; `temporary` is 0, because only the compiler knows it.

    Raises:
      ValueError: ring, model and recordings do not fit into memory, or a checkpoint does not fit
        onto the disk. The message says which capacity fits.
    """
    step, latent = remembered(run)
    state = state_shapes(run.agent)
    recordings = size(run.recordings)
    sizes = Sizes(
        step=size(step),
        latent=size(latent),
        state=size(state),
        temporary=0,
        recordings=recordings,
    )
    check(run, sizes)
    require_disk(run, sizes)
    return sizes


def preflight(run: Run, sizes: Sizes) -> Programs:
    """Compiles the programs that a run begins with, and checks memory with their needs.

    Three programs are compiled at once, the update first because it takes longest. Environments
    start in the background meanwhile. No array is allocated before the check, so a run that does
    not fit ends here and not hours later.

    After an error or Ctrl-C, the threads are left behind and still compile: the program that ends
    must not wait for them.

    Args:
      run: its environments are asked to `prepare`.
      sizes: from `measure`.

    Returns:
      The programs with `learn`, `act` and `init` compiled for the shapes of the run.

    Raises:
      ValueError: memory cannot hold the run; the message says which capacity fits.
    """
    with Elapsed("compiling", done="compiled"):
        built, inputs = uncompiled(run)  # tracing takes seconds, too
        learn, act, init = compile_at_once(run, built, inputs)
    check(run, sizes._replace(temporary=learn.memory_analysis().temp_size_in_bytes))
    return built._replace(learn=learn, act=act, init=init)


def compile_at_once(run: Run, built: Programs, inputs: ProgramInputs) -> tuple[Any, Any, Any]:
    """The compiled `learn`, `act` and `init`; environments are prepared meanwhile."""
    first = (built.learn, inputs.learn), (built.act, inputs.act), (built.init, inputs.init)
    threads = ThreadPoolExecutor(len(first))  # compilers release Python's lock
    try:
        compiling = [
            threads.submit(program.lower(*arguments).compile) for program, arguments in first
        ]
        run.env.prepare()  # emulators start meanwhile
        learn, act, init = (each.result() for each in compiling)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # nothing interrupts a compiler
    return learn, act, init


def uncompiled(run: Run) -> tuple[Programs, ProgramInputs]:
    """The programs of a run, not compiled yet, and the shapes of their arguments."""
    where = run.layout
    state = with_sharding(state_shapes(run.agent), where.state)
    carry = with_sharding(carry_shapes(run.agent, rows=run.env.num_envs), where.carry)
    memory = with_sharding(jax.eval_shape(ring(run)), where.ring)
    seen = with_sharding(seen_at_once(run), where.seen)
    seed = jax.ShapeDtypeStruct((), SEED_TYPE, sharding=where.scalars)
    count = jax.ShapeDtypeStruct((), COUNT_TYPE, sharding=where.scalars)
    built = programs.build(run.agent, config=run.config.replay, layout=where, memory=memory)
    return built, ProgramInputs(
        init=(seed,),
        act=(seed, run.agent.player.actor(state), memory, carry, seen, count),
        learn=(seed, state, memory, built.sums, count, run.recordings),
    )


def seen_at_once(run: Run) -> Step:
    """Shapes of one step of all environments without its action, [E, ...]."""
    step, _ = remembered(run)
    rows = run.env.num_envs
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((rows, *x.shape), x.dtype), step.replace(action={})
    )


def check(run: Run, sizes: Sizes) -> None:
    """ValueError unless devices and host have the memory that the run needs."""
    device, host = meshes.free_bytes(run.mesh), psutil.virtual_memory().available
    devices, config = run.mesh.size, run.config
    on_device = partial(needed_on_device, config=config, sizes=sizes, devices=devices)
    on_host = partial(needed_on_host, config=config, sizes=sizes)
    if device is None:  # devices that share the memory of the host

        def both(capacity: int) -> int:
            return devices * on_device(capacity) + on_host(capacity, copies=1)

        require(run, what="memory", need=both, free=host)
    else:
        require(run, what="memory of the device", need=on_device, free=device)
        # An array that is fetched from a device exists twice on the host until the next update.
        require(run, what="memory of the host", need=partial(on_host, copies=2), free=host)


def require_disk(run: Run, sizes: Sizes) -> None:
    """ValueError unless the disk has room for a checkpoint, which would fail hours later."""
    logdir = run.logdir.absolute()
    there = next(path for path in (logdir, *logdir.parents) if path.exists())
    need = sizes.state + run.config.replay.capacity * sizes.latent
    free = shutil.disk_usage(there).free
    if need > free:
        raise ValueError(
            f"a checkpoint takes {need / 1e9:.3f} GB, but only {free / 1e9:.3f} GB are free for "
            f"{logdir}; a smaller replay.capacity or another --logdir may fit"
        )


def needed_on_device(capacity: int, *, config: Config, sizes: Sizes, devices: int) -> int:
    """Bytes that each device needs for a ring of `capacity` steps over all devices."""
    on_host = config.replay.memory == "pinned_host"
    held = 0 if on_host else capacity * (sizes.step + sizes.latent)
    copied = 0 if on_host else sizes.recordings
    # A resumed run holds the latents twice for a moment before its first update.
    more = max(sizes.temporary, capacity * sizes.latent // devices)
    return sizes.state + more + held // devices + copied


def needed_on_host(capacity: int, *, config: Config, sizes: Sizes, copies: int) -> int:
    """Bytes that the host needs in addition, if a fetched array exists `copies` times."""
    held = capacity * (sizes.step + sizes.latent) if config.replay.memory == "pinned_host" else 0
    held += sizes.recordings  # files are read into memory of the host first
    # A checkpoint is written from a copy on the host of state, latents and new steps.
    new = min(config.train.save_every, capacity)
    return held + copies * (sizes.state + capacity * sizes.latent + new * sizes.step)


def require(run: Run, *, what: str, need: Callable[[int], int], free: int) -> None:
    """Requires that the capacity of the run takes at most USABLE_SHARE of the free bytes.

    Args:
      what: the memory, in words for the message.
      need: (capacity) -> bytes, ascending.
      free: bytes.

    Raises:
      ValueError: it takes more; the message says which capacity fits.
    """
    capacity = run.config.replay.capacity
    if need(capacity) > USABLE_SHARE * free:
        fits = bisect.bisect_right(range(capacity), USABLE_SHARE * free, key=need) - 1
        alone = "recordings and model alone are" if run.recordings else "the model alone is"
        hint = f"--set replay.capacity={fits} fits" if fits > 0 else f"{alone} too big"
        raise ValueError(
            f"replay.capacity={capacity} needs {need(capacity) / 1e9:.2f} GB of {what}, the model "
            f"included, but only {free / 1e9:.2f} GB are free; {hint}"
        )


def size(tree: Any) -> int:
    """Bytes of all arrays in a tree."""
    return sum(x.dtype.itemsize * math.prod(x.shape) for x in jax.tree.leaves(tree))
