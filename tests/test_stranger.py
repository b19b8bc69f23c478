"""Installed, and started from a folder whose packages have the names of ours."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from command import ENVIRON, ROOT, Result

MAIN, PLAY = ("-m", "dreamer_jax.main"), ("-m", "dreamer_jax.play")
TINY = ("--config=debug", "--steps=24", "--set=train.prefill=8", "--set=train.eval_every=0")
MINE = """
import gymnasium
import numpy as np

class Mine(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        return np.full(3, action, np.float32), 1.0, False, False, {}

gymnasium.register(id="Mine-v0", entry_point=Mine, max_episode_steps=5)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel holds, and the console scripts as installers write them."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    for name in ("dreamer_jax", "envs", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.py", source)
    library, metadata = folder / "library", folder / "dreamer_jax.egg-info"
    steps = ("build", "build_py", f"--build-lib={library}", "egg_info", f"--egg-base={folder}")
    subprocess.run([sys.executable, "setup.py", "-q", *steps], cwd=source, check=True)
    shutil.rmtree(source)
    (folder / "bin").mkdir()
    for script in PathDistribution(metadata).entry_points.select(group="console_scripts"):
        text = f"import sys\nfrom {script.module} import {script.attr}\nsys.exit({script.attr}())\n"
        (folder / "bin" / script.name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a user, with packages that must not be imported, and an environment."""
    folder = tmp_path_factory.mktemp("stranger")
    for name in ("envs", "configs", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"print('the {name} of a stranger')\n")
    (folder / "my_envs.py").write_text(MINE)
    return folder


def started(installed: Path, folder: Path, *arguments: str) -> Result:
    """What Python does with these arguments in `folder`, where the installed packages are known."""
    script = arguments[0] if arguments[0] == "-m" else str(installed / "bin" / arguments[0])
    environ = {**ENVIRON, "PYTHONPATH": str(installed / "library")}
    done = subprocess.run(
        [sys.executable, script, *arguments[1:]],
        cwd=folder,
        env=environ,
        text=True,
        capture_output=True,
        timeout=300,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("program", [MAIN, ("dreamer-jax",)], ids=" ".join)
def test_presets_are_ours(installed: Path, stranger: Path, program: tuple[str, ...]) -> None:
    found = started(installed, stranger, *program, "--config=help")
    assert (found.code, found.err) == (0, "")
    assert "atari100k" in found.out and "stranger" not in found.out


@pytest.mark.parametrize(
    ("program", "env"),
    [(MAIN, "cartpole"), (MAIN, "gym:my_envs:Mine-v0"), (("dreamer-jax",), "gym:my_envs:Mine-v0")],
)
def test_training(
    installed: Path, stranger: Path, tmp_path: Path, program: tuple[str, ...], env: str
) -> None:
    """Environments of the user run in processes of their own, which import `envs` themselves."""
    logdir = tmp_path / "run"
    found = started(installed, stranger, *program, f"--env={env}", *TINY, f"--logdir={logdir}")
    assert found.code == 0, found.err
    assert "stranger" not in found.out + found.err
    assert os.listdir(logdir / "checkpoints") == ["24"]


@pytest.mark.parametrize("program", [PLAY, ("dreamer-jax-play",)], ids=" ".join)
def test_play(installed: Path, stranger: Path, tmp_path: Path, program: tuple[str, ...]) -> None:
    (tmp_path / "script").write_text("1 x 5")
    asked = "--env=gym:my_envs:Mine-v0", f"--script={tmp_path / 'script'}"
    found = started(installed, stranger, *program, *asked)
    assert found.code == 0, found.err
    assert found.out == "episode 0: score 5, 5 actions, truncated\n"


def test_a_random_agent_of_a_checkout(stranger: Path) -> None:
    """Started as a file, since `python -m` needs the checkout to be on the path."""
    environ = {name: value for name, value in ENVIRON.items() if name != "PYTHONPATH"}
    script = ROOT / "experiments" / "random_agent.py"
    done = subprocess.run(
        [sys.executable, script, "--env=gym:my_envs:Mine-v0", "--episodes=1"],
        cwd=stranger,
        env=environ,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    shown = "random   1 episodes  mean 5.00  std 0.00  min 5.00  max 5.00"
    assert done.stdout.startswith(shown) and done.stdout.count("\n") == 1


@pytest.mark.parametrize("program", ["main", "play"])
def test_a_foreign_package_that_is_there_already(
    installed: Path, stranger: Path, tmp_path: Path, program: str
) -> None:
    (tmp_path / "host.py").write_text(f"import sys, configs, envs, dreamer_jax.{program}")
    shutil.copytree(stranger / "envs", tmp_path / "envs")
    found = started(installed, tmp_path, "-m", "host")
    last = found.err.splitlines()[-1]  # an import raises; only programs end a process
    assert found.code == 1
    assert last.startswith(f"ImportError: {tmp_path / 'envs'} was imported as 'envs'")


def test_half_an_installation(installed: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(installed / "library" / "dreamer_jax", library / "dreamer_jax")
    shutil.copytree(installed / "library" / "envs", library / "envs")
    found = started(tmp_path, tmp_path, *MAIN, "--config=help")
    assert found.code == 2
    assert found.err == f"error: there is no package 'configs' next to {library / 'dreamer_jax'}\n"
