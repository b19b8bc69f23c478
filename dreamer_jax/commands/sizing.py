"""Fits a new run to the machine: the size of its model, its precision and its ring."""

from dataclasses import replace
from typing import Any

import configs
import envs
from dreamer_jax import config as config_
from dreamer_jax import limits
from dreamer_jax.agents.by_name import AGENTS, name_of
from dreamer_jax.commands.options import CAPACITY, SIZE, Setup
from dreamer_jax.config import AgentConfig
from dreamer_jax.machine import Machine
from dreamer_jax.run.fit import Sizes, held, with_largest_ring
from dreamer_jax.run.state import Run
from dreamer_jax.spaces import Interface


def with_model(setup: Setup, machine: Machine, interface: Interface) -> Setup:
    """The setup of a new run with a model that the machine trains at a useful rate.

    The precision is decided as well. Both are in config.json then, and a resume keeps them.
    """
    agent, sizing = setup.config.agent, AGENTS[setup.agent].sizing
    if sizing is not None and SIZE in setup.auto:
        agent = sizing.fitted(agent, machine, interface)
    agent = precise(agent, machine)
    return setup._replace(config=config_.resolve(replace(setup.config, agent=agent)))


def precise(config: Any, machine: Machine) -> Any:
    """The config, in whose sections each `dtype=auto` is the type that the machine computes in."""
    return replace(
        config,
        **{
            name: replace(section, dtype=machine.dtype)
            for name, section in limits.sections(config).items()
            if getattr(section, "dtype", "") == "auto"
        },
    )


def with_ring(setup: Setup, run: Run, sizes: Sizes, machine: Machine) -> Run:
    """The run with the largest ring that the machine carries, unless the user gave a capacity."""
    return with_largest_ring(run, sizes, machine) if CAPACITY in setup.auto else run


def summary(setup: Setup, run: Run, sizes: Sizes, machine: Machine, interface: Interface) -> str:
    """What a new run is about to use, in one line: device, preset, size, ring and rate."""
    agent, capacity = run.config.agent, run.config.replay.capacity
    parts = [f"preset {setup.preset}"]
    if size := name(agent):
        parts.append(f"size {size}")
    parts.append(f"ring of {capacity:,} steps ({bytes_in_words(held(capacity, sizes))})")
    if rate := updates_per_second(run, machine, interface):
        parts.append(f"about {short(rate)} updates/s")
    if machine.idle:
        every = machine.devices + machine.idle
        parts.append(f"{machine.idle} more idle (--mesh=data={every} uses all)")
    full = flags_of_full_size(setup, run)
    return f"{machine}: {', '.join(parts)}{'; full size: ' * bool(full)}{' '.join(full)}"


def name(agent: AgentConfig) -> str:
    """The size of an agent and the type it computes in; empty for agents without a size."""
    sizing = AGENTS[name_of(agent)].sizing
    return f"{sizing.name(agent)} in {sizing.dtype(agent)}" if sizing else ""


def updates_per_second(run: Run, machine: Machine, interface: Interface) -> float:
    """How many to expect, as `Machine.rate` has it; 0 for agents whose cost is not known."""
    agent, replay = run.config.agent, run.config.replay
    sizing = AGENTS[name_of(agent)].sizing
    if sizing is None:
        return 0.0
    cost = sizing.operations(agent, interface) * replay.batch * replay.length
    return 1 / (cost / machine.devices / machine.rate + machine.latency)


def short(rate: float) -> str:
    """Two digits, such as 0.31, 4.5 and 120."""
    return f"{rate:.2g}" if rate < 10 else f"{rate:.0f}"


def bytes_in_words(number: int) -> str:
    """Such as 6.7 GB or 14 MB."""
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.0f} MB"


def flags_of_full_size(setup: Setup, run: Run) -> list[str]:
    """The flags that give what a large GPU would get instead of what the machine decided."""
    family = envs.family(setup.env)
    preset = setup.preset
    if preset in configs.ON_CPU.values():
        preset = configs.default(setup.env, family)
    full = configs.load(preset, family=family, options=setup.config.env)
    sizing, flags = AGENTS[setup.agent].sizing, list[str]()
    if preset != setup.preset:
        flags.append(f"--config={preset}")
    if SIZE in setup.auto and sizing is not None:
        size = sizing.name(full.agent)
        if size != sizing.name(run.config.agent):
            flags.append(f"--size={size}")
    if CAPACITY in setup.auto and full.replay.capacity != run.config.replay.capacity:
        flags.append(f"--set {CAPACITY}={full.replay.capacity}")
    return flags
