"""What --mode=record writes is what the environment does, each episode once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import call
from made_runs import made

from envs import cartpole
from envs.play import program, recorder, recordings
from envs.play.recorder import RandomPolicy
from envs.play.recordings import Recording

COUNTING = ("--mode=record", "--env=counting", "--set=env.length=5")


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of CartPole whose agent was never trained."""
    logdir = tmp_path_factory.mktemp("runs") / "cartpole"
    return made(logdir, "--env=cartpole", "--config=debug", "--set=train.eval_envs=2")


def episodes(recording: Recording) -> dict[tuple[int, int], Any]:
    """(row, number) -> checksums of the files of a run."""
    return {
        (run.parts[0].row, run.parts[0].number): [part.sha256 for part in run.parts]
        for run in recordings.runs(recording)
    }


@pytest.mark.parametrize(
    "env", [("cartpole",), ("gym:Pendulum-v1", "--set=env.max_steps=9", "--set=train.eval_envs=1")]
)
def test_the_environment_repeats_it(tmp_path: Path, env: tuple[str, ...]) -> None:
    name, *more = env
    out = tmp_path / "out"
    result = call("--mode=record", f"--env={name}", f"--out={out}", "--episodes=5", *more)
    found = recordings.find(out)
    assert (result.code, result.out) == (0, f"{out} has 5 episodes, {found.steps:,} steps\n")
    assert "5 of 5: episode" in result.err
    assert set(episodes(found)) == {(0, n) if more else (n, 0) for n in range(5)}
    repeated = call(f"--replay={out}", run=program.main)
    assert repeated.out == f"5 episodes, {found.steps} steps: all as recorded\n"


def test_an_interrupted_recording_ends_the_same(tmp_path: Path) -> None:
    options, space = {"env.x": 1}, "cartpole"

    class Stop(Exception):
        pass

    def play(folder: Path, count: int, most: int) -> Recording:
        """Plays up to `most` steps of all copies."""
        env = cartpole.make(space, cartpole.Options(), num_envs=3, seed=4)
        random = RandomPolicy(env.act_space, seed=4)
        taken = 0

        def choose(*moment: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken > most:
                raise Stop
            return random(*moment)

        found = recordings.begin(folder, env, name=space, options=options, seed=4)
        return recorder.record(found, env, choose, episodes=count, say=lambda _: None)

    whole = play(tmp_path / "whole", 8, 10**6)
    for most in (5, 40, 20, 60):
        with pytest.raises(Stop):
            play(tmp_path / "parts", 8, most)
        assert not list((tmp_path / "parts" / "episodes").glob("*.partial"))
    parts = play(tmp_path / "parts", 8, 10**6)
    assert len(episodes(whole)) == len(whole.episodes) == 8
    assert episodes(parts) == episodes(whole)
    assert play(tmp_path / "parts", 8, 0) == parts
    more = play(tmp_path / "parts", 9, 10**6)
    assert more.episodes[:8] == parts.episodes and len(more.episodes) == 9


def test_the_agent_of_a_run_plays(tmp_path: Path, tiny_run: Path) -> None:
    found = dict[str, Recording]()
    for name, counts in {"sampled": (3,), "greedy": (3,), "again": (2, 3)}.items():
        for count in counts:
            flags = f"--policy={name}" if name != "again" else "--checkpoint=60"
            out = f"--out={tmp_path / name}"
            run = f"--logdir={tiny_run}", out, f"--episodes={count}", flags
            assert call("--mode=record", *run).code == 0
        found[name] = recordings.find(tmp_path / name)
    repeated = call(f"--replay={tmp_path / 'sampled'}", run=program.main)
    assert repeated.out.endswith("all as recorded\n")
    sums = {name: episodes(recording) for name, recording in found.items()}
    assert set(sums["sampled"]) == {(0, 0), (0, 1), (1, 0)}
    assert sums["again"] == sums["sampled"] and sums["greedy"] != sums["sampled"]
    assert found["sampled"].seed != 0  # other episodes than those of training


def mistakes() -> Sequence[tuple[tuple[str, ...], str]]:
    return (
        (COUNTING, "--mode=record needs the folder of the recording"),
        ((*COUNTING, "--out=x", "--policy=greedy"), "--policy=greedy needs the --logdir"),
        ((*COUNTING, "--out=x", "--checkpoint=5"), "--checkpoint=5 is for an agent"),
        (("--mode=eval", "--env=counting", "--policy=random"), "is for --mode=record, not for"),
        (("--mode=record", "--out=x"), "--env is needed"),
        ((*COUNTING, "--out=x", "--logdir=nowhere"), "no run in nowhere"),
        ((*COUNTING, "--out=x", "--steps=5"), "--steps=5 is for --mode=train|fit, not for record"),
    )


@pytest.mark.parametrize(("flags", "text"), mistakes())
def test_mistakes_are_one_line(
    flags: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*flags)
    assert result.code == 2 and text in result.err and result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    assert call(*COUNTING, f"--out={tmp_path}/a", "--episodes=2").code == 0
    result = call(*COUNTING, f"--out={tmp_path}/a", "--episodes=2", "--seed=5")
    assert result.code == 2 and "was recorded with another seed" in result.err
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "precious").touch()
    assert "is not empty" in call(*COUNTING, f"--out={tmp_path}/b").err


def test_random_actions_are_those_of_the_space() -> None:
    env = cartpole.make("cartpole", cartpole.Options(), num_envs=2, seed=0)
    policy = RandomPolicy(env.act_space, seed=0)
    timestep = env.reset()
    moments = [[recorder.Moment(0, t)] * 2 for t in range(200)]
    taken = np.stack([policy(timestep, at)["action"] for at in moments])
    assert taken.shape == (200, 2, 1) and taken.dtype == np.int32
    assert 0.3 < taken.mean() < 0.7 and (taken[:, 0] != taken[:, 1]).any()
