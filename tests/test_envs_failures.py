"""What `VectorizedEnv` does when copies fail; the copies are played by a script."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from envs.codecs import Actions, Observations
from envs.seeding import episode_seed
from envs.timestep import Timestep
from envs.vector.copy_protocol import CopyFailed, Outcome
from envs.vector.failures import PATIENCE, EnvironmentFailed
from envs.vector.threads import ThreadCopy
from envs.vector.vector import VectorizedEnv

SEED = 5
NONE = np.zeros((2, 1), np.int32)


class Scripted:
    """Shows [life, steps in the episode]; episodes end after `length` steps.

    `failing` says for each call of begin and receive in turn whether it fails ('!').
    """

    def __init__(self, failing: str = "", length: int = 3):
        self.failing = list(failing)
        self.length = length
        self.life = self.count = 0
        self.calls: list[Any] = []  # seeds prepared, 'begin', 'restart'

    def prepare(self, seed: int) -> None:
        self.calls.append(seed)

    def begin(self) -> Any:
        self.calls.append("begin")
        self.fail()
        self.count = 0
        return np.array([self.life, 0], np.float32)

    def send(self, action: Any) -> None:
        del action

    def receive(self) -> Outcome:
        self.fail()
        self.count += 1
        obs, over = np.array([self.life, self.count]), self.count == self.length
        return Outcome(obs, 1.0, over, False, {"event/count": self.count} if self.count > 1 else {})

    def fail(self) -> None:
        if self.failing and self.failing.pop(0) == "!":
            raise CopyFailed(f"life {self.life} is over")

    def restart(self) -> None:
        self.calls.append("restart")
        self.life += 1

    def close(self) -> None:
        pass


def vector(*failing: str, length: int = 3) -> tuple[VectorizedEnv, list[Scripted]]:
    copies = [Scripted(script, length) for script in failing]
    observations = Observations(spaces.Box(-np.inf, np.inf, (2,)), 64)
    actions = Actions(spaces.Discrete(3))
    keys = ("event/count",)
    env = VectorizedEnv(
        copies, observations, actions, seed=SEED, frames_per_step=1, event_keys=keys
    )
    return env, copies


def steps(env: VectorizedEnv, count: int) -> list[Timestep]:
    return [env.step({"action": NONE[: env.num_envs]}) for _ in range(count)]


def column(trace: list[Timestep], field: str, row: int) -> list[Any]:
    return [getattr(timestep, field)[row].item() for timestep in trace]


def shown(trace: list[Timestep], row: int) -> list[list[float]]:
    return [timestep.obs["vector"][row].tolist() for timestep in trace]


def test_a_failure_cuts_the_episode_off_and_the_neighbours_go_on(caplog):
    env, copies = vector("..!", "")
    trace = [env.reset(), *steps(env, 4)]
    assert shown(trace, 0) == [[0, 0], [0, 1], [0, 1], [1, 0], [1, 1]]
    assert column(trace, "reward", 0) == [0, 1, 0, 0, 1]
    assert column(trace, "is_last", 0) == [False, False, True, False, False]
    assert column(trace, "is_first", 0) == [True, False, False, True, False]
    assert not any(column(trace, "is_terminal", 0))
    assert shown(trace, 1) == [[0, 0], [0, 1], [0, 2], [0, 3], [0, 0]]
    assert env.restarts == 1 and env.failure == ""
    assert env.episodes.tolist() == [1, 1]
    seeds = [episode_seed(SEED, 0, number) for number in range(3)]
    expected = [seeds[0], "begin", seeds[1], "restart", seeds[1], "begin", seeds[2]]
    assert copies[0].calls == expected
    line = "environment 0, episode 0, at step 2: life 0 is over; the next episode begins"
    assert [f"{line} (failure 1)"] == [record.message for record in caplog.records]


def test_events_are_those_of_the_step():
    """Zero where none happened: in the first step, in the second, and where a copy failed."""
    env, _ = vector("...!", "")
    trace = [env.reset(), *steps(env, 4)]
    events = [timestep.events["event/count"] for timestep in trace]
    assert [list(row) for row in zip(*events, strict=True)] == [[0, 0, 2, 0, 0], [0, 0, 2, 3, 0]]
    assert all(x.dtype == np.float32 for x in events)
    again, _ = vector("", "")
    assert again.restore(env.snapshot()).events["event/count"].tolist() == [0, 0]


def test_what_was_returned_before_a_failure_is_not_written_again():
    env, _ = vector("..!", "")
    kept = [env.reset(), *steps(env, 1)]
    before = [timestep.obs["vector"].copy() for timestep in kept]
    after = steps(env, 1)[0].obs["vector"]
    assert after.tolist() == [[0, 1], [0, 2]]
    for timestep, obs in zip(kept, before, strict=True):
        np.testing.assert_array_equal(timestep.obs["vector"], obs)
        assert not np.shares_memory(timestep.obs["vector"], after)


def test_all_may_fail_at_once():
    env, _ = vector(".!", ".!")
    first, last = env.reset(), steps(env, 1)[0]
    np.testing.assert_array_equal(last.obs["vector"], first.obs["vector"])
    assert last.is_last.all() and not last.is_terminal.any() and env.restarts == 2


def test_an_episode_that_does_not_begin_is_skipped(caplog):
    """The next seed may begin; a resume finds the number of the episode that did."""
    env, copies = vector("!!.", "")
    assert env.reset().obs["vector"].tolist() == [[2, 0], [0, 0]]
    seeds = [episode_seed(SEED, 0, number) for number in range(4)]
    calls = [call for call in copies[0].calls if isinstance(call, int)]
    assert list(dict.fromkeys(calls)) == seeds
    assert copies[0].calls.count("restart") == copies[0].calls.count("begin") - 1 == 2
    assert env.restarts == 2 and env.episodes.tolist() == [2, 0]
    assert "environment 0, episode 1, when it began: life 1 is over" in caplog.text
    again, copies = vector("", "")
    again.restore(env.snapshot())
    assert again.episodes.tolist() == [2, 0] and copies[0].calls[0] == seeds[2]


def test_an_environment_that_never_begins_ends_the_run():
    env, copies = vector("", "!" * PATIENCE)
    said = "environment 1, episode 9, when it began: life 9 is over (10 failures in a row)"
    for call in (env.reset, env.reset):
        with pytest.raises(EnvironmentFailed) as caught:
            call()
        assert str(caught.value) == said
    seeds = [episode_seed(SEED, 1, number) for number in range(PATIENCE)]
    prepared = dict.fromkeys(call for call in copies[1].calls if isinstance(call, int))
    assert list(prepared)[:PATIENCE] == seeds


def test_the_last_failure_still_gives_a_whole_timestep():
    env, _ = vector(".!" * PATIENCE, "")
    trace = [env.reset(), *steps(env, 2 * PATIENCE - 1)]
    assert column(trace, "is_last", 0) == [False, True] * PATIENCE
    assert env.restarts == PATIENCE - 1
    assert "environment 0" in env.failure and "life 9 is over" in env.failure
    snapshot = env.snapshot()
    for call in (lambda: steps(env, 1), env.reset, lambda: env.restore(snapshot)):
        with pytest.raises(EnvironmentFailed, match="life 9"):
            call()
    again, _ = vector("", "")
    assert_equal(again.restore(snapshot), trace[-1])
    assert steps(again, 1)[0].is_first.all()


def test_an_episode_that_never_begins_gives_a_timestep_that_can_be_restored():
    """The loop has put the end of the last episode into replay when it learns of the failure."""
    env, _ = vector("...." + "!" * PATIENCE, "")
    trace = [env.reset(), *steps(env, 4)]
    assert env.failure and trace[-1].is_first.tolist() == [True, True]
    snapshot = env.snapshot()
    assert snapshot["episodes"].tolist() == [PATIENCE, 1] and snapshot["length"].tolist() == [0, 0]
    again, _ = vector("", "")
    seen = again.restore(snapshot)
    assert seen.obs["vector"].tolist() == [[0, 0], [0, 0]] and not seen.is_last.any()
    assert again.lost == 0
    assert shown(steps(again, 1), 0) == [[0, 1]]


NEARLY = ".!" * (PATIENCE - 1)


@pytest.mark.parametrize(
    ("script", "works"), [(f"{NEARLY}....{NEARLY}", True), (f"{NEARLY}...!", False)]
)
def test_only_failures_without_an_episode_finished_in_between_count(script, works):
    env, copies = vector(script)
    env.reset()
    while copies[0].failing:
        steps(env, 1)
    assert (env.failure == "") == works


def test_a_copy_that_fails_while_it_is_restored_loses_its_episode():
    env, _ = vector("", "", length=5)
    trace = [env.reset(), *steps(env, 3)]
    again, copies = vector("..!", "", length=5)
    seen = again.restore(env.snapshot())
    assert again.lost == 1 and again.restarts == 1
    assert seen.is_last.tolist() == [True, False] and not seen.is_terminal.any()
    np.testing.assert_array_equal(seen.obs["vector"], trace[-1].obs["vector"])
    after = steps(again, 1)[0]
    assert after.obs["vector"].tolist() == [[1, 0], [0, 4]]
    assert again.episodes.tolist() == [1, 0]
    assert copies[0].calls[-3:] == [episode_seed(SEED, 0, 1), "begin", episode_seed(SEED, 0, 2)]


def test_an_episode_that_ends_early_is_lost():
    env, _ = vector("", length=9)
    env.reset()
    steps(env, 5)
    for length, lost in ((4, 1), (5, 1), (6, 0)):
        again, _ = vector("", length=length)
        seen = again.restore(env.snapshot())
        assert again.lost == lost and seen.is_last.tolist() == [lost == 1]
        assert steps(again, 1)[0].is_first.tolist() == [lost == 1]


class Breaking:
    """An emulator, to be played by a thread, that breaks in some of its steps, counted from 1."""

    def __init__(self, *breaks: int):
        self.breaks = breaks
        self.steps = self.count = 0

    def start(self, seed: int) -> Any:
        del seed
        self.count = 0
        return np.zeros(2, np.float32)

    def step(self, action: Any) -> Outcome:
        del action
        self.steps, self.count = self.steps + 1, self.count + 1
        if self.steps in self.breaks:
            raise RuntimeError("the cartridge is loose")
        return Outcome(np.array([0, self.count], np.float32), 1.0, self.count == 3, False)

    def close(self) -> None:
        pass


def played_by_threads(*games: Breaking) -> VectorizedEnv:
    threads = ThreadPoolExecutor(2)
    copies = [ThreadCopy(game, threads) for game in games]
    observations = Observations(spaces.Box(-np.inf, np.inf, (2,)), 64)
    actions = Actions(spaces.Discrete(3))
    return VectorizedEnv(copies, observations, actions, seed=SEED, frames_per_step=1)


def test_an_error_in_a_thread_costs_an_episode(caplog):
    env = played_by_threads(Breaking(2), Breaking())
    trace = [env.reset(), *steps(env, 4)]
    assert shown(trace, 0) == [[0, 0], [0, 1], [0, 1], [0, 0], [0, 1]]
    assert shown(trace, 1) == [[0, 0], [0, 1], [0, 2], [0, 3], [0, 0]]
    assert column(trace, "is_last", 0) == [False, False, True, False, False]
    assert env.restarts == 1 and "the cartridge is loose" in caplog.text
    assert "test_envs_failures.py:" in caplog.text  # where in the emulator it was
    assert env.reset().is_first.all()
    env.close()


def test_an_emulator_that_breaks_again_and_again_is_given_up():
    env = played_by_threads(Breaking(*range(1, PATIENCE + 1)), Breaking())
    env.reset()
    steps(env, 2 * PATIENCE - 1)
    assert env.failure.startswith(
        "environment 0, episode 9, at step 1: RuntimeError: the cartridge"
    )
    assert env.failure.endswith(f"({PATIENCE} failures in a row)")
    env.close()


def assert_equal(left: Timestep, right: Timestep) -> None:
    np.testing.assert_array_equal(left.obs["vector"], right.obs["vector"])
    for a, b in zip(left[1:5], right[1:5], strict=True):
        np.testing.assert_array_equal(a, b)
