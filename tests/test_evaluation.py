"""Evaluation: what it says while it plays, and when and how many environments it makes."""

from pathlib import Path
from typing import Any

import jax
import pytest
from command import SMALL, call
from witness import Witness, policy

import envs
from dreamer_jax.commands import evaluation_players
from dreamer_jax.commands.evaluation_players import PeriodicEvaluation, evaluation_env
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import Setup, decide
from dreamer_jax.loops import evaluate
from dreamer_jax.outputs import evaluation_progress
from envs.counting import Counting

MODES = ("train", "eval")


def played(episodes: int, length: int = 4) -> tuple[evaluate.Results, list[str]]:
    """Results of two environments, and the lines that were said meanwhile."""
    said = list[str]()
    player = evaluate.Evaluator(
        Witness().agent().player, act=policy, env=Counting(length, 2), seed=0
    )
    state = Witness().init(jax.random.key(0))
    return player.play(state, episodes=episodes, say=said.append), said


def test_a_quick_evaluation_says_nothing() -> None:
    assert played(4)[1] == []


def test_a_long_evaluation_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_progress, "LINE_SECONDS", 0.0)
    results, said = played(3)
    assert said[0] == "evaluation: 0 of 3 episodes, 0 steps"
    assert said[4] == "evaluation: 2 of 3 episodes, 8 steps"
    assert said[-1] == "evaluation: 2 of 3 episodes, 16 steps"  # row 0 plays its second episode
    assert len(said) == 9 and results["length"].tolist() == [4, 4, 4]


def test_an_evaluation_without_an_end_says_what_ends_episodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate, "STEP_LIMIT", 3)
    results, (said,) = played(3)
    assert "cut off after 6 steps of each environment, with 2 of 3 episodes finished" in said
    assert "env.max_steps" in said and "\n" not in said
    assert results["length"].tolist() == [4, 1, 4]


def setup(tmp_path: Path, *assignments: str) -> Setup:
    flags = [f"--set=train.{each}" for each in assignments]
    return decide(parse(["main", *SMALL, *flags, f"--logdir={tmp_path}/run"], MODES))


def test_environments_are_made_when_they_are_needed_and_as_few_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = list[int](), envs.make

    def noted(*arguments: Any, num_envs: int, **others: Any) -> Any:
        made.append(num_envs)
        return make(*arguments, num_envs=num_envs, **others)

    monkeypatch.setattr(envs, "make", noted)
    state, player = Witness().init(jax.random.key(0)), Witness().agent().player
    few = setup(tmp_path, "eval_episodes=4", "eval_envs=1")
    evaluation = PeriodicEvaluation(few, player)
    assert made == [] and evaluation.failure() == ""
    first = evaluation.scores(state, lambda: False, print)
    assert made == [1] and first["mean"] == sum(range(6))
    assert evaluation.scores(state, lambda: False, print) == first
    assert made == [1]
    evaluation.close()
    never = PeriodicEvaluation(setup(tmp_path, "eval_every=0"), player)
    assert never.scores(state, lambda: False, print) == {} and made == [1]
    never.close()
    for assignments, episodes, number in (((), 40, 16), ((), 3, 3), (("eval_envs=30",), 40, 30)):
        evaluation_env(setup(tmp_path, *assignments), episodes=episodes, seed=0).close()
        assert made[-1] == number


def test_environments_that_cannot_be_made_are_a_failure_that_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("only one seat")

    monkeypatch.setattr(evaluation_players, "make_evaluator", broken)
    result = call(*SMALL, "--steps=60", f"--logdir={tmp_path}/run")
    assert result.code == 1 and "Traceback" not in result.err
    assert "cannot make the environments of the evaluation: only one seat" in result.err
    assert (tmp_path / "run" / "checkpoints" / "40").is_dir()
