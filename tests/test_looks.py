"""Returns along the way, kinds of steps and their nats, and the height of a dreamt Mario."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from adding_model import Adding
from extras import MARIO

from dreamer_jax.agents.dreamer.batches import prepare, scaled
from dreamer_jax.agents.dreamer.losses import world_model_losses
from dreamer_jax.agents.dreamer.state import DreamerCarry
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.main import COMMANDS
from dreamer_jax.types import Step
from experiments import kl_by_step, press_again, value_along
from experiments.known_play import ENVS, Known, Subject
from experiments.linear_probe import Regression
from experiments.positions import ABSENT


def known() -> Known:
    """Rewards of 1; the first copy ends truly at step 3, the second is truncated there."""
    shape = (6, ENVS)
    is_last = np.zeros(shape, bool)
    is_last[3, :2] = True
    is_terminal = is_last.copy()
    is_terminal[:, 1] = False
    steps = Step(
        obs={},
        action={},
        reward=jnp.ones(shape),
        is_first=jnp.zeros(shape, bool).at[4, :2].set(True),
        is_last=jnp.asarray(is_last),
        is_terminal=jnp.asarray(is_terminal),
        events={},
    )
    return Known(steps=jax.device_get(steps), at={})


def test_returns_follow_until_a_true_end() -> None:
    found = value_along.returns(known(), 0.5)
    np.testing.assert_allclose(found[:, 0], [1.75, 1.5, 1, np.nan, np.nan, np.nan])
    assert np.isnan(found[:, 1:]).all()


def test_the_table_has_means_of_each_stretch() -> None:
    at = np.array([[0.0, 4.0], [5.0, 9.0], [ABSENT, 9.0]])
    lines = value_along.table(
        at, {"value": np.array([[1.0, 3.0], [5.0, 7.0], [np.nan, 9.0]])}, bins=2
    )
    assert [line.split() for line in lines[1:]] == [
        ["0", "5", "2", "2.00"],
        ["5", "10", "3", "7.00"],
    ]


def test_nats_are_those_that_the_world_model_loses() -> None:
    dreamer = tiny.make({**tiny.VECTOR, **tiny.PIXELS})
    state, batch = tiny.made_up(dreamer), prepare(dreamer, tiny.window(dreamer))
    batch = scaled(dreamer, state.moments, batch)
    uniform = tiny.noise(dreamer, jax.random.key(0)).latent
    latents, losses, _ = world_model_losses(dreamer, state.params, batch, uniform)
    steps = tiny.window(dreamer).steps
    carry = DreamerCarry(latent=latents, action={})
    found = kl_by_step.kl_of(
        dreamer, state, carry, Known(jax.tree.map(lambda x: x[1:], steps), at={})
    )
    floor = dreamer.config.losses.free_nats
    np.testing.assert_allclose(np.maximum(floor, found), losses["dynamics"], rtol=1e-4)
    assert found.max() > floor


def test_kinds_of_steps_know_what_moves() -> None:
    shape = (6, ENVS)
    at = np.broadcast_to(np.array([1.0, 1.0, 4.0, ABSENT, 4.0, 4.0])[:, None], shape)
    some = known()
    found = kl_by_step.kinds(Known(some.steps, at={"ball_x": at}))
    later = at.copy()
    later[4, :2] = ABSENT  # the first step of an episode: no places are known of it
    appears = kl_by_step.kinds(Known(some.steps, at={"ball_x": later}))["ball_x appears"]
    assert appears[:, 0].tolist() == [True, False, False, False, False, False]
    assert [
        found[f"ball_x {what}"][:, 3].tolist()
        for what in ("not shown", "appears", "stands", "moves")
    ] == [
        [False, False, False, True, False, False],
        [True, False, False, False, True, False],
        [False, True, False, False, False, True],
        [False, False, True, False, False, False],
    ]
    assert found["first of an episode"].sum() == 2 and found["with a reward"].all()
    lines = kl_by_step.table(np.where(found["ball_x moves"], 3.0, 0.5), found, floor=1.0)
    (line,) = [x.split() for x in lines if x.startswith("ball_x moves")]
    assert line == ["ball_x", "moves", "16.7%", "3.00", "54.5%", "0%"]


def test_what_is_nowhere_has_no_table() -> None:
    assert value_along.table(np.full((3, 2), ABSENT), {}, bins=2) == [
        "No episode that ended has this coordinate. Try more --steps."
    ]


def test_what_a_critic_expects_and_how_sure_the_policy_is() -> None:
    """Of two actions: 1 for an even chance of both, 0 for certainty."""
    probabilities = jnp.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]] + [[0.5, 0.5]] * (ENVS - 3))

    def policy(_: Any, carry: jax.Array) -> dict[str, dict[str, jax.Array]]:
        del carry
        return {"action": {"probabilities": probabilities}}

    def read(_: Any, carry: jax.Array) -> Any:
        return SimpleNamespace(value=2 * carry)

    model: Any = SimpleNamespace(explicit=SimpleNamespace(policy=policy), read=read)
    carry = jnp.arange(6.0 * ENVS).reshape(6, ENVS)
    value, randomness = value_along.expectations(model, None, carry, known())
    np.testing.assert_allclose(value, 2 * carry)
    expected = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) / np.log(2)
    np.testing.assert_allclose(randomness[:, :3], [[1, 0, expected]] * 6, atol=1e-6)


def test_game_and_dream_begin_with_the_same_step() -> None:
    """The first dreamt step follows the last action that was seen, as the game's does."""
    steps = press_again.BEFORE + press_again.HELD + press_again.AFTER
    time = jnp.broadcast_to(jnp.arange(steps)[:, None, None], (steps, ENVS, 1))
    flags = jnp.zeros((steps, ENVS), bool)
    played = Step(
        obs={},
        action={"action": time},
        reward=jnp.zeros((steps, ENVS)),
        is_first=flags,
        is_last=flags,
        is_terminal=flags,
        events={},
    )
    nothing: Any = None
    model: Any = Adding()  # has the parts that a dream asks for
    subject = Subject(nothing, 0, model, None, Adding.empty())
    height = Regression(np.zeros(2), np.ones(2), np.array([1.0, 0.0]), 0.5)
    found = press_again.dreamt_height(subject, Known(jax.device_get(played), at={}), height)
    first = press_again.BEFORE + press_again.HELD - 1
    np.testing.assert_allclose(found, np.cumsum(first + np.arange(press_again.AFTER)) + 0.5)


def in_mario(folder: Path) -> Subject:
    """What knows of the first stage and of nothing else."""
    command = ["press_again", "--env=mario_1_1", f"--logdir={folder}"]
    setup = decide(parse(command, COMMANDS))
    nothing: Any = None
    return Subject(setup, 0, nothing, None, None)


@MARIO
def test_mario_jumps_again_when_the_button_was_released(tmp_path: Path) -> None:
    heights = {
        name: press_again.scripted(in_mario(tmp_path), released).at["mario_y"]
        for name, released in press_again.CASES.items()
    }
    landed = press_again.BEFORE + press_again.HELD
    ground = heights["held"][landed]
    assert (heights["held"][1:landed].min(0) < ground - 32).all()  # no place is told at first
    assert (heights["held"][landed:] == ground).all()
    assert (heights["pressed again"][landed:].min(0) < ground - 32).all()


@MARIO
def test_a_script_that_does_not_land_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(press_again, "HELD", 4)  # steps; he is in the air then
    with pytest.raises(ValueError, match="mario_1_1: Mario does not land where he has jumped"):
        press_again.scripted(in_mario(tmp_path), 0)
