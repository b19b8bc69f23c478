"""Whole runs through the command line: train, stop, resume, evaluate."""

import json
import re
import shutil
import signal
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from command import SMALL, Result, call, lines, start
from witness import Witness, policy

from dreamer_jax.commands.evaluation_results import scored, show
from dreamer_jax.commands.options import stored
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.config import Config
from dreamer_jax.loops import evaluate
from dreamer_jax.loops.train import updates_owed
from dreamer_jax.run import checkpoint, manifest
from dreamer_jax.statistics import wilson
from envs.counting import Counting
from envs.timestep import Timestep
from experiments import random_agent

SCORE = sum(range(6))  # of the counting environment in five steps; in its default ten it is 55
SECONDS = 240  # for a process to start, compile and say something


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A run of 60 steps in this process."""
    logdir = tmp_path_factory.mktemp("runs") / "first"
    return logdir, call(*SMALL, "--steps=60", "--seed=3", f"--logdir={logdir}")


def config_of(logdir: Path) -> Config:
    return stored(logdir).config


def test_a_run_leaves_its_record(trained: tuple[Path, Result]):
    logdir, result = trained
    assert result.code == 0
    run = manifest.read(logdir)
    assert (run["env"], run["preset"], run["seed"]) == ("counting", "debug", 3)
    assert {"dreamer_jax", "python", "jax", "flax"} <= set(run["versions"])
    assert config_of(logdir).env.length == 5
    assert checkpoint.steps(logdir / "checkpoints") == [60]
    written = lines(logdir)
    for line in written:
        assert {"step", "frames", "seconds"} <= set(line)
    names = set().union(*written)
    assert names >= {"optimizer/loss", "optimizer/gradient_norm", "evaluation/mean"}
    assert names >= {"world_model/seen/vector/vector", "world_model/expected/choice/discrete"}
    assert {x["score"] for x in lines(logdir, "episodes")} == {SCORE}
    assert "step 40: evaluation mean 15.0" in result.err and "60/60 steps" in result.err


def test_a_run_says_where_it_is_and_what_comes_next(trained: tuple[Path, Result]):
    logdir, result = trained
    first, *_, saved, evaluate, curves = result.err.splitlines()
    assert first == f"counting -> {logdir} (new run)"
    assert saved == f"saved at step 60 in {logdir}; a larger --steps takes it further"
    program = "python -m dreamer_jax.main --mode=eval --video"
    assert evaluate == f"evaluate: {program} --logdir={logdir}"
    assert curves == f"curves:   tensorboard --logdir={logdir.parent}"


def test_the_real_agent_is_updated_as_owed(trained: tuple[Path, Result]):
    logdir, _ = trained
    updates = checkpoint.read_counters(logdir / "checkpoints", 60)["updates"]
    assert updates == updates_owed(60, updates=0, config=config_of(logdir)) > 0


def test_a_resume_may_change_what_learning_does_not_depend_on(
    trained: tuple[Path, Result], tmp_path: Path
):
    """Intervals of saving, logging, reporting and evaluating, and how long to wait."""
    command = [*SMALL, "--seed=3", f"--logdir={tmp_path / 'run'}"]
    assert call(*command, "--steps=30").code == 0
    other = ("save_every=7", "keep=1", "log_every=9", "report_every=0", "eval_every=25")
    changed = [f"--set=train.{each}" for each in other]
    assert call(*command, "--steps=60", *changed, "--set=train.eval_episodes=1").code == 0
    assert config_of(tmp_path / "run").train.save_every == 7
    two, one = (
        checkpoint.read_arrays(path / "checkpoints", 60) for path in (tmp_path / "run", trained[0])
    )
    for name in ("agent", "replay", "acting"):
        jax.tree.map(np.testing.assert_array_equal, two[name], one[name])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on(trained: tuple[Path, Result], number: signal.Signals):
    """Both on the same run: each process resumes what the one before has saved."""
    logdir, _ = trained
    before = [line for line in lines(logdir) if "unfinished" not in line]
    newest = checkpoint.latest(logdir / "checkpoints") or 0
    process = start(f"--logdir={logdir}", "--steps=1000000000")
    deadline = time.monotonic() + SECONDS
    while len(lines(logdir)) <= len(before) + 2 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0 and "Traceback" not in err
    stopped = checkpoint.latest(logdir / "checkpoints") or 0
    counters = checkpoint.read_counters(logdir / "checkpoints", stopped)
    assert counters["step"] == stopped > newest
    assert counters["updates"] == updates_owed(stopped, updates=0, config=config_of(logdir))
    after = lines(logdir)
    assert after[: len(before)] == before
    keys = [(line["step"], *sorted(line)) for line in after]
    assert len(keys) == len(set(keys))
    assert max(line["step"] for line in after) <= stopped


def test_evaluation_uses_what_the_run_was_trained_with(trained: tuple[Path, Result]):
    """In the default environment the score would be another, and no network would fit."""
    logdir, _ = trained
    result = call("--mode=eval", f"--logdir={logdir}", "--episodes=3")
    assert result.code == 0
    rows = [re.split(r" {2,}", line.strip()) for line in result.out.splitlines()]
    assert [row[0].split()[0] for row in rows] == ["greedy", "sampled"]
    for row in rows:
        assert "3 episodes" in " ".join(row[:2])
        assert row[-9:-5] == ["mean 15.00", "std 0.00", "min 15.00", "max 15.00"]
        assert row[-5:-3] == ["mean_low 15.00", "mean_high 15.00"] and row[-3] == "iqm 15.00"


def test_evaluation_changes_nothing(trained: tuple[Path, Result]):
    logdir, _ = trained
    (logdir / "evaluations").mkdir(exist_ok=True)

    def others() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns
            for path in logdir.rglob("*")
            if "evaluations" not in path.parts
        }

    before = others()
    assert call("--mode=eval", f"--logdir={logdir}", "--episodes=1").code == 0
    assert before == others()


def test_other_versions_are_named(trained: tuple[Path, Result], tmp_path: Path):
    logdir = tmp_path / "run"
    shutil.copytree(trained[0], logdir)
    run = manifest.read(logdir)
    (logdir / manifest.NAME).write_text(
        json.dumps({**run, "versions": {**run["versions"], "jax": "0.1"}})
    )
    result = call(f"--logdir={logdir}", "--mode=eval", "--episodes=1")
    assert result.code == 0
    assert re.search(r"warning: .* was started with jax 0\.1, now [\d.]+: numbers may", result.err)


def test_nothing_changes_where_nothing_is_left_to_do(trained: tuple[Path, Result]):
    """Restored and saved again, agent and replay are the same to the last bit."""
    logdir, _ = trained
    directory = logdir / "checkpoints"
    newest = checkpoint.latest(directory) or 0
    arrays = {path: path.read_bytes() for path in directory.rglob("d/*")}
    assert arrays
    assert call(f"--logdir={logdir}", f"--steps={newest}").code == 0
    assert checkpoint.latest(directory) == newest
    state = restored(stored(logdir)).state
    assert int(state.updates) == checkpoint.read_counters(directory, newest)["updates"]


class Uneven(Counting):
    """Row i ends its episodes after i + 1 steps; each action adds itself to the reward."""

    def __init__(self, num_envs: int):
        super().__init__(num_envs, num_envs)
        self._length = np.arange(1, num_envs + 1)
        self._bonus = np.zeros(num_envs)

    def step(self, action: dict[str, np.ndarray]) -> Timestep:
        self._bonus = action["action"][:, 0]
        return super().step(action)

    def _timestep(self) -> Timestep:
        timestep = super()._timestep()
        bonus = np.where(timestep.is_first, 0, 100 * self.episodes)
        return timestep._replace(reward=(timestep.reward + bonus).astype(np.float32))


def player(envs: int) -> evaluate.Evaluator:
    return evaluate.Evaluator(Witness().agent().player, act=policy, env=Uneven(envs), seed=0)


def test_every_environment_plays_as_often():
    """Whichever episodes end first must not count more: here those of row 0, after one step."""
    state = Witness().init(jax.random.key(0))
    row = [[sum(range(n + 1)) + n * 100 * episode for episode in (0, 1)] for n in (1, 2, 3)]
    assert player(3).play(state, episodes=6)["score"].tolist() == [*row[0], *row[1], *row[2]]
    assert player(3).play(state, episodes=4)["score"].tolist() == [*row[0], row[1][0], row[2][0]]


def test_a_player_can_be_asked_again():
    state = Witness().init(jax.random.key(0))
    asked = player(2)
    first = asked.play(state, episodes=2)
    np.testing.assert_equal(asked.play(state, episodes=2), first)


def test_an_evaluation_can_be_stopped():
    answers = iter([False, False, True])
    state = Witness().init(jax.random.key(0))
    scores = player(3).play(state, episodes=6, stopped=lambda: next(answers))
    assert evaluate.summary(scores) == {}


def test_episodes_without_an_end_are_cut_off(monkeypatch: pytest.MonkeyPatch):
    """Row 2 is in its first episode after two steps, and the others are in their second."""
    monkeypatch.setattr(evaluate, "STEP_LIMIT", 1)
    state = Witness().init(jax.random.key(0))
    scores = player(3).play(state, episodes=6)["score"]
    assert len(scores) == 3 + 1
    assert scores.tolist() == [1.0, 0.0, 2 + 1.0, 2 + 1.0]


def test_events_are_summed_over_each_episode():
    """The event of the counting environment is the number of the episode, in each of its steps."""
    results = player(2).play(Witness().init(jax.random.key(0)), episodes=4)
    np.testing.assert_array_equal(results["length"], [1, 1, 2, 2])
    np.testing.assert_array_equal(results["event/episode"], [0, 1, 0, 2])
    assert evaluate.events(results) == {"episode": 0.75}


def test_what_happened_is_shown_below_the_scores(capsys: pytest.CaptureFixture[str]):
    results = {"score": np.array([1.0, 3.0]), "event/x": np.ones(2), "event/y": np.zeros(2)}
    results |= {"length": np.ones(2)}
    show(results, scored(results, env="atari_pong"), policy="greedy")
    scores, events = capsys.readouterr().out.splitlines()
    assert scores.startswith("greedy   2 episodes  mean 2.00") and "human_normalized" in scores
    assert events.split() == ["events,", "on", "average", "x", "1.00"]


def test_a_random_agent_has_the_flags_of_training():
    found = call("--env=counting", "--episodes=2", run=random_agent.main)
    assert found.code == 0 and found.out.startswith("random   2 episodes  mean 55.00")
    wrong = call("--env=cartpol", run=random_agent.main)
    assert wrong.code == 2 and wrong.err.count("\n") == 1 and "did you mean cartpole" in wrong.err
    shown = call("--help", run=random_agent.main)
    assert shown.code == 0 and "experiments.random_agent" in shown.out and "--set:" in shown.out
    assert "atari100k" in call("--config=help", run=random_agent.main).out


def test_events_that_never_happened_are_not_listed():
    results = {"score": np.ones(2), "event/x": np.zeros(2), "event/y": np.array([-1.0, 1.0])}
    assert evaluate.events(results) == {"y": 0.0}


def test_summary():
    scores = evaluate.summary({"score": np.array([1.0, 3.0, 5.0, 7.0])})
    assert scores == {"mean": 4.0, "std": 5**0.5, "min": 1.0, "max": 7.0}


def test_summary_of_a_task_that_can_be_solved():
    """The interval of 9 in 10, after Wilson, from the roots of (p - 0.9)² n = z² p (1 - p)."""
    results = {"score": np.zeros(10), evaluate.SUCCESS: np.array([1.0] * 8 + [2.0, 0.0])}
    summary = evaluate.summary(results)
    roots = np.roots([10 + 1.959964**2, -(2 * 9 + 1.959964**2), 0.9**2 * 10])
    assert summary["success"] == 0.9
    found = [summary["success_low"], summary["success_high"]]
    np.testing.assert_allclose(found, sorted(roots), rtol=1e-6)


@pytest.mark.parametrize("trials", [32, 100])
def test_an_interval_stays_within_0_and_1(trials: int) -> None:
    """Rounding alone takes it to 1.0000000000000002, and to -0.0, which is printed so."""
    assert str(wilson(0, trials=trials)[0]) == "0.0"
    assert wilson(trials, trials=trials)[1] == 1
