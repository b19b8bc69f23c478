"""Environments in processes of their own: crashes, hangs, signals, and what stays behind."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import envs
from envs.seeding import episode_seed
from envs.timestep import Timestep
from envs.vector.failures import PATIENCE, EnvironmentFailed
from envs.vector.vector import VectorizedEnv

NAME = "gym:fragile_module:Fragile-v0"
ACT = {"action": np.zeros((3, 1), np.int32)}

# Does what the file with the number of its process says, or the one called 'everyone'.
FRAGILE = '''
import os
import subprocess
import time
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium import spaces

FOLDER = Path(__file__).parent


class Fragile(gymnasium.Env):
    """Shows [process, steps taken] and the seed of the episode."""

    observation_space = spaces.Dict(
        {"state": spaces.Box(0, np.inf, (2,)), "seed": spaces.MultiDiscrete([2**11] * 3)}
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.obey("reset")
        self.seed, self.count = seed, 0
        return self.observe(), {}

    def step(self, action):
        self.obey("step")
        self.count += 1
        return self.observe(), 1.0, False, False, {}

    def observe(self):
        seed = [self.seed >> 22, self.seed >> 11 & 2047, self.seed & 2047]
        return {"state": np.array([os.getpid(), self.count], np.float32), "seed": seed}

    def close(self):
        (FOLDER / f"{os.getpid()}-closed").touch()

    def obey(self, where):
        for who in (os.getpid(), "everyone"):
            order = FOLDER / f"{who}-{where}"
            if not order.exists():
                continue
            what = order.read_text()
            if who != "everyone":
                order.unlink()
            if what == "raise":
                raise RuntimeError("the lever broke")
            if what == "exit":
                os._exit(7)
            if what == "crash":
                os.abort()
            if what == "hang":
                sleeper = subprocess.Popen(["sleep", "600"])
                (FOLDER / "sleeper").write_text(str(sleeper.pid))
                time.sleep(600)


gymnasium.register("Fragile-v0", Fragile)
'''


@pytest.fixture
def fragile(tmp_path, monkeypatch) -> Iterator[Callable[..., VectorizedEnv]]:
    """Makes three fragile environments, which obey the files in `tmp_path`."""
    (tmp_path / "fragile_module.py").write_text(FRAGILE)
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def make(**changes) -> VectorizedEnv:
        options = dataclasses.replace(envs.default_options(NAME), **changes)
        made.append(envs.make(NAME, options, num_envs=3, seed=0))
        return made[-1]

    yield make
    for env in made:
        env.close()


def pids(timestep: Timestep) -> list[int]:
    return timestep.obs["state"][:, 0].astype(int).tolist()


def counts(timestep: Timestep) -> list[int]:
    return timestep.obs["state"][:, 1].astype(int).tolist()


def seeds(timestep: Timestep) -> list[int]:
    return (timestep.obs["seed"].astype(int) @ [2**22, 2**11, 1]).tolist()


def gone(pid: int, seconds: float = 0) -> bool:
    """Whether there is no such process, not even a zombie, within some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def dead(pid: int, seconds: float) -> bool:
    """Whether the process ends, or is a zombie, within some seconds."""
    deadline = time.monotonic() + seconds
    while not gone(pid):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("raise", "RuntimeError: the lever broke"),
        ("exit", "exit code 7"),
        ("crash", "SIGABRT"),
        ("kill", "SIGKILL"),
        ("hang", "no answer within 4 seconds"),
    ],
)
def test_a_failure_costs_an_episode(fragile, tmp_path, caplog, what, told):
    env = fragile(timeout=4.0 if what == "hang" else 60.0)
    env.reset()
    before = env.step(ACT)
    victim = pids(before)[1]
    if what == "kill":
        os.kill(victim, signal.SIGKILL)
    else:
        (tmp_path / f"{victim}-step").write_text(what)
    seen = env.step(ACT)
    assert counts(seen) == [2, 1, 2] and pids(seen) == pids(before)
    assert seen.reward.tolist() == [1, 0, 1]
    assert seen.is_last.tolist() == [False, True, False]
    assert not seen.is_terminal.any() and not seen.is_first.any()
    assert told in caplog.text
    after = env.step(ACT)
    assert counts(after) == [3, 0, 3]
    assert after.is_first.tolist() == [False, True, False]
    assert pids(after)[::2] == pids(before)[::2] and pids(after)[1] != victim
    assert seeds(after)[1] == episode_seed(0, 1, 1)
    assert env.restarts == 1 and env.episodes.tolist() == [0, 1, 0] and env.failure == ""
    assert gone(victim)
    if what == "hang":
        # What the environment had started is gone as well.
        assert dead(int((tmp_path / "sleeper").read_text()), 5)


def test_an_environment_that_always_fails_ends_the_run(fragile, tmp_path):
    env = fragile()
    env.reset()
    (tmp_path / "everyone-step").write_text("raise")
    seen = [env.step(ACT) for _ in range(2 * PATIENCE - 1)]
    assert [timestep.is_last.all() for timestep in seen] == [True, *[False, True] * (PATIENCE - 1)]
    with pytest.raises(EnvironmentFailed) as caught:
        env.step(ACT)
    message = str(caught.value)
    assert message.startswith(f"{NAME} 0, episode 9, at step 1: RuntimeError: the lever broke (")
    assert "fragile_module.py:" in message and "\n" not in message
    assert env.restarts == 3 * (PATIENCE - 1) and env.failure == message


def test_an_environment_that_cannot_begin_ends_the_run(fragile, tmp_path, monkeypatch):
    monkeypatch.setattr("envs.vector.failures.PATIENCE", 2)
    env = fragile()
    (tmp_path / "everyone-reset").write_text("exit")
    with pytest.raises(EnvironmentFailed, match=r"Fragile-v0 0, episode 1, when it .*exit code 7"):
        env.reset()


def test_an_environment_is_tried_before_it_is_used(fragile, tmp_path, monkeypatch):
    monkeypatch.setattr("envs.vector.failures.PATIENCE", 2)
    (tmp_path / "everyone-step").write_text("raise")
    with pytest.raises(ValueError, match=r"episode 1, at step 1: RuntimeError: the lever broke"):
        fragile()


def test_reset_may_come_when_the_next_episode_has_been_asked_for(fragile):
    """The environment then begins two episodes, and the first of them must be dropped."""
    env = fragile(max_steps=2)
    env.reset()
    assert env.step(ACT).is_last.sum() + env.step(ACT).is_last.sum() == 3
    for first in (5, 7):
        seen = env.reset(np.full(3, first))
        assert counts(seen) == [0, 0, 0]
        expected = [episode_seed(0, i, first) for i in range(3)]
        assert seeds(seen) == expected
    assert counts(env.step(ACT)) == [1, 1, 1]


def test_close_closes_the_environments_and_leaves_no_process(fragile, tmp_path):
    env = fragile()
    children = pids(env.reset())
    assert len({*children, os.getpid()}) == 4
    env.close()
    assert all(gone(pid) for pid in children)
    assert {f"{pid}-closed" for pid in children} <= {path.name for path in tmp_path.iterdir()}


def test_close_does_not_wait_for_one_that_hangs(fragile, tmp_path, monkeypatch):
    monkeypatch.setattr("envs.vector.process.GRACE", 0.2)
    env = fragile()
    children = pids(env.reset())
    (tmp_path / f"{children[0]}-step").write_text("hang")
    env.copies[0].send(0)
    env.close()
    assert all(gone(pid) for pid in children)


PROGRAM = """
import os
import signal
import sys

import numpy as np

import envs

with open("imported", "a") as file:
    file.write("once ")

if __name__ == "__main__":
    received = []
    signal.signal(signal.SIGINT, lambda *_: received.append(1))
    env = envs.make("NAME", envs.gym.Options(timeout=3.0), num_envs=3, seed=0)
    children = env.reset().obs["state"][:, 0].astype(int).tolist()
    os.killpg(0, signal.SIGINT)
    for pid in children:
        os.kill(pid, signal.SIGINT)
    seen = env.step({"action": np.zeros((3, 1), np.int32)})
    assert seen.obs["state"][:, 0].tolist() == children and env.restarts == 0 and received
    print(*children, flush=True)
    sys.stdin.readline()
    env.step({"action": np.zeros((3, 1), np.int32)})
""".replace("NAME", NAME)


def test_children_survive_ctrl_c_but_not_their_parent(tmp_path):
    """And none of them runs the main program again, which would import all that it imports."""
    (tmp_path / "fragile_module.py").write_text(FRAGILE)
    (tmp_path / "program.py").write_text("import envs.gym\n" + PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "-m", "program"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(envs.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None and process.stdin is not None
        children = [int(word) for word in process.stdout.readline().split()]
        assert len(children) == 3
        # The first hangs when its parent dies, the others wait for it.
        (tmp_path / f"{children[0]}-step").write_text("hang")
        process.stdin.write("\n")
        process.stdin.flush()
        while not (tmp_path / "sleeper").exists():
            time.sleep(0.02)
        process.kill()
    os.kill(int((tmp_path / "sleeper").read_text()), signal.SIGKILL)
    assert all(dead(pid, 15) for pid in children)
    assert (tmp_path / "imported").read_text() == "once "
