"""The contract that every environment keeps, and that it notices when one does not."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import contract
import numpy as np
import pytest
from contract import CLAUSES, Family
from extras import MARIO, POKEMON
from gymnasium.spaces import Box

import envs
from envs.counting import Counting
from envs.single import SingleEnv
from envs.timestep import Timestep, VectorEnv

ICE = {5, 7, 11, 12, 15}  # fields of FrozenLake where it ends: four holes and the gift


def fallen(obs: dict[str, np.ndarray], episode: int, step: int) -> bool:
    """CartPole ends when the cart leaves the track or the pole leans by more than 12 degrees."""
    del episode, step
    return abs(obs["vector"][0]) > 2.4 or abs(obs["vector"][2]) > np.radians(12)


COUNTING = Family(
    "counting", {"length": 5}, 5, lambda _, n, t: t == 5 and n % 2 == 1, 1, False, True
)
# A family is one line: its name, options that end episodes early, after how many steps they do.
FAMILIES = [
    COUNTING,
    Family("cartpole", {"max_steps": 12}, 12, fallen, quick=True),
    Family("cartpole_pixels", {"max_steps": 7}, 7, quick=True),
    Family("gym:Pendulum-v1", {"max_steps": 12}, 12),
    Family("gym:FrozenLake-v1", {"max_steps": 12}, 12, lambda obs, *_: obs["discrete"][0] in ICE),
    Family("atari_freeway", {"max_frames": 48}, 12, frames=4),
    Family("mario_1_1", {"max_steps": 12}, 12, frames=4),
    Family("gameboy_demo", {"steps": 12, "wait": 9}, 12, frames=24, shows_seed=False),
]
NEEDS = {"gameboy_demo": POKEMON, "mario_1_1": MARIO}
PARAMS = [pytest.param(f, marks=NEEDS.get(f.name, ()), id=f.name) for f in FAMILIES]

# Gymnasium advises against numbers without bounds.
pytestmark = pytest.mark.filterwarnings("ignore:.*A Box observation space m.* value is")


@pytest.mark.parametrize("family", PARAMS)
@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
def test_the_contract(clause: Callable[[Family], None], family: Family):
    clause(family)


def test_a_single_environment_is_made_of_one_copy():
    with pytest.raises(ValueError, match="one copy, got 2"):
        SingleEnv(COUNTING.build(2))


# Bugs that the contract has to notice ----------------------------------------------------------


class WideNumbers(Counting):
    def _obs(self):
        obs = super()._obs()
        return {**obs, "vector": obs["vector"].astype(np.float64)}


class WithoutAKind(Counting):
    def __init__(self, length: int, num_envs: int):
        super().__init__(length, num_envs)
        self.obs_space["vector"] = Box(-np.inf, np.inf, (2,), np.float32)


class OutOfTheSpace(Counting):
    def _obs(self):
        obs = super()._obs()
        return {**obs, "discrete": obs["discrete"] + 1}


class Changed(Counting):
    """Passes on what `change` makes of a timestep."""

    def change(self, timestep: Timestep) -> Timestep:
        raise NotImplementedError

    def _timestep(self) -> Timestep:
        return self.change(super()._timestep())


class FirstTooLate(Changed):
    def change(self, timestep):
        return timestep._replace(is_first=self._count == 1)


class TruncatedMeansTerminal(Changed):
    def change(self, timestep):
        return timestep._replace(is_terminal=timestep.is_last)


class TerminalMeansTruncated(Changed):
    def change(self, timestep):
        return timestep._replace(is_terminal=np.zeros_like(timestep.is_last))


class LastForgotten(Changed):
    def change(self, timestep):
        return timestep._replace(is_last=timestep.is_terminal)


class RewardAtTheStart(Changed):
    def change(self, timestep):
        return timestep._replace(reward=timestep.reward + 1)


class NoReward(Changed):
    def change(self, timestep):
        return timestep._replace(reward=timestep.reward * np.float32(np.nan))


class Unseeded(Changed):
    def change(self, timestep):
        timestep.obs["vector"][:, 0] += np.random.default_rng().random()
        return timestep


class Neighbourly(Changed):
    def change(self, timestep):
        timestep.obs["vector"][:] += self.episodes.max()
        return timestep


class Remembering(Changed):
    total = 0

    def change(self, timestep):
        self.total += 1
        timestep.obs["vector"][:, 0] += self.total
        return timestep


class OtherwisePrepared(Changed):
    prepared = 0

    def prepare(self):
        self.prepared = 1

    def change(self, timestep):
        timestep.obs["vector"][:, 0] += self.prepared
        return timestep


class Reused(Changed):
    kept: Any = None

    def change(self, timestep):
        self.kept = self.kept or timestep
        for key, value in self.kept.obs.items():
            value[:] = timestep.obs[key]
        return timestep._replace(obs=dict(self.kept.obs))


class Hoarding(Changed):
    def change(self, timestep):
        self.__dict__.setdefault("hoard", []).append(timestep)
        return timestep


class TooLong(Counting):
    def __init__(self, length: int, num_envs: int):
        super().__init__(length + 1, num_envs)


class LeavingThreads(Counting):
    def __init__(self, length: int, num_envs: int):
        super().__init__(length, num_envs)
        self.threads = ThreadPoolExecutor(1)
        self.threads.submit(int)


class OneEpisode(Counting):
    @property
    def episodes(self):
        return np.zeros(self.num_envs, np.int64)


class ActingAtTheEnd(Counting):
    def step(self, action):
        acted = self._record.over & (action["action"][:, 0] > 0)
        timestep = super().step(action)
        timestep.obs["vector"][:, 0] += acted
        return timestep


class AnyShape(Counting):
    def step(self, action):
        return super().step({"action": np.resize(action["action"], (self.num_envs, 1))})


class LostActions(Counting):
    def snapshot(self):
        snapshot = super().snapshot()
        return {**snapshot, "actions/action": np.zeros_like(snapshot["actions/action"])}


class BackAStep(Counting):
    def restore(self, snapshot):
        timestep = super().restore(snapshot)
        self._count = np.maximum(self._count - 1, 0)
        return timestep


def counting(kind: type[Counting]) -> Family:
    """The counting family with a bug planted in it."""

    def make(name: str, options: Any, *, num_envs: int, seed: int) -> VectorEnv:
        del name, seed
        return kind(options.length, num_envs)

    return dataclasses.replace(COUNTING, make=make)


def one_seed(name: str, options: Any, *, num_envs: int, seed: int) -> VectorEnv:
    """Ignores the seed."""
    return envs.make(name, options, num_envs=num_envs, seed=seed % 1)


BUGS = {
    contract.shapes_and_dtypes_are_those_of_the_spaces: [
        *(WideNumbers, WithoutAKind, OutOfTheSpace),
    ],
    contract.episodes_begin_and_end_where_they_should: [
        *(FirstTooLate, TruncatedMeansTerminal, TerminalMeansTruncated, LastForgotten),
        *(TooLong, OneEpisode, RewardAtTheStart),
    ],
    contract.the_same_actions_give_the_same_bytes: [
        *(Unseeded, ActingAtTheEnd, OtherwisePrepared),
    ],
    contract.an_episode_depends_on_its_seed_and_actions_alone: [Neighbourly, Remembering],
    contract.what_was_returned_is_never_written_again: [Reused],
    contract.a_snapshot_holds_the_actions_of_the_running_episodes: [LostActions],
    contract.a_snapshot_goes_on_where_it_was: [BackAStep],
    contract.other_shapes_are_refused: [AnyShape],
    contract.gymnasium_accepts_it: [NoReward],
    contract.closing_leaves_nothing_behind: [LeavingThreads],
    contract.memory_stays_flat: [Hoarding],
}


@pytest.mark.parametrize(
    ("clause", "bug"),
    [pytest.param(clause, bug, id=bug.__name__) for clause in BUGS for bug in BUGS[clause]],
)
def test_a_bug_is_noticed(clause: Callable[[Family], None], bug: type[Counting]):
    with pytest.raises((AssertionError, UserWarning, pytest.fail.Exception)):
        clause(counting(bug))


def test_a_seed_that_is_ignored_is_noticed():
    cartpole = next(family for family in FAMILIES if family.name == "cartpole")
    with pytest.raises(AssertionError):
        contract.seeds_rows_and_episodes_differ(dataclasses.replace(cartpole, make=one_seed))


def test_every_clause_has_a_bug_that_it_notices():
    assert {*BUGS, contract.seeds_rows_and_episodes_differ} == set(CLAUSES)


def test_counting_ends_odd_episodes_terminal_and_even_ones_truncated():
    for index, timestep in enumerate(contract.recorded(COUNTING).trace):
        episode, step = divmod(index, 6)
        np.testing.assert_array_equal(timestep.obs["vector"], [[episode, step]] * 3)
        np.testing.assert_array_equal(timestep.obs["discrete"], [[step]] * 3)
        assert (timestep.events["event/episode"] == episode).all()
        assert (timestep.reward == step).all()
