"""Run by test_mesh.py in a process with eight devices: writes what it finds to facts.json."""

import contextlib
import dataclasses
import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from command import SMALL, call, lines
from witness import Witness

import envs
from dreamer_jax import mesh as meshes
from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent as dreamer
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide, stored
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.config import Replay
from dreamer_jax.replay import ring as replay
from dreamer_jax.run import device_functions, programs
from dreamer_jax.run.layout import make, seed_on_device
from dreamer_jax.run.state import Run, remembered
from dreamer_jax.types import Agent, Recordings, ReplayState, Step
from envs.play import program as play

DEVICES, FILLED, SEED = 8, 20, 0
RECORDED = 100  # added to the rewards of a recording
WIDE = (
    *(*SMALL, "--set=train.envs=8", "--set=replay.batch=8", "--set=train.prefill=80"),
    "--set=train.report_every=0",
)


def everything() -> dict[str, Any]:
    """All findings by name."""
    config = decide(parse(["main", *WIDE], ["train"])).config
    env = envs.make("counting", config.env, num_envs=DEVICES, seed=0)
    agent = dreamer.make(config, spaces.of(env.obs_space, env.act_space))
    run = Run(
        agent=agent,
        env=env,
        config=config,
        seed=SEED,
        mesh=meshes.make(1),
        logdir=Path(),
        evaluate=lambda *_: {},
        begin=lambda state: state,
    )
    state = jax.jit(agent.learner.init)(jax.random.key(0))
    memory = filled(*remembered(run))
    eight, hlo = updated(agent, config, state, memory)
    return {
        "devices": len(jax.devices()),
        "losses": [updated_on_one(agent, config, state, memory), eight],
        "rows": rows_drawn(config, memory),
        "recorded": recorded_drawn(config, memory),
        "ring_bytes": sum(x.nbytes for x in jax.tree.leaves(memory)),
        "gradients": sum(x.size for x in jax.tree.leaves(state.params)),
        "hlo": hlo,
    }


def filled(step: Any, latent: Any) -> ReplayState:
    """A ring with made-up steps; the reward names the row."""
    generator, memory = np.random.default_rng(0), empty(step, latent)
    shapes: Step = memory.steps
    add = jax.jit(replay.add)
    for time in range(FILLED):
        made_up: dict[str, Any] = {
            "obs": {
                "vector": generator.normal(size=(DEVICES, 2)).astype(np.float32),
                "discrete": generator.integers(0, 6, (DEVICES, 1)).astype(np.int32),
            },
            "action": {"action": generator.integers(0, 3, (DEVICES, 1)).astype(np.int32)},
            "reward": np.arange(DEVICES, dtype=np.float32),
            "is_first": np.full(DEVICES, time % 6 == 0),
            "is_last": np.full(DEVICES, time % 6 == 5),
            "is_terminal": np.full(DEVICES, time % 12 == 5),
            "events": {key: np.zeros(DEVICES, np.float32) for key in shapes.events},
        }
        memory = add(memory, Step(**made_up), jax.tree.map(lambda x: x[:, 0], memory.latents))
    return memory


def empty(step: Any, latent: Any) -> ReplayState:
    """A ring with the online queue."""
    queue = jnp.zeros(DEVICES, jnp.int32)
    return replay.init(step, latent, rows=DEVICES, capacity=250, sampler=queue)


def drawer(config: Any) -> Any:
    """The compiled draw of a batch on all devices: (memory, key) -> memory, window."""
    return jax.jit(partial(device_functions.draw, fixed(config.replay)))


def fixed(config: Replay) -> device_functions.Fixed:
    """What the programs on all devices share; they draw the same for any agent."""
    return device_functions.make_fixed(
        Witness().agent(), config=config, layout=make(meshes.make(DEVICES), config)
    )


def rows_drawn(config: Any, memory: ReplayState) -> list[list[int]]:
    """The rows that the sequences of each device come from, over some draws."""
    memory = jax.device_put(memory, meshes.split(meshes.make(DEVICES)))
    draw = drawer(config)
    found: list[set[int]] = [set() for _ in range(DEVICES)]
    for seed in range(10):
        memory, window = draw(memory, jax.random.key(seed))
        for shard in window.steps.reward.addressable_shards:
            found[shard.index[1].start] |= set(np.asarray(shard.data).astype(int).flat)
    return [sorted(map(int, rows)) for rows in found]


def recorded_drawn(config: Any, memory: ReplayState) -> list[list[int]]:
    """The rows that the sequences of each device come from, where half of 16 are recorded."""
    mesh = meshes.make(DEVICES)
    config = dataclasses.replace(config.replay, batch=16, seed_from="here", seed_share=0.5)
    steps = jax.tree.map(lambda x: x[0, :FILLED], memory.steps)
    recordings = Recordings(steps=steps.replace(reward=steps.reward + RECORDED))
    memory = jax.device_put(memory, meshes.split(mesh))
    recordings = jax.device_put(recordings, make(mesh, config).recordings)
    _, window = jax.jit(partial(device_functions.draw, fixed(config)))(
        memory, jax.random.key(0), recordings
    )
    shards = window.steps.reward.addressable_shards
    found = [(shard.index[1].start, np.asarray(shard.data)) for shard in shards]
    return [x[0].astype(int).tolist() for _, x in sorted(found, key=lambda pair: pair[0])]


def updated(
    agent: Agent, config: Any, state: DreamerState, memory: ReplayState
) -> tuple[dict[str, float], str]:
    """Metrics of one update on all devices, and the text of the program that does it."""
    mesh = meshes.make(DEVICES)
    built = programs.build(
        agent, config=config.replay, layout=make(mesh, config.replay), memory=memory
    )
    # Copies, because the program takes what it is given.
    state = jax.device_put(jax.tree.map(jnp.copy, state), meshes.copied(mesh))
    memory = jax.device_put(jax.tree.map(jnp.copy, memory), meshes.split(mesh))
    count = jax.device_put(np.int32(1), meshes.copied(mesh))
    sums = programs.zeros(built.sums)
    arguments = (seed_on_device(make(mesh, config.replay), SEED), state, memory, sums, count)
    program = built.learn.lower(*arguments).compile()
    metrics = program(*arguments)[2]
    return {key: float(value) for key, value in metrics.items()}, program.as_text()


def updated_on_one(
    agent: Agent, config: Any, state: DreamerState, memory: ReplayState
) -> dict[str, float]:
    """Metrics of the same update of the same window on a single device."""
    draw_key, update_key = jax.random.split(
        device_functions.derive(SEED, purpose=device_functions.LEARN, counter=0)
    )
    split = jax.device_put(memory, meshes.split(meshes.make(DEVICES)))
    window = jax.device_put(drawer(config)(split, draw_key)[1], jax.devices()[0])
    metrics = jax.jit(agent.learner.update)(state, window, update_key)[2]
    return {key: float(value) for key, value in metrics.items()}


def mistakes(folder: Path) -> list[tuple[int, str]]:
    """Exit code and message where environments or sequences cannot be split."""
    uneven = (
        ("--set=train.envs=12",),
        ("--set=replay.batch=4",),
        (f"--set=replay.seed_from={recorded(folder)}",),
    )
    found = [call(*WIDE, *more, "--mesh=data=8", f"--logdir={folder}/no") for more in uneven]
    return [(result.code, result.err) for result in found]


def recorded(folder: Path) -> Path:
    """A recording in the environment of the runs here."""
    (folder / "script").write_text("1 x 9")
    flags = ("--env=counting", "--set=env.length=5", f"--script={folder}/script")
    play.main(["play", *flags, f"--record={folder}/recording"])
    return folder / "recording"


def trained(folder: Path) -> dict[str, Any]:
    """A whole run on eight devices; one device can read what it has saved."""
    logdir = folder / "run"
    code = call(*WIDE, "--mesh=data=8", "--steps=120", f"--logdir={logdir}").code
    state = restored(stored(logdir)).state
    written = [line["step"] for line in lines(logdir) if "optimizer/loss" in line]
    return {"code": code, "steps": written, "updates": int(state.updates)}


if __name__ == "__main__":
    temporary = Path(sys.argv[1])
    with contextlib.redirect_stdout(io.StringIO()):
        facts = everything()
        facts["mistakes"] = mistakes(temporary)
        facts["trained"] = trained(temporary)
    (temporary / "facts.json").write_text(json.dumps(facts))
