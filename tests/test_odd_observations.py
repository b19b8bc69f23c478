"""What a run sees of an environment that works but returns what it did not declare."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from envs.codecs import Actions, Observations
from envs.vector.copy_protocol import Outcome
from envs.vector.vector import VectorizedEnv

BOX = spaces.Box(-1, 1, (3,))


class Odd:
    """Shows the number of the step, `odd` in some steps; an episode has four."""

    def __init__(self, odd: Any, *steps: int):
        self.odd, self.steps = odd, steps
        self.begun = self.count = 0

    def prepare(self, seed: int) -> None:
        del seed

    def begin(self) -> Any:
        self.begun, self.count = self.begun + 1, 0
        return self._shown()

    def send(self, action: Any) -> None:
        del action
        self.count += 1

    def receive(self) -> Outcome:
        return Outcome(self._shown(), 1.0, self.count == 4, False)

    def restart(self) -> None:
        raise AssertionError("it works")

    def close(self) -> None:
        raise RuntimeError("it does not close")

    def _shown(self) -> Any:
        return self.odd if self.count in self.steps else np.full(3, self.count, np.float32)


def vector(*copies: Odd, **options: Any) -> VectorizedEnv:
    observations, actions = Observations(BOX, 64), Actions(spaces.Discrete(2))
    return VectorizedEnv(
        copies, observations, actions, seed=0, frames_per_step=1, name="gym:Odd-v0", **options
    )


ACT = {"action": np.zeros((1, 1), np.int32)}


@pytest.mark.parametrize("odd", [np.zeros(4), None, np.full(3, np.nan)])
def test_an_odd_observation_costs_an_episode_and_is_never_seen(odd, caplog):
    env = vector(copy := Odd(odd, 3))
    trace = [env.reset(), *(env.step(ACT) for _ in range(7))]
    shown = [seen.obs["vector"][0, 0] for seen in trace]
    assert shown == [0, 1, 2, 2, 0, 1, 2, 2]
    assert [seen.is_last[0] for seen in trace] == [False, False, False, True] * 2
    assert [seen.reward[0] for seen in trace] == [0, 1, 1, 0] * 2
    assert not any(seen.is_terminal[0] for seen in trace)
    assert env.restarts == 2 and copy.begun == 2
    assert caplog.records[0].message.startswith("gym:Odd-v0 0, episode 0, at step 3: 'vector' sh")
    env.close()
    assert "gym:Odd-v0 0 does not close: RuntimeError: it does not close" in caplog.text


@pytest.mark.parametrize("odd", [np.zeros(4), None])
@pytest.mark.parametrize("terminated", [True, False])
@pytest.mark.parametrize("length", [1, 3])
def test_an_episode_whose_end_is_odd_is_not_finished(odd, terminated, length):
    class Ends(Odd):
        def receive(self) -> Outcome:
            over = self.count == length
            return Outcome(self._shown(), 1.0, over and terminated, over and not terminated)

    env = vector(Ends(odd, length))
    env.reset()
    while not env.failure:
        seen = env.step(ACT)
        assert not seen.is_last[0] or (seen.reward[0] == 0 and not seen.is_terminal[0])
    assert env.failure.startswith(f"gym:Odd-v0 0, episode 9, at step {length}: 'vector' should")


def test_an_episode_that_is_restored_to_an_odd_observation_is_lost():
    env, again = vector(Odd(None)), vector(copy := Odd(np.zeros(4), 2))
    env.reset()
    for _ in range(2):
        env.step(ACT)
    seen = again.restore(env.snapshot())
    assert seen.is_last.all() and again.lost == 1 and seen.obs["vector"][0, 0] == 2
    assert again.step(ACT).is_first.all() and copy.begun == 2


def test_simulations_that_explode_are_lived_with_if_they_take_steps():
    explodes = np.full(3, np.inf)
    env = vector(Odd(explodes, 2))
    env.reset()
    for _ in range(100):
        env.step(ACT)
    assert env.failure == "" and env.restarts == 33
    at_once = vector(Odd(explodes, 1))
    at_once.reset()
    while not at_once.failure:
        at_once.step(ACT)
    assert "episode 9, at step 1: 'vector' should be finite, got inf" in at_once.failure
    strict = vector(Odd(explodes, 2), patient=False)
    strict.reset()
    strict.step(ACT)
    assert strict.step(ACT).is_last.all() and "episode 0, at step 2" in strict.failure


def test_failures_are_told_ever_more_rarely(caplog):
    env = vector(Odd(np.full(3, np.nan), 2))
    env.reset()
    for _ in range(3 * 70):
        env.step(ACT)
    numbers = [int(x.message.rpartition("failure ")[2].rstrip(")")) for x in caplog.records]
    assert numbers == [*range(1, 21), 32, 64]


@pytest.mark.parametrize("steps", [0, 2])
def test_an_episode_that_is_not_to_be_repeated_is_cut_off(steps):
    env, again = vector(Odd(None), replay=False), vector(copy := Odd(None), replay=False)
    env.reset()
    for _ in range(steps):
        seen = env.step(ACT)
    snapshot = env.snapshot()
    assert snapshot["length"].tolist() == [0] and len(snapshot["actions/action"]) == 0
    seen = again.restore(snapshot)
    assert copy.begun == (steps == 0)
    assert seen.is_last.all() == (steps > 0) and again.lost == (steps > 0)
    after = again.step(ACT)
    assert after.is_first.all() == (steps > 0)
    assert after.obs["vector"][0, 0] == (0 if steps else 1)


def test_very_long_episodes_are_not_kept(monkeypatch, caplog):
    monkeypatch.setattr("envs.vector.running_episodes.LONGEST", 100)
    monkeypatch.setattr("envs.vector.news.ENDLESS", 50)
    monkeypatch.setattr("envs.vector.news.SELDOM", 10)
    env = vector(Odd(None))
    env.copies[0].receive = lambda: Outcome(np.zeros(3), 0.0, False, False)
    env.reset()
    for _ in range(99):
        env.step(ACT)
    assert env.snapshot()["length"].tolist() == [99]
    for _ in range(500):
        env.step(ACT)
    assert env.snapshot()["length"].tolist() == [0] and len(env._record._actions) <= 264
    (line,) = (x.message for x in caplog.records)
    assert line.startswith("gym:Odd-v0: an episode has taken 50 steps without an end; env.max_ste")
    again = vector(Odd(None))
    assert again.restore(env.snapshot()).is_last.all() and again.lost == 1
