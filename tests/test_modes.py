"""The world model alone on random actions; then behavior alone on that world model, frozen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from command import SMALL, call, hastily, lines
from witness import Settings

from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.networks import BEHAVIOR, WORLD_MODEL
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.commands.options import stored
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.config import Config, resolve
from dreamer_jax.run.device_functions import INIT, derive

DEFAULT = Config(agent=DreamerConfig())
# Vectors are standardized: their running statistics must not move either.
QUIET = (*SMALL, "--set=train.report_every=0", "--set=train.eval_every=0", "--seed=3")


def final(logdir: Path) -> DreamerState:
    return restored(stored(logdir)).state


def equal(a: Any, b: Any) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned a world model only."""
    logdir = tmp_path_factory.mktemp("modes") / "source"
    arguments = (*QUIET, "--set=train.learn=world_model", f"--logdir={logdir}")
    assert call(*arguments, "--steps=60").code == 0
    return logdir


@pytest.fixture(scope="module")
def behavior(source: Path) -> Path:
    """A run that has learned behavior on it."""
    logdir = source.parent / "behavior"
    learn = ("--set=train.learn=behavior", f"--set=train.world_model={source}")
    result = call(*QUIET, *learn, f"--logdir={logdir}", "--steps=60")
    assert result.code == 0, result.err
    return logdir


def test_the_world_model_learns_alone(source: Path):
    state, fresh = final(source), restored_fresh(source)
    assert int(state.updates) > 0
    for name in WORLD_MODEL:
        assert not equal(state.params[name], fresh.params[name]), name
    for name in BEHAVIOR:
        assert equal(state.params[name], fresh.params[name]), name
    assert not equal(state.moments, fresh.moments)
    names = set().union(*lines(source))
    assert "world_model/loss/dynamics" in names and "actor_critic/loss/policy" not in names


def restored_fresh(logdir: Path) -> DreamerState:
    """What a run with the same config and seed starts from."""
    setup = stored(logdir)
    agent = restored(setup).agent
    with hastily():
        return jax.jit(lambda: agent.learner.init(derive(setup.seed, purpose=INIT, counter=0)))()


def test_behavior_learns_on_a_frozen_world_model(source: Path, behavior: Path):
    ours, theirs, fresh = final(behavior), final(source), restored_fresh(behavior)
    assert int(ours.updates) > 0
    for name in WORLD_MODEL:
        assert equal(ours.params[name], theirs.params[name]), name
        assert not equal(ours.params[name], fresh.params[name]), name
    assert equal(ours.moments, theirs.moments)
    for name in BEHAVIOR:
        assert not equal(ours.params[name], fresh.params[name]), name
        assert not equal(ours.params[name], theirs.params[name]), name
    names = set().union(*lines(behavior))
    assert "actor_critic/loss/policy" in names and "world_model/loss/dynamics" not in names


def test_behavior_resumes_without_its_source(source: Path, behavior: Path):
    """What was borrowed is saved with the run."""
    away = source.rename(source.with_name("away"))
    try:
        moved = f"--set=train.world_model={away}"
        wrong = call(f"--logdir={behavior}", f"--set=train.world_model={behavior}")
        assert wrong.code == 2 and f"train.world_model is '{source}@60' there" in wrong.err
        assert call(f"--logdir={behavior}", "--steps=70", moved).code == 0
        assert stored(behavior).config.train.world_model == str(away)
    finally:
        away.rename(source)
    ours, theirs = final(behavior), final(source)
    assert all(equal(ours.params[name], theirs.params[name]) for name in WORLD_MODEL)


def test_a_run_keeps_whether_the_world_model_is_first(first: Path):
    """The optimizer has other arrays with it. When behavior begins may change."""
    result = call(f"--logdir={first}", "--override", "--set=train.behavior_after=0", "--steps=90")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "--override cannot change train.behavior_after" in result.err


def test_the_world_model_is_never_first_where_behavior_does_not_learn():
    resolve(replace(DEFAULT, train=replace(DEFAULT.train, behavior_after=5)))
    alone = replace(DEFAULT.train, behavior_after=5, learn="world_model")
    with pytest.raises(ValueError, match=r"behavior_after=5: for train\.learn=all"):
        resolve(replace(DEFAULT, train=alone))
    other = Config(agent=Settings(), train=replace(DEFAULT.train, behavior_after=5))
    with pytest.raises(ValueError, match="behavior_after=5: this agent has no world model"):
        resolve(other)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("--set=model.units=40", "another shape than this run's"),
        ("--set=model.classes=7", "another shape than this run's"),
        ("--set=model.vectors=symlog", "the part 'moments' of the run in"),
        ("--set=train.world_model=nowhere", "no run in nowhere"),
    ],
)
def test_a_world_model_that_does_not_fit(source: Path, tmp_path: Path, change: str, part: str):
    learn = ("--set=train.learn=behavior", f"--set=train.world_model={source}")
    result = call(*QUIET, *learn, change, f"--logdir={tmp_path}/run")
    assert result.code == 2 and result.err.count("\n") == 1
    assert part in result.err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def first(source: Path) -> Path:
    """A run that began as `source` did, and whose behavior begins with the update after that."""
    logdir = source.parent / "first"
    after = f"--set=train.behavior_after={int(final(source).updates)}"
    result = call(*QUIET, after, f"--logdir={logdir}", "--steps=60")
    assert result.code == 0 and "the world model learns alone for the first" in result.err
    return logdir


def test_the_world_model_first_is_the_world_model_alone(source: Path, first: Path):
    """To the last bit, actions included; nothing of behavior has moved, its optimizer included."""
    ours, theirs, fresh = final(first), final(source), restored_fresh(first)
    assert int(ours.updates) == int(theirs.updates) > 0
    for name in WORLD_MODEL:
        assert equal(ours.params[name], theirs.params[name]), name
    ours_of: Any = ours.optimizer
    assert equal(ours_of["world_model"], theirs.optimizer)
    assert equal(ours.moments, theirs.moments)
    for name in BEHAVIOR:
        assert equal(ours.params[name], fresh.params[name]), name
    assert equal(ours.slow_value, fresh.slow_value)
    fresh_of: Any = fresh.optimizer
    assert equal(ours_of["behavior"], fresh_of["behavior"])
    assert lines(first, "episodes") == lines(source, "episodes")
    for line, other in zip(lines(first), lines(source), strict=True):
        assert line.get("actor_critic/active", 0) == 0
        names = {name for name in line if not name.startswith(("speed", "actor_critic"))}
        assert names - {"seconds"} == {x for x in other if not x.startswith("speed")} - {"seconds"}
        assert all(line[name] == other[name] for name in names - {"seconds"})


def test_behavior_begins_after_it(first: Path, tmp_path: Path):
    """A run that was resumed at the border goes on as one that was not; behavior learns."""
    border = final(first)
    after = f"--set=train.behavior_after={int(border.updates)}"
    assert call(f"--logdir={first}", "--steps=80").code == 0
    assert call(*QUIET, after, f"--logdir={tmp_path}/whole", "--steps=80").code == 0
    ours, theirs = final(first), final(tmp_path / "whole")
    assert equal(ours, theirs)
    for name in WORLD_MODEL + BEHAVIOR:
        assert not equal(ours.params[name], border.params[name]), name
    assert not equal(ours.return_range, border.return_range)
    *_, last = (line for line in lines(first) if "actor_critic/active" in line)
    assert last["actor_critic/active"] == 1 and last["actor_critic/loss/value"] > 0
