"""What does `auto` choose? python -m experiments.sizes

Prints a table: for machines of several kinds, the preset, the size and the ring that a new run of
each task gets. Nothing is compiled. Environments are made for their spaces, so it needs .[mario]
and .[pokemon]. Free memory is taken as 90 % of a host's, and as the 75 % of a GPU's that JAX
reserves. The disk is the one of this machine. Takes a minute.
"""

import argparse
import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path

from dreamer_jax.commands import sizing
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.commands.prepared import prepare
from dreamer_jax.machine import CPU, Machine
from dreamer_jax.main import COMMANDS
from dreamer_jax.run.fit import held
from dreamer_jax.run.preflight import measure

GB = 10**9


def cpu(gigabytes: int, *, cores: int = 2) -> Machine:
    """A machine without a GPU."""
    memory = 9 * gigabytes * GB // 10
    return Machine(
        platform=CPU,
        device="cpu",
        devices=1,
        idle=0,
        cores=cores,
        host_memory=memory,
        own_memory=None,
    )


def gpu(gigabytes: int) -> Machine:
    """A machine with a GPU, and a host with twice the memory that the GPU has."""
    return Machine(
        platform="gpu",
        device=f"GPU {gigabytes} GB",
        devices=1,
        idle=0,
        cores=16,
        host_memory=2 * 9 * gigabytes * GB // 10,
        own_memory=3 * gigabytes * GB // 4,
    )


MACHINES = {
    "CPU 8 GB, 2 cores": cpu(8),
    "CPU 24 GB, 2 cores": cpu(24),
    "CPU 128 GB, 32 cores": cpu(128, cores=32),
    **{f"GPU {gigabytes} GB": gpu(gigabytes) for gigabytes in (8, 24, 80, 141)},
}
# Task -> its environment, its preset with a GPU, its preset without. The project's own cartridge
# has almost the observations of Pokémon Red.
TASKS = {
    "atari": ("atari_pong", "atari", "atari_cpu"),
    "atari100k": ("atari_pong", "atari100k", "atari100k"),
    "mario": ("mario_1_1", "mario", "mario_cpu"),
    "pokemon_red": ("gameboy_demo", "pokemon_red", "pokemon_red_cpu"),
    "gym": ("gym:Pendulum-v1", "gym", "gym"),
}


def chosen(env: str, preset: str, machine: Machine, logdir: Path) -> tuple[str, int, float, float]:
    """Size, capacity, GB of the ring, and expected updates a second of a new run."""
    flags = parse(["sizes", f"--env={env}", f"--config={preset}", f"--logdir={logdir}"], COMMANDS)
    with ExitStack() as opened:
        prepared = prepare(decide(flags), opened, machine=machine)
        sizes = measure(prepared.run)
        run = sizing.with_ring(prepared.setup, prepared.run, sizes, machine)
        capacity = run.config.replay.capacity
        rate = sizing.updates_per_second(run, machine, prepared.interface)
        name = sizing.name(run.config.agent)
        return name, capacity, held(capacity, sizes) / GB, rate


def main() -> None:
    """Prints the table, row by row."""
    argparse.ArgumentParser("experiments.sizes", description=__doc__).parse_args()
    print("| task | machine | preset | size | ring in steps | GB | updates/s, about |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for (task, (env, *presets)), (name, machine) in itertools.product(
            TASKS.items(), MACHINES.items()
        ):
            preset = presets[machine.platform == CPU]
            size, capacity, gb, rate = chosen(env, preset, machine, Path(folder) / "run")
            row = task, name, preset, size, f"{capacity:,}", f"{gb:.1f}", sizing.short(rate)
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
