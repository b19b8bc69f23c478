"""Checks that a run fits into memory and onto the disk before anything is allocated."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax

from dreamer_jax.outputs.elapsed import Elapsed
from dreamer_jax.run import fit, programs
from dreamer_jax.run.fit import Sizes
from dreamer_jax.run.layout import COUNT_TYPE, SEED_TYPE, with_sharding
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run, remembered, ring
from dreamer_jax.shapes import carry_shapes, state_shapes
from dreamer_jax.types import Step


class ProgramInputs(NamedTuple):
    """Shapes and shardings of the arguments of the programs that a run begins with."""

    # Tuples of pytrees in the order of the arguments, see `Programs`.
    init: tuple[Any, ...]
    act: tuple[Any, ...]
    learn: tuple[Any, ...]


def measure(run: Run) -> Sizes:
    """Sizes in bytes that are known before anything is compiled.

    `temporary` is 0, because only the compiler knows it. Compiling takes minutes, and a ring that
    cannot fit is found in moments.
    """
    step, latent = remembered(run)
    return Sizes(
        step=size(step),
        latent=size(latent),
        state=size(state_shapes(run.agent)),
        temporary=0,
        recordings=size(run.recordings),
    )


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
      DoesNotFit: memory cannot hold the run; the message says which capacity fits.
    """
    with Elapsed("compiling", done="compiled"):
        built, inputs = uncompiled(run)  # tracing takes seconds, too
        learn, act, init = compile_at_once(run, built, inputs)
    fit.check(run, sizes._replace(temporary=learn.memory_analysis().temp_size_in_bytes))
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


def size(tree: Any) -> int:
    """Bytes of all arrays in a tree."""
    return sum(x.dtype.itemsize * math.prod(x.shape) for x in jax.tree.leaves(tree))
