"""Everything of a run before its first step: environments, agent, programs, fit to the machine."""

import math
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import configs
import envs
from dreamer_jax import mesh, spaces
from dreamer_jax.commands import sizing
from dreamer_jax.commands.agent_of import agent_of
from dreamer_jax.commands.changes import that_matter
from dreamer_jax.commands.evaluation_players import PeriodicEvaluation
from dreamer_jax.commands.initial_agents import initial
from dreamer_jax.commands.options import CAPACITY, Setup
from dreamer_jax.config import Config
from dreamer_jax.host import this_machine
from dreamer_jax.loops.train import prefill
from dreamer_jax.machine import Machine
from dreamer_jax.run import history, manifest, spaces_record
from dreamer_jax.run.fit import DoesNotFit, Sizes, check, with_capacity
from dreamer_jax.run.preflight import measure, preflight
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from dreamer_jax.spaces import Interface


class Prepared(NamedTuple):
    """A run before anything is compiled, on its machine."""

    setup: Setup
    run: Run
    machine: Machine
    interface: Interface
    notes: list[str]  # lines about the weights that it begins with


def prepare(setup: Setup, opened: ExitStack, *, machine: Machine | None = None) -> Prepared:
    """Environments and agent for the loop; `opened` closes the environments.

    The setup of a new run fits the machine afterwards, apart from its ring.

    machine: the one to fit; None for this one.
    """
    config, devices = setup.config, mesh.make(mesh.parse(setup.mesh))
    mesh.require_divisible(devices, config.train.envs, name="train.envs")
    mesh.require_divisible(devices, config.replay.batch, name="replay.batch")
    part = config.replay.batch // config.replay.micro_batches
    mesh.require_divisible(devices, part, name="replay.batch / replay.micro_batches")
    with naming_its_preset(setup):
        env = envs.make(setup.env, config.env, num_envs=config.train.envs, seed=setup.seed)
    opened.callback(env.close)
    spaces_record.require_same(setup.logdir, obs_space=env.obs_space, act_space=env.act_space)
    interface = spaces.of(env.obs_space, env.act_space)
    machine = machine or this_machine.find(devices)
    if not manifest.exists(setup.logdir):
        setup = sizing.with_model(setup, machine, interface)
    with naming_its_preset(setup):
        agent = agent_of(setup, interface)
    evaluation = PeriodicEvaluation(setup, agent.player)
    opened.callback(evaluation.close)
    first = initial(setup, agent)
    run = Run(
        agent=agent,
        env=env,
        config=setup.config,
        seed=setup.seed,
        mesh=devices,
        logdir=setup.logdir,
        evaluate=evaluation.scores,
        begin=first.begin,
        evaluation_failure=evaluation.failure,
    )
    setup = setup._replace(sources=first.sources)
    return Prepared(setup=setup, run=run, machine=machine, interface=interface, notes=first.notes)


@contextmanager
def naming_its_preset(setup: Setup) -> Generator[None]:
    """Adds to a mistake that the preset is for another environment of the family, if it is.

    Options that the user did not type would be a riddle otherwise.
    """
    try:
        yield
    except ValueError as error:
        usual = configs.default(setup.env, envs.family(setup.env), agent=setup.agent)
        if setup.preset in (usual, configs.ON_CPU.get(usual)) or not configs.PRESETS[setup.preset]:
            raise
        text = f"with --config={setup.preset}, and the preset of {setup.env} is {usual}"
        raise ValueError(f"{error} ({text})") from None


def fitted(prepared: Prepared) -> tuple[Run, Sizes]:
    """The run, whose ring fits the machine if it is new, and the sizes of its parts.

    Raises DoesNotFit in one line where something is too large.
    """
    setup, run, machine = prepared.setup, prepared.run, prepared.machine
    sizes = measure(run)
    if not manifest.exists(setup.logdir):
        run = sizing.with_ring(setup, run, sizes, machine)
    check(run, sizes)
    return run, sizes


def announce(prepared: Prepared, run: Run, sizes: Sizes) -> None:
    """Prints where the run is, and what it is about to use if it is new."""
    setup, machine, interface = prepared.setup, prepared.machine, prepared.interface
    config = run.config
    new = not manifest.exists(setup.logdir)
    lines = [f"{setup.env} -> {setup.logdir} ({'new run' if new else 'resumes'})"]
    if new:
        lines.append(sizing.summary(setup, run, sizes, machine, interface))
        if envs.family(setup.env) == "gym" and (read := getattr(run.env, "described", "")):
            lines.append(f"observes {read}")
        if config.train.behavior_after:
            lines.append(first_alone(config))
    lines += [*prepared.notes, *history.in_words(that_matter(setup.changes))]
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def first_alone(config: Config) -> str:
    """When actor and critic begin to learn, in updates and in steps."""
    updates, owed = config.train.behavior_after, config.replay.batch * config.replay.length
    steps = prefill(config) + math.ceil(updates * owed / max(config.train.ratio, 1))
    until = f"the first {updates:,} updates, about {steps:,} of {config.train.steps:,} steps"
    return f"the world model learns alone for {until}; actions are random meanwhile"


def compile_(setup: Setup, run: Run, sizes: Sizes) -> tuple[Run, Programs]:
    """Compiles the programs. Where only they show that a new ring is too large, a smaller one."""
    try:
        return run, preflight(run, sizes)
    except DoesNotFit as error:
        if CAPACITY not in setup.auto or manifest.exists(setup.logdir):
            raise
        smaller = with_capacity(run, error.fits)
        if smaller is run:
            raise
        print(f"{error}; a smaller ring is compiled", file=sys.stderr, flush=True)
        return smaller, preflight(smaller, sizes)
