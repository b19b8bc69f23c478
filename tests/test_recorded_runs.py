"""Whole runs that draw from a recording: through the command line, and to the last bit."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest
from command import SMALL, Result, call, lines
from witness import Witness, compiled

import configs
import envs
from dreamer_jax.commands import training_recordings
from dreamer_jax.commands.options import Setup
from dreamer_jax.loops.train import train
from dreamer_jax.run import checkpoint, fit, manifest, preflight
from dreamer_jax.run.state import Run
from dreamer_jax.types import Refresh, Window
from envs.play import program as play
from envs.play import recordings

LENGTH = 5  # of an episode, as in SMALL


def record(folder: Path, *flags: str, name: str = "counting", script: str = "1 x 12") -> Path:
    file = folder.with_suffix(".script")
    file.write_text(script)
    more = flags or (f"--set=env.length={LENGTH}",)
    code = play.main(["play", f"--env={name}", f"--script={file}", f"--record={folder}", *more])
    assert code == 0
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("recordings") / "recording")


def seeded(folder: Path, logdir: Path, *flags: str) -> Result:
    first = () if manifest.exists(logdir) else SMALL
    return call(*first, f"--set=replay.seed_from={folder}", f"--logdir={logdir}", *flags)


# The command line -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A copy of the recording, and the run that started with it."""
    folder = tmp_path_factory.mktemp("seeded")
    own = Path(shutil.copytree(recording, folder / "recording"))
    result = seeded(own, folder / "run", "--steps=60", "--set=replay.seed_share=0.5")
    assert result.code == 0, result.err
    assert "warning" not in result.err
    return own, folder / "run"


def test_a_run_says_what_it_was_begun_with(trained: tuple[Path, Path]) -> None:
    own, logdir = trained
    run = manifest.read(logdir)
    assert run["recording"] == recordings.find(own).digest
    assert run["config"]["replay"]["seed_from"] == str(own)
    assert checkpoint.steps(logdir / "checkpoints") == [60]
    assert [line for line in lines(logdir) if "optimizer/loss" in line]


def test_it_goes_on_with_the_same_recording_only(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    own, logdir = trained
    assert call(f"--logdir={logdir}", "--steps=70").code == 0

    def refused(reason: str, *more: str) -> None:
        result = call(f"--logdir={logdir}", "--steps=80", *more)
        assert (result.code, result.out) == (2, "")
        last = result.err.splitlines()[-1]
        assert last.startswith("error: ") and reason in last, result.err
        assert checkpoint.latest(logdir / "checkpoints") == 70

    shutil.move(own, tmp_path / "away")
    refused("no recording in")
    shutil.copytree(tmp_path / "away", own)
    file = recordings.episode_path(own, 0)
    content = file.read_bytes()
    file.write_bytes(content[:-40])
    refused("its SHA-256 is not that of the index")
    file.write_bytes(content)
    record(own)  # which only adds to it
    refused(f"is not the recording that {logdir} was started with")
    refused("replay.seed_from= is not the recording", "--set=replay.seed_from=")
    assert call("--mode=eval", f"--logdir={logdir}", "--episodes=1").code == 0
    shutil.rmtree(own)
    shutil.copytree(tmp_path / "away", own)
    assert call(f"--logdir={logdir}", "--steps=80").code == 0
    shutil.move(own, tmp_path / "elsewhere")
    moved = f"--set=replay.seed_from={tmp_path / 'elsewhere'}"
    assert call(f"--logdir={logdir}", "--steps=90", moved).code == 0
    shutil.copytree(tmp_path / "elsewhere", own)


class Free(NamedTuple):
    available: int


def test_mistakes(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, one line, and no logdir."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(2 * 10**10))
    other = record(tmp_path / "other", "--seed=0", name="cartpole", script="left")
    longer = record(tmp_path / "longer", "--set=env.length=7")
    huge = Path(shutil.copytree(recording, tmp_path / "huge"))
    index = json.loads((huge / "index.json").read_text())
    index["episodes"][0]["steps"] = 2**31 - 100
    (huge / "index.json").write_text(json.dumps(index))
    spoilt = Path(shutil.copytree(recording, tmp_path / "spoilt"))
    recordings.episode_path(spoilt, 1).write_bytes(b"PK\x03\x04")
    for folder, more, reason in (
        (tmp_path / "nothing", (), "no recording in"),
        (other, (), "was recorded in cartpole, not in counting"),
        (longer, (), 'where obs is {"discrete": '),
        (huge, (), "recordings and model alone need more"),
        (spoilt, (), "its SHA-256 is not that of the index"),
        (recording, ("--set=replay.seed_share=0.1",), "no sequence of replay.batch=4"),
    ):
        result = seeded(folder, tmp_path / "run", *more)
        assert (result.code, result.out) == (2, ""), result
        last = result.err.splitlines()[-1]
        assert last.startswith("error: ") and reason in last, result.err
        assert not (tmp_path / "run").exists()


def test_other_options_are_named(tmp_path: Path) -> None:
    """Where spaces are the same, but the game, rewards or ends may not be."""
    folder = record(
        tmp_path / "recording", "--set=env.max_steps=9", name="cartpole", script="left x 9"
    )
    recording = recordings.find(folder)
    config = configs.load("cartpole", family="cartpole", options=envs.default_options("cartpole"))

    def now(name: str, steps: int) -> list[str]:
        changed = replace(config, env=replace(config.env, max_steps=steps))
        setup = Setup(
            env=name,
            preset="",
            agent="dreamer",
            seed=0,
            config=changed,
            mesh="",
            logdir=tmp_path,
            auto=(),
        )
        return training_recordings.differences(recording, setup)

    assert now("cartpole", 9) == []
    assert now("cartpole", 500) == ["env.max_steps=9, now 500"]
    assert now("another", 9) == ["env='cartpole', now 'another'"]


def test_actions_that_meant_something_else_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyboy", reason="needs pip install -e .[pokemon]")
    buttons = "--set=env.buttons=a b"
    folder = record(tmp_path / "recording", buttons, name="gameboy_demo", script="a x 3")
    more = "--env=gameboy_demo", "--set=env.buttons=up down", f"--set=replay.seed_from={folder}"
    result = call(*more, f"--logdir={tmp_path / 'run'}")
    assert result.code == 2 and not (tmp_path / "run").exists()
    assert "was recorded with the actions a, b; the environment has down, up" in result.err
    assert "env.buttons='a b', now 'up down'" in result.err


# The loop ---------------------------------------------------------------------------------------

RECORDED = 2  # sequences of each batch of 4


class Judge(Witness):
    """Tells sequences from the ring, which must be as ever, from those of the recording."""

    def update(self, state: Any, window: Window, key: jax.Array) -> Any:
        count = window.row.size

        def half(part: slice) -> Any:
            return jax.tree.map(lambda x: x[:, part], (window.steps, window.latents))

        (steps, latents), (recorded, _) = half(slice(count)), half(slice(count, None))
        held = window.replace(steps=steps, latents=latents)
        state, refresh, metrics = super().update(state, held, key)
        latents = refresh.latents
        padding = jnp.zeros((latents.count.shape[0], recorded.reward.shape[1], 1))
        fresh = latents.replace(
            count=jnp.concatenate([latents.count, padding.astype(jnp.uint16)], 1),
            seen=jnp.concatenate([latents.seen, padding.astype(jnp.uint8)], 1),
        )
        # What was recorded has the action 0, which the policy never takes.
        other = recorded.action["action"][1:, :, 0] != 0
        metrics["wrong/recorded"] = other.sum().astype(jnp.float32)
        metrics["recorded"] = jnp.float32(recorded.reward.shape[1])
        metrics["held"] = jnp.float32(count)
        # Learning depends on what is drawn: a sum that only the same draws give.
        drawn = recorded.reward[1:] * jnp.arange(1.0, recorded.reward[1:].size + 1).reshape(5, -1)
        state = state.replace(momentum=state.momentum * 1.01 + drawn.sum())
        loss = jnp.zeros(fresh.count.shape[:2])
        return state, Refresh(latents=fresh, loss=loss), metrics

    def report(self, state: Any, window: Window, key: jax.Array) -> Any:
        count = window.row.size
        steps, latents = jax.tree.map(lambda x: x[:, :count], (window.steps, window.latents))
        return super().report(state, window.replace(steps=steps, latents=latents), key)


def judged(logdir: Path, recording: Path, steps: int = 200) -> tuple[Run, Any]:
    run = Judge().run(logdir, steps)
    config = replace(run.config.replay, seed_from=str(recording), seed_share=RECORDED / 4)
    run = replace(run, config=replace(run.config, replay=config))
    found = recordings.find(recording)
    run = training_recordings.announce(run, found)
    programs = compiled(run)
    return training_recordings.load(run, found), programs


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in the environment of the witness, with action 0 at every step."""
    folder = tmp_path_factory.mktemp("recordings") / "still"
    return record(folder, "--set=env.length=7", script="0 x 20")


@pytest.fixture(scope="module")
def whole(still: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    logdir = tmp_path_factory.mktemp("whole")
    train(*judged(logdir, still, steps=400))
    return logdir


def test_every_batch_has_its_share(whole: Path) -> None:
    sums = [line for line in lines(whole) if "one" in line]
    assert len(sums) == 10
    for line in sums:
        assert not {key: n for key, n in line.items() if key.startswith("wrong") and n}
        assert (line["recorded"], line["held"]) == (RECORDED, 4 - RECORDED)
    assert {line["report/mistakes"] for line in lines(whole) if "report/mistakes" in line} == {0}


def test_a_run_in_two_parts_draws_the_same(still: Path, whole: Path, tmp_path: Path) -> None:
    train(*judged(tmp_path, still, steps=200))
    train(*judged(tmp_path, still, steps=400))
    one, two = (checkpoint.read_arrays(logdir / "checkpoints", 402) for logdir in (whole, tmp_path))
    found = dict(jax.tree_util.tree_leaves_with_path(two))
    for path, x in jax.tree_util.tree_leaves_with_path(one):
        assert np.array_equal(found[path], x), path
    assert np.abs(one["agent"]["momentum"]).max() > 100


def test_memory_for_them_is_counted(still: Path, tmp_path: Path) -> None:
    run, _ = judged(tmp_path, still)
    bytes_ = sum(x.nbytes for x in jax.tree.leaves(run.recordings))
    sizes = preflight.measure(run)
    assert sizes.recordings == bytes_ > 0
    config, none = run.config, sizes._replace(recordings=0)
    pinned = replace(config, replay=replace(config.replay, memory="pinned_host"))

    def more(need: Any, config: Any, **number: int) -> int:
        with_, without = (need(100, config=config, sizes=x, **number) for x in (sizes, none))
        return with_ - without

    assert more(fit.needed_on_device, config, devices=1) == bytes_
    assert more(fit.needed_on_device, pinned, devices=1) == 0
    assert more(fit.needed_on_host, config, copies=1) == bytes_  # read there first
    assert more(fit.needed_on_host, pinned, copies=1) == bytes_
