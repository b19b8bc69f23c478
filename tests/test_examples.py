"""The examples run as they are, and what they train can be evaluated."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest
from command import ENVIRON, ROOT, lines

EXAMPLES = ROOT / "examples"
NAME = "gym:own_environment:Corridor-v0"


def test_an_environment_of_your_own_is_trained_and_evaluated(tmp_path: Path) -> None:
    environ = {**ENVIRON, "PYTHONPATH": os.pathsep.join([str(ROOT), str(EXAMPLES)])}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(str(EXAMPLES / "own_environment.py"), "--steps=80")
    logdir = tmp_path / "logdir" / "corridor"
    assert any(line.get("loss/reward") is not None for line in lines(logdir))
    episodes = lines(logdir, "episodes")
    assert episodes
    for episode in episodes:  # scores are those of the environment, whether it arrived or not
        length = episode["length"]
        ends = [1 - 0.05 * (length - 1), *([-0.05 * length] if length == 20 else [])]
        assert length <= 20 and any(episode["score"] == pytest.approx(x, abs=1e-4) for x in ends)
    evaluate = ("--mode=eval", f"--env={NAME}", f"--logdir={logdir}", "--episodes=2")
    said = run("-m", "dreamer_jax.main", *evaluate)
    assert said.startswith("greedy   2 episodes") and "sampled" in said


def test_the_goal_is_at_the_end_of_the_corridor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    env = gymnasium.make("own_environment:Corridor-v0")
    try:
        seen, _ = env.reset(seed=3)
        rewards, arrived = [], False
        for _ in range(4 - int(seen.argmax())):
            seen, reward, arrived, *_ = env.step(1)
            rewards.append(reward)
        assert arrived and seen.argmax() == 4 and rewards[-1] == 1
        assert set(rewards[:-1]) <= {-0.05}
    finally:
        env.close()
        gymnasium.registry.pop("Corridor-v0")
        sys.modules.pop("own_environment")
