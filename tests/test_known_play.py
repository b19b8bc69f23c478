"""Who plays the steps that probes and cures learn from."""

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
import tiny
from adding_model import Adding

from dreamer_jax.agents.dreamer.state import DreamerCarry
from dreamer_jax.types import Action
from experiments import known_play
from experiments.known_play import ENVS, STRETCH, Subject

FEW, LENGTH = 3, 6 * STRETCH  # actions that chance may draw; steps


class Counting(Adding):
    """Chooses one more than the action that it remembers."""

    @staticmethod
    def choose(_state: Any, carry: DreamerCarry, _key: jax.Array) -> Action:
        return {"action": carry.action["action"] + 1}


def played(share: float) -> np.ndarray:
    """The actions [T, ENVS] of a play in which chance has this share of the stretches."""
    nothing: Any = None
    model: Any = Counting()  # has the parts that a player asks for
    env: Any = SimpleNamespace(obs_space=tiny.VECTOR, act_space=tiny.TURN)
    subject = Subject(nothing, 0, model, None, Adding.empty())
    choose = known_play.player(subject, env, share_at_random=share)
    seen: Any = SimpleNamespace(obs={}, is_first=np.zeros(ENVS, bool))
    return np.stack([choose(step, seen)["action"][:, 0] for step in range(LENGTH)])


def test_an_agent_without_chance_follows_its_own_actions() -> None:
    expected = np.broadcast_to(1 + np.arange(LENGTH)[:, None], (LENGTH, ENVS))
    np.testing.assert_array_equal(played(0.0), expected)


def test_chance_alone_draws_every_action() -> None:
    drawn = np.bincount(played(1.0).ravel()) / (LENGTH * ENVS)
    assert drawn == pytest.approx([1 / FEW] * FEW, abs=0.05)


def test_chance_has_whole_stretches_and_the_agent_remembers_what_it_did() -> None:
    actions = played(0.5)
    stretches = actions.reshape(-1, STRETCH, ENVS)
    follows = np.diff(stretches, axis=1) == 1
    own = follows.all(1)  # [stretch, ENVS]
    assert (own.any(1) & ~own.all(1)).any()  # copies decide for themselves
    assert own.mean() == pytest.approx(0.5, abs=0.2)
    assert (stretches.max(1)[~own] < FEW).all() and (follows.mean(1)[~own] < 0.5).all()
    after_chance = own[1:] & ~own[:-1]
    assert after_chance.any()
    assert ((stretches[1:, 0] - stretches[:-1, -1])[own[1:]] == 1).all()
