"""What users say about keys: which are read and as which kind; and what cannot be read at all."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from envs import kinds
from envs.codecs import Actions, Observations


class Nothing(spaces.Space[Any]):
    """A space of a user's own class, of which nothing is known."""

    def __repr__(self) -> str:
        return "Nothing()"


UNREADABLE: list[spaces.Space[Any]] = [
    Nothing(),
    spaces.Sequence(spaces.Discrete(2)),
    spaces.Graph(spaces.Discrete(2), None),
    spaces.OneOf([spaces.Discrete(2), spaces.Box(0, 1)]),
    spaces.Box(0, 1, (0,)),
    spaces.Box(0, 1, (3, 0), np.uint8),
    spaces.MultiDiscrete([]),
    spaces.Text(0, min_length=0),
    spaces.Discrete(2**40),
    spaces.Box(-np.inf, np.inf, (100, 100, 3)),
]


def refused(space: spaces.Space[Any], **options: str) -> str:
    with pytest.raises(ValueError) as caught:
        Observations(space, 64, **options)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 2_000
    return text


@pytest.mark.parametrize(
    ("space", "kind", "said"),
    [
        (spaces.Box(-np.inf, np.inf, (64, 64)), "image", "finite bounds"),
        (spaces.Box(0, 1, (64,)), "image", "2 to 4 axes"),
        (spaces.Discrete(3), "image", "2 to 4 axes"),
        (spaces.Text(4), "vector", "a Box or a discrete space"),
        (spaces.Box(0, 0.5, (4, 4)), "symbols", "whole numbers with bounds"),
        (spaces.Box(0, 2, (1, 1, 1, 1, 1), np.int8), "symbols", "1 to 4 axes"),
        (spaces.Box(0, 0.5, (4,)), "text", "whole numbers with bounds"),
        (spaces.Box(-np.inf, 1, (4,)), "choice", "whole numbers with bounds"),
        (spaces.Discrete(3), "bits", "two values each"),
        (spaces.MultiDiscrete([2, 3]), "text", "one alphabet"),
        (spaces.Box(0, 1, (0,)), "vector", "no entries"),
        (spaces.Box(0, 65_535, (4, 4), np.uint16), "symbols", "too many classes for symbols"),
        (spaces.MultiDiscrete([2**19] * 3), "choice", "too many classes; env.kinds can make it"),
        (spaces.MultiDiscrete([2**62] * 4), "choice", "too many classes"),  # more than int64 holds
    ],
    ids=str,
)
def test_kinds_that_do_not_fit(space: spaces.Space[Any], kind: str, said: str) -> None:
    text = refused(spaces.Dict({"x": space, "y": spaces.Discrete(2)}), kinds=f"x={kind}")
    assert text.startswith(f"cannot observe 'x' as {kind}: ") and said in text


ROBOT = spaces.Dict(
    {
        "robot": spaces.Dict({"arm": spaces.Box(-1, 1, (2,)), "leg": spaces.Discrete(4)}),
        "robots": spaces.Discrete(2),
        "goal": spaces.Box(-1, 1, (3,)),
    }
)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, "goal robot/arm robot/leg robots"),
        ({"ignore": "goal"}, "robot/arm robot/leg robots"),
        ({"ignore": "robot"}, "goal robots"),
        ({"ignore": "robot*"}, "goal"),
        ({"ignore": "robot/*, goal"}, "robots"),
        ({"only": "robot"}, "robot/arm robot/leg"),
        ({"only": "*/arm,goal"}, "goal robot/arm"),
        ({"only": "robot,goal", "ignore": "*leg"}, "goal robot/arm"),
    ],
)
def test_keys_that_are_left(options: dict[str, str], left: str) -> None:
    observations = Observations(ROBOT, 64, **options)
    assert sorted(observations.spaces) == left.split()
    assert sorted(observations.encode([ROBOT.sample()])) == left.split()
    raw = {"/".join(map(str, path)): key for path, key, _ in observations.leaves}
    assert all(path == key for path, key in raw.items()) and len(raw) == len(left.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ignore": "gaol"}, "env.ignore: no key 'gaol'; did you mean 'goal'? valid are goal, "),
        ({"only": "goal,nothing"}, "env.only: no key 'nothing'; valid are goal, robot/arm, "),
        ({"ignore": "*"}, "env.ignore=* leaves nothing to observe of goal, robot/arm, "),
        ({"only": "goal", "ignore": "goal"}, "env.only=goal env.ignore=goal leaves nothing"),
        ({"kinds": "goal"}, "'goal' is not key=kind with a kind of image, vector, choice"),
        ({"kinds": "goal=matrix"}, "'goal=matrix' is not key=kind"),
        ({"kinds": "=text"}, "'=text' is not key=kind"),
        ({"kinds": "gaol=vector"}, "env.kinds: no key 'gaol'; did you mean 'goal'? "),
    ],
)
def test_options_that_say_nothing(options: dict[str, str], said: str) -> None:
    assert said in refused(ROBOT, **options)


def test_kinds_of_several_keys() -> None:
    found = Observations(ROBOT, 64, kinds="robot*=vector, robots=choice,goal=vector").spaces
    shown = {key: type(space) for key, space in found.items()}
    vectors = dict.fromkeys(("goal", "robot/arm", "robot/leg"), kinds.Vector)
    assert shown == {**vectors, "robots": kinds.Choice}


@pytest.mark.parametrize("space", UNREADABLE, ids=str)
def test_what_cannot_be_read_can_be_left_out(space: spaces.Space[Any]) -> None:
    nested = spaces.Dict({"a": spaces.Dict({"b, c": space}), "d": space, "e": spaces.Discrete(2)})
    text = refused(nested)
    assert "'a/b, c': " in text and "'d': " in text
    flag = text.rpartition("; --set ")[2].removesuffix(" leaves them out")
    assert flag == "'env.ignore=a/b? c,d'"
    left = Observations(nested, 64, ignore="a/b? c,d")
    assert set(left.spaces) == {"e"} and left.described == "e: 1 bit; ignored: a/b, c, d"
    assert "ignore" not in refused(space)


def test_keys_with_odd_names() -> None:
    space = spaces.Dict({"a/b": spaces.Discrete(3), "x[0]": spaces.Discrete(3), "é = *": ROBOT})
    observations = Observations(space, 64, ignore="x[0]", kinds="é = *=vector,a/b=vector")
    assert "x[0]" not in observations.spaces and "a/b" in observations.spaces
    assert all(type(x) is kinds.Vector for x in observations.spaces.values())


def test_how_each_key_is_read_in_one_line() -> None:
    space = spaces.Dict(
        {
            "board": spaces.Box(0, 5, (10, 10, 1), np.uint8),
            "cam": spaces.Box(0, 255, (210, 160, 3), np.uint8),
            "depth": spaces.Box(0, 10, (64, 64)),
            "dir": spaces.Discrete(4),
            "mission": spaces.Text(9),
            "mixed": spaces.MultiDiscrete([2, 3]),
            "speed": spaces.Box(-1, 1, (3,)),
            "view": spaces.Box(0, 5, (7, 7, 3), np.uint8),
        }
    )
    assert Observations(space, 64, ignore="dir").described == (
        "board: 10x10 symbols of 6; cam: picture 210x160x3, resized to 64x64x3; "
        "depth: picture 64x64x1 of 0..10; mission: text of 9; mixed: 2 choices of 2, 3; "
        "speed: 3 numbers; view: 7x7x3 symbols of 6; ignored: dir"
    )
    many = spaces.Dict({f"key{i:02}": spaces.Discrete(3) for i in range(30)})
    assert Observations(many, 64).described.endswith("key19: choice of 3; and 10 more")


@pytest.mark.parametrize(
    "space",
    [*UNREADABLE[:-1], spaces.Text(3), spaces.Dict(), spaces.Tuple(())],
    ids=str,
)
def test_actions_that_cannot_be_made_are_named_together(space: spaces.Space[Any]) -> None:
    nested = spaces.Dict({"a": space, "b": spaces.Tuple([space, spaces.Discrete(2)])})
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        nested = space
    with pytest.raises(ValueError) as caught:
        Actions(nested)
    text = str(caught.value)
    assert "\n" not in text
    assert nested is space or ("cannot act on 'a': " in text and "cannot act on 'b/0': " in text)
