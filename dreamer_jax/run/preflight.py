"""Whether a run fits into memory and onto the disk, found out before anything is allocated."""

import bisect
import math
import shutil
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import psutil

from dreamer_jax import mesh as meshes
from dreamer_jax.config import Config
from dreamer_jax.run import programs
from dreamer_jax.run.layout import COUNT_TYPE, SEED_TYPE, placed
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run, remembered, ring
from dreamer_jax.types import Step

SHARE = 0.9  # of the free memory that a run may take; the rest is for everybody else


class Sizes(NamedTuple):
    """Bytes of the parts of a run."""

    step: int  # one step in replay
    latent: int  # its latent
    state: int  # parameters, optimiser and statistics
    temporary: int  # what an update needs on a device while it runs
    recordings: int = 0  # all of them


class Inputs(NamedTuple):
    """Arguments of the programs that a run begins with: shapes, and where they lie."""

    init: tuple[Any, ...]
    act: tuple[Any, ...]
    learn: tuple[Any, ...]


def measure(run: Run) -> Sizes:
    """The sizes that are known before anything is compiled. ValueError if they are too large."""
    step, latent = remembered(run)
    state = jax.eval_shape(run.agent.learner.init, jax.random.key(0))
    recordings = size(run.recordings)
    sizes = Sizes(size(step), size(latent), size(state), temporary=0, recordings=recordings)
    check(run, sizes)
    require_disk(run, sizes)
    return sizes


def preflight(run: Run, sizes: Sizes) -> Programs:
    """Compiles what a run begins with. ValueError, saying what fits, if memory cannot hold it."""
    built, inputs = described(run)
    print("compiling the update", file=sys.stderr, flush=True)
    first = (built.learn, inputs.learn), (built.act, inputs.act), (built.init, inputs.init)
    with ThreadPoolExecutor(len(first)) as threads:  # compilers let go of Python's lock
        try:
            compiling = [threads.submit(program.lower(*given).compile) for program, given in first]
            run.env.prepare()  # emulators start meanwhile
            learn, act, init = (each.result() for each in compiling)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends at once
            print("stopping when what is being compiled is done", file=sys.stderr, flush=True)
            raise
    check(run, sizes._replace(temporary=learn.memory_analysis().temp_size_in_bytes))
    return built._replace(learn=learn, act=act, init=init)


def described(run: Run) -> tuple[Programs, Inputs]:
    """The programs of a run, none of which is compiled yet, and the shapes of their arguments."""
    where = run.layout
    state = placed(jax.eval_shape(run.agent.learner.init, jax.random.key(0)), where.state)
    carry = placed(jax.eval_shape(lambda: run.agent.player.carry(run.env.num_envs)), where.carry)
    memory = placed(jax.eval_shape(ring(run)), where.ring)
    seen = placed(seen_at_once(run), where.seen)
    seed = jax.ShapeDtypeStruct((), SEED_TYPE, sharding=where.scalars)
    count = jax.ShapeDtypeStruct((), COUNT_TYPE, sharding=where.scalars)
    built = programs.build(run.agent, run.config.replay, where, memory)
    return built, Inputs(
        init=(seed,),
        act=(seed, run.agent.player.actor(state), memory, carry, seen, count),
        learn=(seed, state, memory, built.sums, count, run.recordings),
    )


def seen_at_once(run: Run) -> Step:
    """Shapes of what all environments show in one step, before anybody acts on it."""
    step, _ = remembered(run)
    rows = run.env.num_envs
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((rows, *x.shape), x.dtype), step.replace(action={})
    )


def check(run: Run, sizes: Sizes) -> None:
    """ValueError unless what the run needs is free."""
    device, host = meshes.free_bytes(run.mesh), psutil.virtual_memory().available
    on_device = partial(needed_on_device, run.config, sizes, run.mesh.size)
    on_host = partial(needed_on_host, run.config, sizes)
    if device is None:  # devices without memory of their own
        require(run, "memory", lambda c: run.mesh.size * on_device(c) + on_host(1, c), host)
    else:
        require(run, "memory of the device", on_device, device)
        # What is fetched from a device of its own is there twice until the next update.
        require(run, "memory of the host", partial(on_host, 2), host)


def require_disk(run: Run, sizes: Sizes) -> None:
    """ValueError unless the disk has room for a checkpoint: it would be missed after hours."""
    logdir = run.logdir.absolute()
    there = next(path for path in (logdir, *logdir.parents) if path.exists())
    need = sizes.state + run.config.replay.capacity * sizes.latent
    free = shutil.disk_usage(there).free
    if need > free:
        raise ValueError(
            f"a checkpoint takes {need / 1e9:.3f} GB, but only {free / 1e9:.3f} GB are free for "
            f"{logdir}; a smaller replay.capacity or another --logdir may fit"
        )


def needed_on_device(config: Config, sizes: Sizes, devices: int, capacity: int) -> int:
    """Bytes that each device needs for a ring of `capacity` steps over all devices."""
    on_host = config.replay.memory == "pinned_host"
    held = 0 if on_host else capacity * (sizes.step + sizes.latent)
    copied = 0 if on_host else sizes.recordings
    # A resumed run holds the latents twice for a moment, before its first update.
    more = max(sizes.temporary, capacity * sizes.latent // devices)
    return sizes.state + more + held // devices + copied


def needed_on_host(config: Config, sizes: Sizes, copies: int, capacity: int) -> int:
    """Bytes that the host needs beside them, where a fetched array takes `copies` of itself."""
    held = capacity * (sizes.step + sizes.latent) if config.replay.memory == "pinned_host" else 0
    held += sizes.recordings  # read there, wherever they stay
    # A checkpoint is written from a copy on the host: state, latents, and the steps that are new.
    new = min(config.train.save_every, capacity)
    return held + copies * (sizes.state + capacity * sizes.latent + new * sizes.step)


def require(run: Run, what: str, need: Callable[[int], int], free: int) -> None:
    """ValueError that says which capacity fits, unless the run's takes at most SHARE of `free`."""
    capacity = run.config.replay.capacity
    if need(capacity) > SHARE * free:
        fits = bisect.bisect_right(range(capacity), SHARE * free, key=need) - 1
        alone = "recordings and model alone are" if run.recordings else "the model alone is"
        hint = f"--set replay.capacity={fits} fits" if fits > 0 else f"{alone} too big"
        raise ValueError(
            f"replay.capacity={capacity} needs {need(capacity) / 1e9:.2f} GB of {what}, the model "
            f"included, but only {free / 1e9:.2f} GB are free; {hint}"
        )


def size(tree: Any) -> int:
    """Bytes of all arrays in a tree."""
    return sum(x.dtype.itemsize * math.prod(x.shape) for x in jax.tree.leaves(tree))
