"""What goes wrong around a run: it ends with a clear line, and nothing that was saved is lost."""

import itertools
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command import ENVIRON, ROOT, SMALL, call, lines, start
from witness import Witness, compiled, run_to_the_end

from dreamer_jax.faults import Diverged, Fault
from dreamer_jax.host import array_files
from dreamer_jax.run import checkpoint, manifest, resume, stored_ring
from dreamer_jax.run.background_save import kept
from dreamer_jax.run.state import Run
from envs.vector.failures import EnvironmentFailed

SECONDS = 240


def place(logdir: Path, step: int) -> Any:
    """All that the next step depends on, as it was saved."""
    run = Witness().run(logdir)
    state, journal = resume.restore(run, compiled(run), step=step)
    return jax.device_get(state.device), state.seen, journal.to_json()


def assert_same(found: Any, expected: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 201 steps."""
    logdir = tmp_path_factory.mktemp("faults") / "whole"
    run_to_the_end(Witness().run(logdir))
    return logdir


def test_a_full_disk_ends_the_run_and_spares_the_checkpoint(tmp_path: Path) -> None:
    logdir = tmp_path / "run"
    assert call(*SMALL, "--steps=60", f"--logdir={logdir}").code == 0
    before = checkpoint.steps(logdir / "checkpoints")
    # No file may grow beyond 20 kB: to a program it looks like a disk without room.
    program = f"{sys.executable} -m dreamer_jax.main --logdir={logdir} --steps=100"
    process = subprocess.run(
        ["bash", "-c", f"ulimit -f 20; exec {program}"],
        cwd=ROOT,
        env={**ENVIRON, "JAX_ENABLE_COMPILATION_CACHE": "0"},
        text=True,
        capture_output=True,
        timeout=SECONDS,
    )
    assert process.returncode == 1, process
    errors = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith("error: cannot save in")
    assert "Traceback" not in process.stderr
    assert checkpoint.steps(logdir / "checkpoints") == before
    assert call(f"--logdir={logdir}", "--mode=eval", "--episodes=1").code == 0


def test_a_killed_process_loses_nothing_but_time(tmp_path: Path) -> None:
    """Killed as soon as there is a second checkpoint, and gone on with, it is the same run."""
    arguments = (*SMALL, "--steps=240", "--set=train.save_every=40", "--seed=1")
    assert call(*arguments, f"--logdir={tmp_path / 'whole'}").code == 0
    process = start(*arguments, f"--logdir={tmp_path / 'killed'}")
    deadline = time.monotonic() + SECONDS
    while not checkpoint.steps(tmp_path / "killed" / "checkpoints") and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (checkpoint.latest(tmp_path / "killed" / "checkpoints") or 0) < 240
    assert call(f"--logdir={tmp_path / 'killed'}").code == 0
    assert_same(arrays(tmp_path / "killed"), arrays(tmp_path / "whole"))
    killed, whole = (lines(tmp_path / name, "episodes") for name in ("killed", "whole"))
    assert killed == whole and len(whole) > 30


def arrays(logdir: Path) -> dict[str, np.ndarray]:
    """Every array in the newest checkpoint and in the blocks of the ring."""
    directory = logdir / "checkpoints"
    step = checkpoint.steps(directory)[-1]
    found = {}
    for name, tree in checkpoint.read_arrays(directory, step).items():
        found |= {f"{name}/{path}": np.asarray(x) for path, x in array_files.named(tree).items()}
    for file in [*directory.glob(f"{step}/*.npz"), *(logdir / "replay").glob("*.npz")]:
        found |= {f"{file.stem}/{path}": x for path, x in array_files.read_all(file).items()}
    assert len(found) > 50
    return found


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["tail.npz", "env.npz", "checksums.json"])
def test_a_damaged_checkpoint_falls_back(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    logdir = tmp_path / "run"
    shutil.copytree(whole, logdir)
    flip(logdir / "checkpoints" / "201" / file)
    run_to_the_end(Witness().run(logdir))
    assert "checkpoint 201 is damaged and passed over" in capsys.readouterr().err
    assert_same(place(logdir, 201), place(whole, 201))


def test_a_run_whose_checkpoints_are_all_damaged_does_not_begin_anew(
    whole: Path, tmp_path: Path
) -> None:
    logdir = tmp_path / "run"
    shutil.copytree(whole, logdir)
    for step in checkpoint.steps(logdir / "checkpoints"):
        flip(logdir / "checkpoints" / str(step) / "tail.npz")
    with pytest.raises(Fault, match=r"no checkpoint in .* is whole"):
        run_to_the_end(Witness().run(logdir))
    assert checkpoint.steps(logdir / "checkpoints") == [66, 129, 192, 201]


def test_checkpoints_without_checksums_are_not_buried(whole: Path, tmp_path: Path) -> None:
    logdir = tmp_path / "run"
    shutil.copytree(whole, logdir)
    for step in checkpoint.steps(logdir / "checkpoints"):
        (logdir / "checkpoints" / str(step) / checkpoint.CHECKSUMS).unlink()
    episodes = lines(logdir, "episodes")
    with pytest.raises(Fault, match=r"no checkpoint in .* is whole"):
        run_to_the_end(Witness().run(logdir))
    assert lines(logdir, "episodes") == episodes


class Diverging(Witness):
    """Its loss is not a number from the 19th update on."""

    def update(self, state: Any, window: Any, key: Any) -> Any:
        state, latents, metrics = super().update(state, window, key)
        loss = jnp.where(state.updates < 19, 1.0, jnp.nan)
        return state, latents, {**metrics, "world_model/loss/image/screen": loss}


class Exploding(Witness):
    """A parameter is infinite from the 19th update on."""

    def update(self, state: Any, window: Any, key: Any) -> Any:
        state, latents, metrics = super().update(state, window, key)
        w = jnp.where(state.updates < 19, 1.0, jnp.inf) * jnp.ones(2)
        return state.replace(random=w), latents, metrics


class Overflowing(Witness):
    """The momentum is infinite from the 19th update on."""

    def update(self, state: Any, window: Any, key: Any) -> Any:
        state, latents, metrics = super().update(state, window, key)
        state = state.replace(momentum=jnp.where(state.updates < 19, 1.0, jnp.inf) * jnp.ones(2))
        return state, latents, metrics


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (Diverging, r"between steps 120 and 129: world_model/loss/image/screen"),
        (Exploding, r"129: random"),
        (Overflowing, r"129: momentum"),
    ],
)
def test_nothing_is_saved_once_a_number_is_not_finite(
    tmp_path: Path, agent: type[Witness], message: str
) -> None:
    """Update 19 is owed at step 126; the next checkpoint is due at step 129."""
    with pytest.raises(Diverged, match=message):
        run_to_the_end(agent().run(tmp_path))
    assert checkpoint.steps(tmp_path / "checkpoints") == [66]


def test_a_real_run_that_diverges_says_so(tmp_path: Path) -> None:
    wild = ("--set=optimizer.learning_rate=1e30", "--set=optimizer.warmup=1", "--steps=200")
    result = call(*SMALL, *wild, f"--logdir={tmp_path / 'run'}")
    assert result.code == 1 and "Traceback" not in result.err
    assert "error: no longer finite between steps" in result.err and "loss/" in result.err


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    """And a second signal ends the one that has it at once."""
    logdir = tmp_path / "run"
    process = start(*SMALL, f"--logdir={logdir}", "--steps=1000000000")
    try:
        deadline = time.monotonic() + SECONDS
        while not lines(logdir) and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        result = call(f"--logdir={logdir}", "--steps=1000000000")
        assert result.code == 2 and f"is in use by process {process.pid} on " in result.err
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)
        assert process.returncode in (-signal.SIGINT, -signal.SIGTERM, 0)
    finally:
        process.kill()
        process.communicate()
    manifest.lock(logdir).close()  # the death of the first released it


class Failing:
    """An environment that fails permanently after some steps."""

    def __init__(self, env: Any, steps: int):
        self._env, self._left = env, steps
        self.failure = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def step(self, action: Any) -> Any:
        if self.failure:
            raise EnvironmentFailed(self.failure)
        self._left -= 1
        if self._left == 0:
            self.failure = "environment 1: it exploded"
        return self._env.step(action)


def test_a_run_is_saved_when_an_environment_fails_for_good(tmp_path: Path) -> None:
    run = Witness().run(tmp_path)
    with pytest.raises(Fault, match="environment 1: it exploded"):
        run_to_the_end(replace(run, env=Failing(run.env, 30)))
    assert checkpoint.latest(tmp_path / "checkpoints") == 90


def test_a_run_is_saved_when_its_evaluation_fails_for_good(tmp_path: Path) -> None:
    """The evaluation stays owed, and is played on resume."""
    run = Witness().run(tmp_path)
    every = replace(run.config, train=replace(run.config.train, eval_every=50))
    failure: list[str] = []

    def broken(*_: Any) -> dict[str, float]:
        failure.append("environment 2: it melted")
        return {}

    failing = replace(run, config=every, evaluate=broken)
    failing = replace(failing, evaluation_failure=lambda: "".join(failure))
    with pytest.raises(Fault, match="environment 2: it melted"):
        run_to_the_end(failing)
    step = checkpoint.latest(tmp_path / "checkpoints")
    assert step == 51
    run_to_the_end(replace(run, config=every))
    evaluated = [line["step"] for line in lines(tmp_path) if "evaluation/mean" in line]
    assert evaluated == [51, 102, 150, 201]


def test_the_clock_may_jump(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back at every look: nothing depends on what time it is."""
    now = itertools.count(4_000_000_000, -3600)
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    run_to_the_end(Witness().run(tmp_path))
    assert_same(place(tmp_path, 201), place(whole, 201))
    seconds = [line["seconds"] for line in lines(tmp_path)]
    assert all(0 <= x < SECONDS for x in seconds)


def test_some_checkpoints_are_kept_for_good() -> None:
    assert kept([10, 20, 30], keep=2, every=0) == {20, 30}
    assert kept([10, 20, 30, 40, 55], keep=1, every=25) == {30, 55}
    assert kept([30, 55, 70], keep=1, every=25) == {30, 55, 70}
    assert kept([30, 55, 70, 80], keep=1, every=25) == {30, 55, 80}


def test_the_replay_of_old_checkpoints_goes(tmp_path: Path) -> None:
    """Blocks that no checkpoint can be resumed from are not kept, others are."""
    base = Witness().run(tmp_path, steps=400)
    train_ = replace(base.config.train, keep=1, keep_every=128)
    run: Run = replace(base, config=replace(base.config, train=train_))
    run_to_the_end(run)
    assert checkpoint.steps(tmp_path / "checkpoints") == [129, 258, 384, 402]
    blocks = stored_ring.full_blocks(run, resume.Counters(step=402))
    written = sorted(int(file.stem) for file in (tmp_path / "replay").iterdir())
    assert written == list(blocks)


def test_results_are_the_same_from_scratch(tmp_path: Path) -> None:
    """The same seed twice on the same machine, to the last bit."""
    found = []
    for name in ("a", "b"):
        assert call(*SMALL, "--steps=80", "--seed=4", f"--logdir={tmp_path / name}").code == 0
        found.append(arrays(tmp_path / name))
    assert_same(*found)
