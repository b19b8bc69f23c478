"""Runs whose episodes begin at milestones: killed in the middle of one, recorded and evaluated."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from press_counter import build
from witness import Carry, Kept, State, Witness, compiled

from dreamer_jax import mesh
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.commands.evaluation_players import make_evaluator
from dreamer_jax.commands.options import Setup
from dreamer_jax.config import Config, Replay, Train
from dreamer_jax.host import array_files
from dreamer_jax.loops.train import train
from dreamer_jax.run import checkpoint
from dreamer_jax.run.state import Run
from dreamer_jax.types import Agent, Refresh, Window
from envs.pokemon.environment import Options
from envs.vector.vector import VectorizedEnv
from experiments.crash_test import digests

pytest.importorskip("pyboy", reason="needs pip install -e .[pokemon]", exc_type=ImportError)

CONFIG = Config(
    agent=DreamerConfig(),
    env=Options(curriculum=0.6, steps=9, wait=3),
    replay=Replay(capacity=80, batch=2, length=5),
    train=Train(
        envs=2,
        steps=120,
        ratio=1,
        prefill=20,
        log_every=30,
        log_seconds=0,
        report_every=0,
        save_every=35,
        keep=9,
    ),
)


def press_anything(actor: jax.Array, carry: Carry, obs: Any, is_first: Any, key: jax.Array) -> Any:
    """Acts at random; the latent is where the player is."""
    del actor, is_first
    rows = obs["numbers"].shape[0]
    latent = Kept(obs["numbers"][:, :1].astype(jnp.uint16), obs["map"].astype(jnp.uint8))
    return carry, {"action": jax.random.randint(key, (rows, 1), 0, 7)}, latent


def remember(state: State, window: Window, key: jax.Array) -> Any:
    """Sums what is drawn, so that the state depends on all of it."""
    seen = jnp.sum(window.steps.obs["visited"]) + jnp.sum(window.steps.reward)
    state = state.replace(momentum=state.momentum + seen * jax.random.uniform(key))
    latents = jax.tree.map(lambda x: x[1:], window.latents)
    return (
        state.replace(updates=state.updates + 1),
        Refresh(latents=latents, loss=jnp.zeros(latents.count.shape[:2])),
        {"seen": seen},
    )


def run(logdir: Path) -> Run:
    agent = Witness().agent()
    player = agent.player._replace(act=press_anything, greedy=press_anything)
    agent = Agent(agent.learner._replace(update=remember), player)
    env = build(2, **vars(CONFIG.env))
    return Run(
        agent=agent,
        env=env,
        config=CONFIG,
        seed=0,
        mesh=mesh.make(1),
        logdir=logdir,
        evaluate=lambda *_: {},
        begin=lambda state: state,
    )


def play(logdir: Path) -> None:
    made = run(logdir)
    train(made, compiled(made))
    made.env.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a break."""
    logdir = tmp_path_factory.mktemp("whole")
    play(logdir)
    return logdir


def saved(logdir: Path) -> dict[str, Any]:
    """SHA-256 of each array that the run has saved last, and its journal."""
    directory = logdir / "checkpoints"
    newest = checkpoint.steps(directory)[-1]
    return {**digests(logdir), "journal": checkpoint.read_counters(directory, newest)["journal"]}


def episodes(logdir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (logdir / "episodes.jsonl").read_text().splitlines()]


def middle_of_one(logdir: Path) -> int:
    """A checkpoint while an episode runs that began at a milestone."""
    for step in checkpoint.steps(logdir / "checkpoints"):
        env = array_files.read_all(checkpoint.path_of(logdir / "checkpoints", step, name="env"))
        if ((env["frontier/origins"] >= 0) & (env["length"] > 1)).any():
            return step
    raise AssertionError("there is none")


def test_killed_in_the_middle_of_such_an_episode_a_run_is_the_same(whole: Path, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(whole, broken)
    last = middle_of_one(whole)
    for step in checkpoint.steps(whole / "checkpoints"):
        if step > last:
            shutil.rmtree(broken / "checkpoints" / str(step))
    play(broken)
    expected = saved(whole)
    assert any(name.startswith("env/frontier/ways") for name in expected)
    assert saved(broken) == expected
    assert episodes(broken) == episodes(whole)


def test_episodes_are_told_apart(whole: Path):
    """In the record, and in the scores that are shown."""
    found = episodes(whole)
    begun = {line.get("start") for line in found}
    assert None in begun and len(begun) > 2 and "" not in begun
    metrics = [json.loads(x) for x in (whole / "metrics.jsonl").read_text().splitlines()]
    for name, ours in (("episode", False), ("collection/frontier", True)):
        shown = [x for x in metrics if f"{name}/mean_score" in x]
        assert shown
        since = 0
        for line in metrics:
            if "speed/frames_per_second" in line and "unfinished" not in line:
                scores = [
                    x["score"]
                    for x in found
                    if since <= x["step"] < line["step"] and ("start" in x) == ours
                ]
                assert line.get(f"{name}/mean_score") == (np.mean(scores) if scores else None)
                since = line["step"]


def test_an_evaluation_begins_at_the_beginning(whole: Path):
    made = run(whole)
    setup = Setup(
        env="gameboy_demo",
        preset="debug",
        agent="dreamer",
        seed=0,
        config=CONFIG,
        mesh="data=1",
        logdir=whole,
        auto=(),
    )
    player = make_evaluator(setup, player=made.agent.player, act=press_anything, episodes=2, seed=1)
    assert isinstance(player.env, VectorizedEnv)
    assert player.env._frontier is None and player.env.starts == ["", ""]
    made.env.close()
    player.env.close()
