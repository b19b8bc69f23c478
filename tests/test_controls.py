"""Keys and scripts become the actions that they name."""

import dataclasses
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extras import POKEMON
from gymnasium import spaces

import envs
from envs.mario import environment
from envs.play.controls import Command, Controls

ONE = {"action": spaces.MultiDiscrete([5])}
BUTTONS = ("noop", "right", "right+a", "a", "right+a+b")
STICK = {"action": spaces.Box(-1, 1, (2,), np.float32)}
MIXED = {
    "arm": spaces.Box(-1, 1, (1,), np.float32),
    "grip": spaces.MultiDiscrete([3, 2]),
}


def plain(action: Any) -> Any:
    """An action as lists, without its axis of environments."""
    if action is None or isinstance(action, Command):
        return action
    return {key: x[0].tolist() for key, x in action.items()}


@pytest.mark.parametrize(
    ("keys", "index"),
    [
        ("", 0),
        ("right", 1),
        ("right x", 2),
        ("x", 3),
        ("right x z", 4),
        ("z", 0),  # no action has this button alone
        ("right z", 1),
        ("left q space", 0),
    ],
)
def test_the_action_with_the_most_of_the_buttons_held(keys: str, index: int) -> None:
    action = Controls(ONE, BUTTONS).pressed(set(keys.split()))
    assert plain(action) == {"action": [index]}
    assert action and action["action"].dtype == np.int32


def test_time_stands_still_where_nothing_cannot_be_done() -> None:
    assert Controls(ONE, ("left", "right")).pressed(set()) is None
    assert Controls(ONE, ("left", "right")).pressed({"up"}) is None
    assert plain(Controls(ONE, ("left", "right")).pressed({"right"})) == {"action": [1]}
    assert Controls(ONE).pressed(set()) is None
    assert plain(Controls(ONE).pressed({"0"})) == {"action": [0]}


def test_numbers_have_keys_of_their_own() -> None:
    assert plain(Controls(ONE).pressed({"3"})) == {"action": [3]}
    assert plain(Controls(ONE).pressed({"3", "4"})) == {"action": [4]}
    assert plain(Controls(STICK).pressed(set())) == {"action": [0, 0]}
    assert plain(Controls(STICK).pressed({"left", "up"})) == {"action": [-1, 1]}
    assert plain(Controls(STICK).pressed({"left", "right"})) == {"action": [0, 0]}
    controls = Controls(MIXED)
    assert controls.pressed(set()) is None
    assert plain(controls.pressed({"2", "w", "right"})) == {"arm": [1], "grip": [2, 1]}
    legend = " ".join(controls.legend())
    assert "left: -1" in legend and "2: 2" in legend and "w: 1" in legend
    taken = [key for line in controls.legend() for key in line.split() if key == "r:"]
    assert not taken


def inputs(tmp_path: Path, text: str, controls: Controls) -> list[Any]:
    file = tmp_path / "script"
    file.write_text(text)
    return [plain(x) for x in islice(controls.script(file), 20)]


def test_a_script_is_read_line_by_line(tmp_path: Path) -> None:
    text = "right+a x 2  # jump\n\n# nothing here\nA+Right\nnoop\nreset\n4\n"
    found = inputs(tmp_path, text, Controls(ONE, BUTTONS))
    expected = [*[{"action": [i]} for i in (2, 2, 2, 0)], Command.RESET, {"action": [4]}]
    assert found == expected
    found = inputs(tmp_path, "0.5,-1 x 2\naction=1,0", Controls(STICK))
    assert found == [{"action": [0.5, -1]}] * 2 + [{"action": [1, 0]}]
    found = inputs(tmp_path, "grip=2,1 arm=-0.25\ngrip=1,0", Controls(MIXED))
    assert found == [{"arm": [-0.25], "grip": [2, 1]}, {"arm": [0], "grip": [1, 0]}]


def test_repeating_for_ever_takes_no_memory(tmp_path: Path) -> None:
    assert inputs(tmp_path, f"right x {10**15}", Controls(ONE, BUTTONS)) == [{"action": [1]}] * 20


@pytest.mark.parametrize(
    ("line", "space", "names", "reason"),
    [
        ("up", ONE, BUTTONS, "unknown action 'up'; valid are noop, right"),
        ("right x 0", ONE, BUTTONS, "expected a positive count after x, got '0'"),
        ("right x two", ONE, BUTTONS, "expected a positive count after x, got 'two'"),
        ("right 2", ONE, BUTTONS, "expected numbers for action"),
        ("5", ONE, BUTTONS, "expected 0 to 4, got 5"),
        ("-1", ONE, (), "expected 0 to 4, got -1"),
        ("1.5", ONE, (), "expected a number, got '1.5'"),
        ("1,2", ONE, (), "got 2 numbers"),
        ("1.5,0", STICK, (), "expected -1 to 1, got 1.5"),
        ("nan,0", STICK, (), "expected -1 to 1, got nan"),
        ("0.5", STICK, (), "got 1 numbers"),
        ("grip=1,1 grip=1,1", MIXED, (), "expected numbers for arm, grip, got 'grip=1,1'"),
        ("1", MIXED, (), "expected numbers for arm, grip"),
        ("reset x 2", ONE, BUTTONS, "unknown action 'reset'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(
    tmp_path: Path, line: str, space: Any, names: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=r"script, line 2: ") as error:
        inputs(tmp_path, f"# first\n{line}", Controls(space, names))
    assert reason in str(error.value) and "\n" not in str(error.value)


def named(name: str, **options: Any) -> tuple[int, tuple[str, ...]]:
    """How many actions an environment has, and their names."""
    chosen = dataclasses.replace(envs.default_options(name), **options)
    env = envs.make(name, chosen, num_envs=1, seed=0)
    try:
        space = env.act_space["action"]
    finally:
        env.close()
    assert isinstance(space, spaces.MultiDiscrete)
    return int(space.nvec[0]), envs.action_names(name, chosen)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("atari_breakout", {"full_actions": True}),
        ("atari_breakout", {"full_actions": False}),
        ("cartpole", {}),
        pytest.param("gameboy_demo", {}, marks=POKEMON),
    ],
)
def test_every_action_has_a_name(name: str, options: dict[str, Any]) -> None:
    count, names = named(name, **options)
    assert len(names) == count == len({frozenset(x.split("+")) for x in names})
    assert Controls(ONE, names).legend() != [""]


def test_names_say_what_the_actions_are() -> None:
    full = envs.default_options("atari_breakout")
    few = dataclasses.replace(full, full_actions=False)
    assert envs.action_names("atari_breakout", few) == ("noop", "fire", "right", "left")
    assert "up+right+fire" in envs.action_names("atari_breakout", full)
    options = envs.default_options("mario_1_1")
    assert envs.action_names("mario", options) == (
        "noop",
        "right",
        "right+a",
        "right+b",
        "right+a+b",
    )
    assert len(environment.ACTIONS) == 3
    for kind, held in environment.ACTIONS.items():
        names = envs.action_names("mario", dataclasses.replace(options, actions=kind))
        assert len({frozenset(x.split("+")) for x in names}) == len(held)
    assert envs.action_names("counting", envs.default_options("counting")) == ()
