"""How much memory and disk a run needs, and the largest ring that a machine carries."""

import bisect
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from dreamer_jax.config import Config
from dreamer_jax.host import this_machine
from dreamer_jax.machine import Machine
from dreamer_jax.run import manifest
from dreamer_jax.run.state import Run

USABLE_SHARE = 0.9  # of the free memory that a run may take; other programs need the rest
# Of the free memory, for a ring whose capacity is not given. The other half is for the update, for
# compiling it, and for a second run that starts at the same moment.
RING_SHARE = 0.5
DISK = "disk"
ROUND = 1_000  # a capacity that is not given is a multiple of this


class Sizes(NamedTuple):
    """Bytes of the parts of a run."""

    step: int  # one step in replay
    latent: int  # its latent
    state: int  # parameters, optimizer and statistics
    temporary: int  # an update needs this on a device while it runs
    recordings: int = 0  # all of them


class Need(NamedTuple):
    """What a ring of some capacity takes, of something of which there is not more than `free`."""

    what: str  # in words for a message
    of: Callable[[int], int]  # (capacity) -> bytes, ascending
    free: int  # bytes that may be taken


class DoesNotFit(ValueError):
    """A run that the machine cannot carry; `fits` is the largest capacity that it can, or 0."""

    def __init__(self, text: str, *, fits: int) -> None:
        """`text` explains it in one line."""
        super().__init__(text)
        self.fits = fits


def with_largest_ring(run: Run, sizes: Sizes, machine: Machine) -> Run:
    """The run with the largest ring that the machine carries, at most the one it has.

    The ring takes at most RING_SHARE of the free memory where it lies. A ring that is too small for
    a sequence stays as it is, and `check` refuses it.
    """
    config = run.config.replay
    memory = machine.host_memory if config.memory == "pinned_host" else machine.memory
    limits = [
        Need("", partial(held, sizes=sizes), int(RING_SHARE * memory)),
        *needs(run, sizes, machine),
    ]
    return with_capacity(run, min(_largest(config.capacity, limit) for limit in limits))


def with_capacity(run: Run, most: int) -> Run:
    """The run with a ring of at most `most` steps, if that is enough for a sequence."""
    config = run.config
    least = run.env.num_envs * (config.replay.length + 1)
    if most >= config.replay.capacity or most < least:
        return run
    capacity = max(least, most // ROUND * ROUND)
    resized = replace(config, replay=replace(config.replay, capacity=capacity))
    return replace(run, config=resized)


def check(run: Run, sizes: Sizes) -> None:
    """Raises DoesNotFit unless devices, host and disk have what the run needs now."""
    for need in needs(run, sizes, this_machine.find(run.mesh)):
        capacity = run.config.replay.capacity
        if need.of(capacity) > need.free:
            fits = _largest(capacity, need)
            raise DoesNotFit(
                f"replay.capacity={capacity} needs {need.of(capacity) / 1e9:.2f} GB of "
                f"{need.what}, the model included, but no more than {need.free / 1e9:.2f} GB are "
                f"free for it; {_hint(run, need, fits, sizes)}",
                fits=fits,
            )


def _hint(run: Run, need: Need, fits: int, sizes: Sizes) -> str:
    if manifest.exists(run.logdir):
        return f"{run.logdir} was started with it: free some, or resume where there is more"
    if fits > 0:
        return f"--set replay.capacity={fits} fits"
    if need.what.startswith(DISK):
        return "use another --logdir"
    alone = "recordings and model alone need" if run.recordings else "the model alone needs"
    return f"{alone} more{_in_parts(run, sizes)}"


def _in_parts(run: Run, sizes: Sizes) -> str:
    """The end of a hint where an update in more parts would need less; else empty."""
    replay, splits = run.config.replay, run.config.agent.SPLITS_BATCHES
    share = replay.batch // run.mesh.size
    more = [k for k in range(replay.micro_batches + 1, share + 1) if share % k == 0]
    if not splits or not more or sizes.temporary <= sizes.state:
        return ""
    return f"; an update needs less of it with --set replay.micro_batches={more[0]} or more"


def needs(run: Run, sizes: Sizes, machine: Machine) -> Iterator[Need]:
    """What a run takes of memory and disk, as functions of the capacity of its ring."""
    config, devices = run.config, run.mesh.size
    on_device = partial(needed_on_device, config=config, sizes=sizes, devices=devices)
    on_host = partial(needed_on_host, config=config, sizes=sizes)
    host = int(USABLE_SHARE * machine.host_memory)
    if machine.own_memory is None:

        def both(capacity: int) -> int:
            return devices * on_device(capacity) + on_host(capacity, copies=1)

        yield Need("memory", both, host)
    else:
        own = int(USABLE_SHARE * machine.own_memory)
        yield Need("memory of the device", on_device, own)
        # An array that is fetched from a device exists twice on the host until the next update.
        yield Need("memory of the host", partial(on_host, copies=2), host)
    on_disk = partial(needed_on_disk, config=config, sizes=sizes)
    yield Need(f"{DISK} for {run.logdir}", on_disk, free_disk(run))


def needed_on_device(capacity: int, *, config: Config, sizes: Sizes, devices: int) -> int:
    """Bytes that each device needs for a ring of `capacity` steps over all devices."""
    on_host = config.replay.memory == "pinned_host"
    ring = 0 if on_host else held(capacity, sizes)
    copied = 0 if on_host else sizes.recordings
    # A resumed run holds the latents twice for a moment before its first update.
    more = max(sizes.temporary, capacity * sizes.latent // devices)
    return sizes.state + more + ring // devices + copied


def needed_on_host(capacity: int, *, config: Config, sizes: Sizes, copies: int) -> int:
    """Bytes that the host needs in addition, if a fetched array exists `copies` times."""
    ring = held(capacity, sizes) if config.replay.memory == "pinned_host" else 0
    kept = ring + sizes.recordings  # files are read into memory of the host first
    # A checkpoint is written from a copy on the host of state, latents and new steps.
    new = min(config.train.save_every, capacity)
    return kept + copies * (sizes.state + capacity * sizes.latent + new * sizes.step)


def needed_on_disk(capacity: int, *, config: Config, sizes: Sizes) -> int:
    """Bytes of a run's files, when the ring is full: its blocks, and checkpoints.

    While a checkpoint is written, it exists next to those that are kept, and so does the best one.
    """
    checkpoint = sizes.state + capacity * sizes.latent
    best = 2 * sizes.state if config.train.keep_best else 0
    return capacity * sizes.step + (config.train.keep + 1) * checkpoint + best


def free_disk(run: Run) -> int:
    """Bytes for the files of a run, those that it has already included."""
    logdir = run.logdir.absolute()
    there = next(path for path in (logdir, *logdir.parents) if path.exists())
    names = [logdir / name for name in manifest.RECORD]
    ours = [*names, *(path for name in names for path in name.rglob("*"))]
    written = sum(path.stat().st_size for path in ours if path.is_file())
    return shutil.disk_usage(there).free + written


def held(capacity: int, sizes: Sizes) -> int:
    """Bytes of a ring of `capacity` steps, latents included."""
    return capacity * (sizes.step + sizes.latent)


def _largest(capacity: int, need: Need) -> int:
    """The largest ring of at most `capacity` steps that the need has room for; 0 for none."""
    return max(0, bisect.bisect_right(range(capacity + 1), need.free, key=need.of) - 1)
