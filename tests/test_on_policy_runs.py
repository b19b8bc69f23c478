"""Runs of on-policy agents: their presets, resume, evaluation, and what they cannot do."""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from command import call

import configs
import envs
from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.run import checkpoint

IN_BETWEEN = 44  # steps; with 4 environments and rollouts of 5 steps, in the middle of the second
SMALL = (
    "--env=counting",
    "--set=env.length=4",
    *("--set=train.envs=4", "--set=replay.batch=4", "--set=replay.length=5"),
    *("--set=replay.capacity=64", "--set=train.log_every=20", "--set=train.eval_every=0"),
    *("--set=ppo.minibatches=2", "--set=ppo.epochs=2", "--set=model.units=8"),
)
MEMORY = ("--set=model.memory=gru", "--set=model.memory_units=8", "--set=model.depth=1")


def learned(logdir: Path, step: int) -> dict[str, Any]:
    found = checkpoint.read_arrays(logdir / "checkpoints", step)
    return {name: found[name] for name in ("agent", "replay", "acting")}


def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(tmp_path: Path) -> None:
    """In the middle of a rollout, with a memory; and what else can be done with it."""
    logdir = tmp_path / "run"
    command = (*SMALL, *MEMORY, "--agent=ppo", "--seed=3", f"--logdir={logdir}")
    result = call(*command, "--steps=80", f"--set=train.save_every={IN_BETWEEN}")
    assert result.code == 0, result.err
    assert checkpoint.steps(logdir / "checkpoints") == [IN_BETWEEN, 80]
    whole = learned(logdir, 80)
    assert whole["agent"]["updates"] == 3
    shutil.rmtree(logdir / "checkpoints" / "80")
    assert call(f"--logdir={logdir}").code == 0
    jax.tree.map(np.testing.assert_array_equal, learned(logdir, 80), whole)
    for mode in ("dream", "play"):  # export may lack its package first
        result = call(f"--mode={mode}", f"--logdir={logdir}")
        assert result.code == 2 and result.err.count("\n") == 1
        assert "has no model" in result.err


@pytest.mark.parametrize(
    ("env", "agent", "preset"),
    [
        ("cartpole", "ppo", "cartpole_ppo"),
        ("cartpole_pixels", "ppo", "cartpole_ppo"),
        ("cartpole", "hybrid", "cartpole_hybrid"),
        ("atari_pong", "ppo", "atari_ppo"),
        ("mario_1_1", "hybrid", "mario_hybrid"),
        ("gameboy_demo", "ppo", "gameboy_demo_ppo"),
        ("gym:Pendulum-v1", "ppo", "gym_ppo"),
        ("counting", "hybrid", "gym_hybrid"),
        ("pokemon_red", "ppo", "gym_ppo"),
        ("cartpole", "dreamer", "cartpole"),
    ],
)
def test_each_agent_has_presets(env: str, agent: str, preset: str) -> None:
    family, options = envs.family(env), envs.default_options(env)
    assert configs.default(env, family, agent=agent) == preset
    found = configs.load(preset, family=family, options=options)
    assert isinstance(found.agent, AGENTS[agent].config)
    if agent != "dreamer":
        assert (found.replay.sampler, found.train.ratio) == ("newest", 1)
        assert found.replay.batch == found.train.envs


def test_the_agent_chooses_its_preset(tmp_path: Path) -> None:
    for given in (("--agent=ppo",), ("--config=cartpole_ppo",)):
        flags = parse(["main", "--env=cartpole", f"--logdir={tmp_path / 'x'}", *given], ("train",))
        setup = decide(flags)
        assert (setup.agent, setup.preset) == ("ppo", "cartpole_ppo")
    result = call("--env=cartpole", "--agent=ppo", "--config=cartpole", f"--logdir={tmp_path}")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "replay.sampler=online: this agent learns from what its policy" in result.err
    assert not list(tmp_path.iterdir())
