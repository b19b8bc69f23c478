"""Playing the real environment and dreams in turn: the real episode never notices a dream."""

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamer_jax.agents.dreamer.acting import initial_carry
from dreamer_jax.agents.dreamer.model import model_of
from dreamer_jax.playable import session
from dreamer_jax.playable.moments import array_from_json, array_to_json
from dreamer_jax.playable.session import Session, World
from envs.counting import Counting
from envs.kinds import Choice, Vector

LENGTH = 4
OBS: tiny.Space = {"vector": Vector(2), "discrete": Choice([LENGTH + 1])}
COMMANDS = {
    "agent": lambda world, now: session.stepped(world, now, None),
    "left": lambda world, now: session.stepped(world, now, {"action": np.array([[1]], np.int32)}),
    "switch": lambda _, now: session.switched(now),
    "restart": session.restarted,
}


@cache
def agent() -> tuple[Any, ...]:
    dreamer = tiny.make(obs=OBS, act=tiny.TURN)
    return model_of(dreamer), tiny.made_up(dreamer), initial_carry(dreamer, 1)


def world(taken: list[tuple[int, int]] | None = None) -> World:
    """A new environment; every real action goes to `taken`, with the number of the episode."""
    env, log = Counting(LENGTH, 1), [] if taken is None else taken

    def step(action: session.Action) -> Any:
        log.append((int(env.episodes[0]), int(action["action"][0, 0])))
        return env.step(action)

    return session.world(
        *agent(), begin=lambda episode: env.reset(np.array([episode])), step=step, seed=3
    )._replace(say=sayer())


@cache
def sayer() -> Any:
    """Compiled once."""
    env = Counting(LENGTH, 1)
    return session.world(*agent(), begin=lambda _: env.reset(), step=env.step, seed=0).say


def played(commands: list[str], taken: list[tuple[int, int]] | None = None) -> Session:
    playing = world(taken)
    now = session.begun(playing)
    for command in commands:
        now = COMMANDS[command](playing, now)
    return now


def require_equal(one: Session, other: Session) -> None:
    for field in ("step", "score", "over"):
        assert getattr(one.real, field) == getattr(other.real, field)
    jax.tree.map(np.testing.assert_array_equal, one.real.carry, other.real.carry)
    jax.tree.map(np.testing.assert_array_equal, dict(one.real.said), dict(other.real.said))


# What is done in reality, and before each of it the commands of a dream.
DREAMS = st.lists(st.sampled_from(["agent", "left", "restart"]), max_size=3)
DAYS = st.lists(
    st.tuples(st.sampled_from(["agent", "left", "restart"]), st.none() | DREAMS), max_size=7
)


@given(DAYS)
@settings(max_examples=15)
def test_a_real_episode_continues_after_dreams_as_if_there_were_none(
    days: list[tuple[str, list[str] | None]],
) -> None:
    awake, real, dreaming, dreamt = list[str](), list[tuple[int, int]](), list[str](), []
    for command, dream in days:
        # Where an episode is over no dream begins, and what follows would be real.
        over = played(awake).real.over
        if dream is not None and not over:
            dreaming += ["switch", *dream, "switch"]
        awake.append(command)
        dreaming.append(command)
    require_equal(played(awake, real), played(dreaming, dreamt))
    assert real == dreamt


def test_a_dream_begins_at_the_present_moment() -> None:
    now = played(["agent", "agent", "switch"])
    assert now.dream is not None and now.dream.step == 0 and now.real.step == 2
    jax.tree.map(np.testing.assert_array_equal, now.dream.carry, now.real.carry)
    moment = session.session_to_json(now)
    assert moment["mode"] == "dream" and moment["step"] == 0


def test_a_dream_is_what_the_model_imagines() -> None:
    model, state, _ = agent()
    before = played(["agent", "switch"])
    after = played(["agent", "switch", "left"])
    assert before.dream is not None and after.dream is not None
    carry = model.took(before.dream.carry, {"action": np.array([[1]], np.int32)})
    deter = model.imagine(state, carry, jax.random.key(0)).latent.deter  # no chance in it
    np.testing.assert_array_equal(after.dream.carry.latent.deter, deter)


def test_another_dream_of_a_moment_is_another_future() -> None:
    once = played(["agent", "switch", "left"])
    again = played(["agent", "switch", "restart", "left"])
    assert once.dream is not None and again.dream is not None
    assert (again.real.step, again.dream.step) == (1, 1)
    assert (once.dream.carry.latent.stoch != again.dream.carry.latent.stoch).any()


def test_real_rewards_and_observations_are_those_of_the_environment() -> None:
    now = played(["left"] * 3)
    assert now.real.score == 1 + 2 + 3
    assert now.real.said["obs/vector"].tolist() == [[0, 3]]
    assert now.real.action is not None and now.real.action["action"].tolist() == [[1]]


def test_an_episode_that_is_over_waits_for_the_next_one() -> None:
    now = played(["agent"] * (LENGTH + 3))
    assert now.real.over and now.real.step == LENGTH
    assert played(["agent"] * LENGTH + ["switch"]).dream is None
    following = played(["agent"] * LENGTH + ["restart"])
    assert following.episode == 1 and following.real.step == 0 and not following.real.over
    assert following.real.said["obs/vector"].tolist() == [[1, 0]]


def test_a_moment_is_json_with_its_arrays() -> None:
    moment = session.session_to_json(played(["left", "left"]))
    assert (moment["mode"], moment["step"], moment["action"]) == ("real", 2, {"action": [1]})
    assert array_from_json(moment["obs"]["vector"]).tolist() == [[0, 2]]
    assert moment["policy"]["action/probabilities"]["shape"] == [1, 3]
    assert moment["reward"] == 2


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool"])
def test_arrays_come_back_from_json(dtype: str) -> None:
    array = np.array([[0, 1, 2]]).astype(dtype)
    back = array_from_json(array_to_json(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_an_action_from_a_page_is_checked() -> None:
    act = tiny.make(act=tiny.BOTH).act
    assert session.action_from_json(None, act) is None
    found = session.action_from_json({"action": [2], "speed": [0.5, -1]}, act)
    assert found is not None and found["action"].dtype == np.int32
    assert found["speed"].tolist() == [[0.5, -1]] and found["speed"].dtype == np.float32
    wrong = (
        ({"action": [3], "speed": [0, 0]}, "below 3, got 3"),
        ({"action": [0.5], "speed": [0, 0]}, "whole number"),
        ({"action": [0], "speed": [0]}, "speed: expected 2 numbers"),
        ({"action": [0], "speed": [0, "x"]}, "'x' is no number"),
        ({"action": [0], "speed": [0, float("nan")]}, "no number"),
        ({"action": [True], "speed": [0, 0]}, "True is no number"),
        ({"action": [0]}, "an action needs action, speed"),
        ([0], "an action needs"),
    )
    for value, message in wrong:
        with pytest.raises(ValueError, match=message):
            session.action_from_json(value, act)
