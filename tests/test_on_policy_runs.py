"""Runs of on-policy agents: their presets, resume, evaluation, and what they cannot do."""

import json
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

AFTER_WHICH = 44  # steps; with 4 environments and rollouts of 5 steps, in the middle of the second
SMALL = (
    "--env=counting",
    "--set=env.length=4",
    *("--set=train.envs=4", "--set=replay.batch=4", "--set=replay.length=5"),
    *("--set=replay.capacity=64", "--set=train.log_every=20", "--set=train.eval_every=0"),
    *("--set=ppo.minibatches=2", "--set=ppo.epochs=2", "--set=model.units=8"),
)
OF_AGENT = {
    "ppo": ("--set=model.memory=gru", "--set=model.memory_units=8", "--set=model.depth=1"),
    "hybrid": (
        *("--set=model.deter=16", "--set=model.hidden=8", "--set=model.stoch=3"),
        *("--set=heads.units=8", "--set=world_model.epochs=1", "--set=train.report_every=40"),
    ),
}


def learned(logdir: Path, step: int) -> dict[str, Any]:
    found = checkpoint.read_arrays(logdir / "checkpoints", step)
    return {name: found[name] for name in ("agent", "replay", "acting")}


@pytest.mark.parametrize("agent", OF_AGENT)
def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(agent: str, tmp_path: Path) -> None:
    command = (*SMALL, *OF_AGENT[agent], f"--agent={agent}", "--seed=3")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for logdir, steps in ((whole, 80), (parts, AFTER_WHICH), (parts, 80)):
        result = call(*command, f"--logdir={logdir}", f"--steps={steps}")
        assert result.code == 0, result.err
    jax.tree.map(np.testing.assert_array_equal, learned(parts, 80), learned(whole, 80))
    assert learned(whole, 80)["agent"]["updates"] == 3
    result = call("--mode=eval", "--episodes=3", f"--logdir={whole}")
    assert result.code == 0 and "greedy" in result.out, result.err
    if agent == "ppo":
        for mode in ("dream", "play", "export"):
            result = call(f"--mode={mode}", f"--logdir={whole}")
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


def test_a_world_model_of_dreamer_can_be_inherited(tmp_path: Path) -> None:
    """And frozen; the sizes are those of the run that it comes from."""
    sizes = ("--set=model.deter=16", "--set=model.hidden=8", "--set=model.stoch=3")
    sizes = (*sizes, "--set=model.units=8", "--set=model.classes=4", "--set=model.blocks=4")
    source, logdir = tmp_path / "source", tmp_path / "run"
    common = ("--env=counting", "--set=env.length=4", "--set=model.vectors=standardize")
    assert call(*common, *sizes, f"--logdir={source}", "--steps=16").code == 0
    given = (f"--set=train.world_model={source}", "--set=train.learn=behavior")
    frozen = (*SMALL, *sizes, "--set=heads.units=8", "--agent=hybrid", *given)
    result = call(*frozen, f"--logdir={logdir}", "--steps=48")
    assert result.code == 0, result.err
    theirs, ours = learned(source, 16)["agent"], learned(logdir, 48)["agent"]
    for name in ("encoder", "rssm", "decoder", "reward", "continue"):
        jax.tree.map(np.testing.assert_array_equal, theirs["params"][name], ours["params"][name])
    jax.tree.map(np.testing.assert_array_equal, theirs["moments"], ours["moments"])
    assert ours["updates"] == 2
    taken = call(*SMALL, "--agent=hybrid", f"--init_from={source}", "--steps=8", "--dry_run")
    assert taken.code == 0 and f"arrays from {source} at step 16" in taken.err
    kept = json.loads((logdir / "config.json").read_text())
    assert kept["agent"] == "hybrid" and kept["config"]["train"]["learn"] == "behavior"
    refused = call(*SMALL, "--agent=ppo", f"--init_from={source}", f"--logdir={tmp_path / 'no'}")
    assert refused.code == 2 and "whose weights 'ppo' cannot use" in refused.err
