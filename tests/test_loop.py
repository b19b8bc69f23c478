"""The loop, from the environment to the batch, with an agent that says what it was given."""

import json
import logging
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness import (
    CAPACITY,
    CONFIG,
    ENVS,
    EPISODE,
    REFRESHED,
    Witness,
    chosen,
    compiled,
    run_to_the_end,
)

from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.config import Config, Replay, Train
from dreamer_jax.loops import train as loop
from dreamer_jax.loops.train import crossed, prefill, updates_owed
from dreamer_jax.outputs import journal
from dreamer_jax.run import checkpoint, resume
from dreamer_jax.types import ReplayState


def lines(logdir: Path, name: str = "metrics") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (logdir / f"{name}.jsonl").read_text().splitlines()]


def memory(logdir: Path, step: int) -> ReplayState:
    """The ring in a checkpoint, as NumPy arrays."""
    run = Witness().run(logdir)
    place, _ = resume.restore(run, compiled(run), step=step)
    return jax.tree.map(np.asarray, place.device.memory)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Witness, list[str]]:
    """A run of 201 steps, and the names of the programs that were compiled for it."""
    logdir, witness, compiled = tmp_path_factory.mktemp("run"), Witness(), []
    listener, logger = logging.Handler(), logging.getLogger("jax")
    listener.emit = lambda record: compiled.append(record.getMessage())
    logger.addHandler(listener)
    with jax.log_compiles():
        run_to_the_end(witness.run(logdir))
    logger.removeHandler(listener)
    names = [re.match(r"Compiling jit\((\w+)\)", message) for message in compiled]
    return logdir, witness, [name[1] for name in names if name]


@pytest.fixture(scope="module")
def prolonged(
    trained: tuple[Path, Witness, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same run, gone on with in another process's place until step 402."""
    logdir = tmp_path_factory.mktemp("longer") / "run"
    shutil.copytree(trained[0], logdir)
    run_to_the_end(Witness().run(logdir, steps=400))
    return logdir


def test_every_batch_is_as_the_environment_had_it(trained: Any):
    sums = [line for line in lines(trained[0]) if "one" in line]
    assert len(sums) == 5
    for line in sums:
        assert line["one"] == 1
        assert not {key: n for key, n in line.items() if key.startswith("wrong") and n}
    reports = [line["report/mistakes"] for line in lines(trained[0]) if "report/mistakes" in line]
    assert reports == [0] * 4


def check_ring(held: ReplayState, step: int) -> np.ndarray:
    """Compares the whole ring with the environment; returns (episode, count) [E, C, 2] by age."""
    total = step // ENVS
    assert held.total.tolist() == [total] * ENVS
    order = np.arange(total - CAPACITY, total) % CAPACITY
    steps = jax.tree.map(lambda x: x[:, order], held.steps)
    episode, count = np.moveaxis(steps.obs["vector"], -1, 0)
    last = count == EPISODE
    np.testing.assert_array_equal(steps.reward, count)
    np.testing.assert_array_equal(steps.is_first, count == 0)
    np.testing.assert_array_equal(steps.is_last, last)
    np.testing.assert_array_equal(steps.is_terminal, last & (episode % 2 == 1))
    np.testing.assert_array_equal(steps.action["action"][..., 0], np.where(last, 0, chosen(count)))
    np.testing.assert_array_equal(held.latents.count[:, order, 0] % REFRESHED, count)
    return steps.obs["vector"]


def test_the_ring_holds_what_happened(trained: Any):
    held = memory(trained[0], 201)
    found = check_ring(held, 201)
    numbers = np.arange(201 // ENVS)[-CAPACITY:]
    expected = np.stack([numbers // (EPISODE + 1), numbers % (EPISODE + 1)], -1)
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))
    assert (held.latents.count >= REFRESHED).mean() > 0.5  # most steps were trained on


def test_occasions_are_never_missed(trained: Any):
    """Steps come in threes: most multiples of the intervals are never hit exactly."""
    logdir, witness, _ = trained
    written = lines(logdir)
    assert [x["step"] for x in written if "evaluation/mean" in x] == [36, 72, 105, 141, 177]
    assert [x["step"] for x in written if "report/mistakes" in x] == [51, 102, 150, 201]
    assert [x["step"] for x in written if "one" in x] == [42, 81, 120, 162, 201]
    assert checkpoint.steps(logdir / "checkpoints") == [66, 129, 192, 201]
    owed = [updates_owed(step, updates=0, config=CONFIG) for step in (36, 72, 105, 141, 177)]
    assert witness.evaluations == owed  # and each saw the parameters of its own step


def test_episodes_are_counted_once(trained: Any):
    written = lines(trained[0], "episodes")
    assert {(x["score"], x["length"]) for x in written} == {(sum(range(EPISODE + 1)), EPISODE)}
    assert len(written) == ENVS * (201 // ENVS // (EPISODE + 1))


def test_milestones_are_written_the_first_time(trained: Any):
    written = lines(trained[0], "milestones")
    found = [(line["step"], line["name"], line["env"]) for line in written]
    per_episode = ENVS * (EPISODE + 1)
    assert found == [(per_episode * n + ENVS * EPISODE, f"episode/{n}", 0) for n in range(8)]
    hours = [line["hours"] for line in written]
    assert hours == sorted(hours) and hours[-1] > 0


def test_everything_is_traced_and_compiled_once(trained: Any):
    _, witness, compiled = trained
    assert witness.traces == 2  # once to learn which metrics there are, once to compile
    assert [compiled.count(name) for name in ("act", "updates", "report")] == [1, 1, 1]


def test_nothing_moves_to_the_device_unasked(trained: Any):
    assert trained[1].guards == {"Disallowed host-to-device transfer"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 402 steps without a break."""
    logdir = tmp_path_factory.mktemp("whole")
    run_to_the_end(Witness().run(logdir, steps=400))
    return logdir


def test_a_run_in_two_parts_is_the_same_run(prolonged: Path, whole: Path):
    found, expected = (
        dict(jax.tree_util.tree_leaves_with_path(place(logdir))) for logdir in (prolonged, whole)
    )
    assert found.keys() == expected.keys() and len(found) > 20
    for path, x in expected.items():
        assert np.array_equal(found[path], x), path


def place(logdir: Path) -> Any:
    """All that the step after step 402 depends on, except the time."""
    run = Witness().run(logdir)
    state, past = resume.restore(run, compiled(run), step=402)
    assert state.counters.updates == updates_owed(402, updates=0, config=CONFIG)
    return jax.device_get(state.device), state.seen, run.env.snapshot(), past.to_json()


def test_a_run_in_two_parts_has_the_same_record(prolonged: Path, whole: Path):
    for name in ("metrics", "episodes", "milestones"):
        assert timeless(lines(prolonged, name)) == timeless(lines(whole, name))


def timeless(record: list[dict[str, Any]]) -> list[Any]:
    """The lines without what depends on time, ordered: saving hurries some of them."""
    times = ("seconds", "hours", "speed/", "checkpoint/")
    kept = [{k: x for k, x in line.items() if not k.startswith(times)} for line in record]
    return sorted((sorted(line.items()) for line in kept if len(line) > 2), key=str)


def test_a_longer_run_keeps_its_experience(prolonged: Path):
    check_ring(memory(prolonged, 402), 402)
    vector = check_ring(memory(prolonged, 258), 258)  # 19 steps after the first part ended
    numbers = np.arange(258 // ENVS)[-CAPACITY:]
    expected = np.stack([numbers // (EPISODE + 1), numbers % (EPISODE + 1)], -1)
    np.testing.assert_array_equal(vector, np.broadcast_to(expected, vector.shape))


def test_a_crash_loses_only_what_came_after_the_checkpoint(trained: Any, tmp_path: Path):
    shutil.copytree(trained[0], tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "201")
    run_to_the_end(Witness().run(tmp_path / "run"))
    assert timeless(lines(tmp_path / "run")) == timeless(lines(trained[0]))
    held, expected = memory(tmp_path / "run", 201), memory(trained[0], 201)
    jax.tree.map(np.testing.assert_array_equal, held, expected)


counts = st.integers(1, 300)


@given(st.integers(0, 10_000), counts, counts, st.integers(0, 500), st.integers(1, 20))
def test_updates_owed_is_exact(step: int, batch: int, ratio: int, start: int, envs: int):
    config = Config(
        agent=DreamerConfig(),
        replay=Replay(batch=batch, length=7),
        train=Train(envs=envs, ratio=ratio, prefill=start),
    )
    begin = max(start, 8 * envs)  # every row must hold a window
    assert prefill(config) == begin
    exact = Fraction(max(0, step - begin) * ratio, batch * 7)  # ratio: steps replayed per step
    assert updates_owed(step, updates=0, config=config) == exact.__floor__()
    done = 0
    for now in (*range(0, step, envs * 50), step):  # in one go or little by little
        done += updates_owed(now, updates=done, config=config)
    assert done == exact.__floor__() and updates_owed(step, updates=done, config=config) == 0


@given(st.integers(0, 1000), st.integers(1, 50), st.integers(1, 200), st.integers(1, 50))
def test_crossed_sees_every_interval(first: int, stride: int, interval: int, times: int):
    steps = [first + i * stride for i in range(times + 1)]
    seen = [crossed(interval, before=a, now=b) for a, b in pairwise(steps)]
    multiples = [any(n % interval == 0 for n in range(a + 1, b + 1)) for a, b in pairwise(steps)]
    assert seen == multiples
    assert not crossed(0, before=first, now=first + stride)  # 0 is never


class Hurried:
    """A clock that goes on by a minute whenever it is read."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 60
        return self.now


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hurried()
    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(journal, "time", clock)


def test_lines_and_pictures_by_time_change_nothing_that_is_learned(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Here they come at each step: parameters, ring and episodes stay the same to the last bit."""
    run = Witness().run(tmp_path)
    often = replace(run.config.train, log_seconds=30, report_seconds=180)
    run = replace(run, config=replace(run.config, train=often))
    hurry(monkeypatch)
    run_to_the_end(run)
    monkeypatch.undo()
    for name, least in (("one", 30), ("report/mistakes", 10)):
        assert sum(name in line for line in lines(tmp_path)) > least
    assert all(line.get("report/mistakes", 0) == 0 for line in lines(tmp_path))
    found, expected = (restored(logdir) for logdir in (tmp_path, trained[0]))
    assert found.keys() == expected.keys() and len(found) > 20
    for path, x in expected.items():
        assert np.array_equal(found[path], x), path


def restored(logdir: Path) -> dict[Any, Any]:
    """All that the step after step 201 depends on, except the time and the sums of metrics."""
    run = Witness().run(logdir)
    state, _ = resume.restore(run, compiled(run), step=201)
    device = jax.device_get(state.device.replace(sums={}))
    return dict(jax.tree_util.tree_leaves_with_path((device, state.seen, run.env.snapshot())))


def test_pictures_by_time_only_where_there_are_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Witness().run(tmp_path, steps=60)
    never = replace(run.config.train, report_every=0, report_seconds=180)
    run = replace(run, config=replace(run.config, train=never))
    hurry(monkeypatch)
    run_to_the_end(run)
    assert not [line for line in lines(tmp_path) if "report/mistakes" in line]
