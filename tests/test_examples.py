"""The examples run as they are, and what they train can be evaluated."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from command import ENVIRON, ROOT, SMALL, call, lines
from example_modules import EXAMPLES, importable
from made_runs import made

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.config import Config
from dreamer_jax.host import array_files
from dreamer_jax.run import checkpoint
from dreamer_jax.spaces import Interface, Spaces
from dreamer_jax.types import AnyAgent, Step, Window
from envs.kinds import Bits, Vector

NAME = "gym:own_environment:Corridor-v0"
DQN = ("--env=cartpole", "--agent=dqn", "--config=debug")


@pytest.fixture
def examples() -> Iterator[None]:
    """Examples can be imported."""
    with importable():
        yield


@pytest.fixture
def own_agent(examples: None) -> Any:
    """The module of the agent, which is registered."""
    del examples
    return importlib.import_module("own_agent")


def run(folder: Path, *command: Any) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder, where it finds the examples."""
    environ = {**ENVIRON, "PYTHONPATH": os.pathsep.join([str(ROOT), str(EXAMPLES)])}
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True)


def test_an_environment_of_your_own_is_trained_and_evaluated(tmp_path: Path) -> None:
    done = run(tmp_path, EXAMPLES / "own_environment.py", "--steps=80")
    assert done.returncode == 0, done.stderr
    logdir = tmp_path / "logdir" / "corridor"
    assert any(line.get("world_model/loss/reward") is not None for line in lines(logdir))
    episodes = lines(logdir, "episodes")
    assert episodes
    for episode in episodes:  # scores are those of the environment, whether it arrived or not
        length = episode["length"]
        ends = [1 - 0.05 * (length - 1), *([-0.05 * length] if length == 20 else [])]
        assert length <= 20 and any(episode["score"] == pytest.approx(x, abs=1e-4) for x in ends)
    evaluate = ("--mode=eval", f"--env={NAME}", f"--logdir={logdir}", "--episodes=2")
    done = run(tmp_path, "-m", "dreamer_jax.main", *evaluate)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("greedy   2 episodes") and "sampled" in done.stdout


def test_catch_is_trained_and_evaluated_by_the_same_file(tmp_path: Path) -> None:
    flags = ("--config=debug", "--set=replay.length=8", f"--logdir={tmp_path / 'run'}")
    done = run(tmp_path, EXAMPLES / "catch.py", *flags, "--steps=80")
    assert done.returncode == 0, done.stderr
    assert lines(tmp_path / "run", "episodes")
    done = run(tmp_path, EXAMPLES / "catch.py", *flags, "--mode=eval", "--episodes=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("greedy   2 episodes") and "sampled" in done.stdout


def test_a_trained_agent_is_used_and_asked(tmp_path: Path) -> None:
    flags = [flag for flag in SMALL[1:] if "env.length" not in flag]
    logdir = made(tmp_path / "run", "--env=cartpole", *flags)
    done = run(tmp_path, EXAMPLES / "use_a_trained_agent.py", logdir)
    assert done.returncode == 0 and done.stderr == ""
    scores = [float(re.split("score |,", line)[1]) for line in done.stdout.splitlines()]
    assert len(scores) == 3 and all(8 <= score <= 500 for score in scores)
    done = run(tmp_path, EXAMPLES / "imagine.py", logdir)
    assert done.returncode == 0 and done.stderr == ""
    first, second, *_, last = done.stdout.splitlines()
    assert first.startswith("sees [") and second.startswith("step 1: off by ")
    assert re.search(r"90 of 100 futures are worth -?[\d.]+ to -?[\d.]+$", last)


@pytest.mark.usefixtures("examples")
def test_the_goal_is_at_the_end_of_the_corridor() -> None:
    env = gymnasium.make("own_environment:Corridor-v0")
    seen, _ = env.reset(seed=3)
    rewards, arrived = [], False
    for _ in range(4 - int(seen.argmax())):
        seen, reward, arrived, *_ = env.step(1)
        rewards.append(reward)
    env.close()
    assert arrived and seen.argmax() == 4 and rewards[-1] == 1
    assert set(rewards[:-1]) <= {-0.05}


@pytest.mark.usefixtures("examples")
def test_a_network_of_your_own_reads_an_observation() -> None:
    """It is initialized, acts, and gets gradients; every other observation is read as usual."""
    own = importlib.import_module("own_network")
    dreamer = tiny.make({own.KEY: Vector(3), "door": Bits(2)}, make_networks=own.own_networks)
    state = tiny.made_up(dreamer)
    obs = tiny.experience(dreamer).obs

    def read(encoder: Any) -> tuple[jax.Array, jax.Array]:
        tokens = dreamer.encode({"encoder": encoder}, obs)
        return tokens.sum(), tokens

    slope, tokens = jax.jit(jax.grad(read, has_aux=True))(state.params["encoder"])
    assert tokens.shape == (tiny.LENGTH, tiny.BATCH, 3 * dreamer.config.model.units)
    assert slope.keys() == {"usual", "waves"}
    assert all(np.asarray(x).any() for x in jax.tree.leaves(slope))
    assert AGENTS["dreamer"].make.keywords == {"make_networks": own.own_networks}


@pytest.mark.usefixtures("own_agent")
def test_an_agent_of_your_own_resumes_to_the_same_arrays(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for logdir, steps in ((whole, 150), (parts, 90), (parts, 150)):
        result = call(*DQN, f"--steps={steps}", f"--logdir={logdir}")
        assert result.code == 0, result.err
    found = []
    for logdir in (whole, parts):
        folder = logdir / "checkpoints"
        tail = array_files.read_all(checkpoint.path_of(folder, 150, name="tail"))
        arrays = array_files.named(checkpoint.read_arrays(folder, 150))
        found.append({**arrays, **array_files.named(tail)})
    assert any("target" in name for name in found[0]) and found[0]["agent/updates"] > 10
    np.testing.assert_equal(found[1], found[0])
    done = run(tmp_path, EXAMPLES / "own_agent.py", "--mode=eval", f"--logdir={parts}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("greedy   100 episodes") and "sampled" in done.stdout


@pytest.mark.usefixtures("own_agent")
def test_an_agent_of_your_own_learns_to_balance(tmp_path: Path) -> None:
    """Random actions keep the pole up for 22 steps; seeds 0 to 5 reach 117 to 383 here."""
    flags = ("--steps=10000", "--set=train.ratio=64", "--set=train.eval_every=0")
    result = call("--env=cartpole", "--agent=dqn", *flags, f"--logdir={tmp_path / 'run'}")
    assert result.code == 0, result.err
    result = call("--mode=eval", f"--logdir={tmp_path / 'run'}", "--episodes=32")
    assert float(result.out.split("mean ")[1].split()[0]) > 80


@pytest.mark.usefixtures("own_agent")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--env=cartpole_pixels",), "no images, texts and grids: not 'image'"),
        (("--env=gym:Pendulum-v1",), "one discrete choice a step, and cannot give: action"),
        (("--env=cartpole", "--size=1m"), "--size=1m: a DQN takes a number"),
        (("--env=cartpole", "--set=q.discount=1"), "q.discount=1.0: must be at least 0 and below"),
        (("--env=cartpole", "--set=train.learn=behavior"), "train.learn=behavior: must be all"),
    ],
)
def test_what_an_agent_of_your_own_cannot_do(
    tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    result = call("--agent=dqn", *flags, f"--logdir={tmp_path / 'run'}")
    assert result.code == 2 and said in result.err and result.err.count("\n") == 1


@pytest.mark.usefixtures("own_agent")
def test_a_world_model_comes_from_the_same_kind_of_agent(tmp_path: Path) -> None:
    source, logdir = tmp_path / "dqn", tmp_path / "run"
    assert call(*DQN, "--steps=40", f"--logdir={source}").code == 0
    learn = ("--set=train.learn=behavior", f"--set=train.world_model={source}")
    result = call("--env=cartpole", "--config=debug", *learn, f"--logdir={logdir}")
    assert result.code == 2 and f"{source} has the agent 'dqn'" in result.err


def walk(env: gymnasium.Env, steps: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Random steps in a corridor, some of whose episodes are cut off or abandoned: [steps, ...]."""
    seen: list[Any] = []
    fresh, count, cell = True, 0, np.zeros(0)
    for _ in range(steps):
        reward, arrived = 0.0, False
        if fresh:
            count = 0
            cell, _ = env.reset(seed=int(random.integers(1 << 31)))
        else:
            cell, reward, arrived, *_ = env.step(seen[-1][1])
            count += 1
        last = arrived or count == 6
        action = 0 if last else int(random.integers(2))
        seen.append((cell, action, reward, fresh, last, arrived))
        fresh = last or random.random() < 0.1
    names = ("obs", "action", "reward", "is_first", "is_last", "is_terminal")
    columns = zip(*seen, strict=True)
    return {name: np.stack(column) for name, column in zip(names, columns, strict=True)}


def windows(count: int) -> list[Window]:
    """Windows [17, 16] of random walks."""
    env = importlib.import_module("own_environment").Corridor()
    random, zero = np.random.default_rng(0), jnp.zeros((), jnp.int32)
    found = []
    for _ in range(count):
        walks = [walk(env, 17, random) for _ in range(16)]
        x = {name: jnp.stack([each[name] for each in walks], 1) for name in walks[0]}
        obs, action = {"cell": x.pop("obs")}, {"move": x.pop("action")[..., None]}
        step = Step(obs=obs, action=action, events={}, **{**x, "reward": x["reward"] * 1.0})
        found.append(Window(steps=step, latents=None, row=zero, time=zero))
    return found


def corridor_agent(own_agent: Any, *flags: str) -> AnyAgent:
    """A DQN for corridors, with other values of its section `q`."""
    q = own_agent.Q(**{name: float(x) for name, _, x in (flag.partition("=") for flag in flags)})
    obs, act = Spaces(vectors={"cell": 5}), Spaces(choices={"move": (2,)})
    return own_agent.make(Config(agent=own_agent.DQNConfig(q=q)), Interface(obs=obs, act=act))


def known_values(discount: float) -> np.ndarray:
    """Q* [4, 2] of moving left and right in each cell of a corridor but the last."""
    value = np.zeros(5)
    while True:
        left = [-0.05 + discount * value[max(cell - 1, 0)] for cell in range(4)]
        right = [-0.05 + discount * value[cell + 1] for cell in range(3)] + [1.0]
        q = np.stack([left, right], 1)
        if np.array_equal(value[:4], q.max(1)):
            return q
        value[:4] = q.max(1)


def test_an_agent_of_your_own_finds_the_known_values(own_agent: Any) -> None:
    """They are neither those where a cut ends all, nor those where an episode leads to the next."""
    agent = corridor_agent(own_agent, "discount=0.9", "lambda_=0")
    drawn, key = windows(8), jax.random.key(0)
    state = agent.learner.init(key)
    for i in range(800):
        state, _, _ = agent.learner.update(state, drawn[i % 8], key)
    q = own_agent.QNetwork(own_agent.Q(), 2).apply(state.params, jnp.eye(5)[:4])
    np.testing.assert_allclose(q, known_values(0.9), atol=0.02)
    _, action, _ = agent.player.greedy(
        agent.player.actor(state), None, {"cell": jnp.eye(5)[:4]}, jnp.zeros(4, bool), key
    )
    assert action["move"].tolist() == [[1]] * 4


def slow_errors(
    q: np.ndarray, target: np.ndarray, steps: Any, gamma: float, lambda_: float
) -> np.ndarray:
    """|δ| [T, B], one by one, of Q [W, B, 2] and that of the target network."""
    length, batch = steps.reward.shape

    def returned(t: int, b: int) -> float:
        if steps.is_terminal[t + 1, b]:
            return steps.reward[t + 1, b]
        value = target[t + 1, b, q[t + 1, b].argmax()]
        if t + 2 == length or steps.is_first[t + 2, b]:
            return steps.reward[t + 1, b] + gamma * value
        following = (1 - lambda_) * value + lambda_ * returned(t + 1, b)
        return steps.reward[t + 1, b] + gamma * following

    error = np.zeros((length - 1, batch))
    for t, b in np.argwhere(~steps.is_first[1:]):
        error[t, b] = abs(returned(t, b) - q[t, b, steps.action["move"][t, b, 0]])
    return error


def test_the_errors_of_an_agent_of_your_own(own_agent: Any) -> None:
    agent = corridor_agent(own_agent, "discount=0.8", "lambda_=0.7", "learning_rate=0.1")
    (window,), key = windows(1), jax.random.key(0)
    state, _, _ = agent.learner.update(agent.learner.init(key), window, key)
    _, fresh, _ = agent.learner.update(state, window, key)
    steps, network = jax.device_get(window.steps), own_agent.QNetwork(own_agent.Q(), 2)
    q, target = (
        np.asarray(network.apply(x, steps.obs["cell"])) for x in (state.params, state.target)
    )
    assert np.any(q.argmax(-1) != target.argmax(-1)) and steps.is_terminal.any()
    assert np.any(steps.is_last & ~steps.is_terminal) and np.any(
        steps.is_first[1:] & ~steps.is_last[:-1]
    )
    wanted = slow_errors(q, target, steps, 0.8, 0.7)
    np.testing.assert_allclose(fresh.loss, wanted, rtol=1e-4, atol=1e-5)
