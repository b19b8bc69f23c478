"""One line about an error of somebody else's code."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import pytest

from envs.explained import LONGEST, explained
from envs.seeding import episode_seed

MINE = """
import gymnasium


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


def missing():
    return {}["goal"]


def empty():
    assert [] == [1]


def unreadable():
    raise Unreadable


def long():
    raise ValueError("first\\nsecond\\t\\x1b[31mred\\x1b[0m \\x07" + "x" * 1000)


def ended():
    raise SystemExit(3)


def group():
    raise ExceptionGroup("several", [ValueError("the first"), KeyError("the second")])


def recursive():
    return recursive()
"""


def caught(call: Callable[..., Any], *arguments: Any) -> str:
    """What is told about the error of a call, as if it had come from no file of this project."""
    try:
        call(*arguments)
    except BaseException as error:
        assert error.__traceback__
        return explained(error.with_traceback(error.__traceback__.tb_next))
    raise AssertionError("nothing was raised")


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing", "KeyError: 'goal' (levels.py:11)"),
        ("empty", "AssertionError (levels.py:15: assert [] == [1])"),
        ("unreadable", "Unreadable (levels.py:19: raise Unreadable)"),
        ("ended", "SystemExit: 3 (levels.py:27)"),
        ("group", "ValueError: the first"),
    ],
)
def test_type_message_and_place(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "levels.py").write_text(MINE)
    assert caught(getattr(module(tmp_path / "levels.py"), name)) == told


def test_a_message_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "levels.py").write_text(MINE)
    found = module(tmp_path / "levels.py")
    text = caught(found.long)
    assert text.startswith("ValueError: first second red xxx") and text.endswith(
        "x… (levels.py:23)"
    )
    assert len(text) < LONGEST + 40 and text.isprintable()
    assert caught(found.recursive).startswith("RecursionError: maximum recursion depth exceeded")


def test_the_place_is_that_of_the_one_who_can_mend_it(tmp_path: Path) -> None:
    """Code of the user before that of a package, and a package before Gymnasium and NumPy."""
    package = tmp_path / "site-packages" / "mazes" / "maze.py"
    package.parent.mkdir(parents=True)
    package.write_text("import numpy as np\n\ndef build():\n    return np.stack([])\n")
    assert caught(module(package).build) == (
        "ValueError: need at least one array to stack (mazes/maze.py:4)"
    )
    own = tmp_path / "own.py"
    own.write_text("def call(function):\n    return function()\n")
    assert caught(module(own).call, module(package).build).endswith("(own.py:2)")


def test_files_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine" / "levels.py"
    path.parent.mkdir()
    path.write_text(MINE)
    monkeypatch.chdir(tmp_path)
    mine = module(path)
    assert caught(mine.missing) == "KeyError: 'goal' (mine/levels.py:11)"
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert caught(mine.missing) == "KeyError: 'goal' (levels.py:11)"


def test_no_place_in_gymnasium_python_or_here() -> None:
    assert caught(gymnasium.make, "Nothing-v0").startswith("Environment `Nothing` doesn't exist.")
    assert caught(json.loads, "{").endswith("(char 1)")
    assert caught(episode_seed, 0, -1, 0).endswith("got (0, -1, 0)")
    assert explained(KeyError("unraised")) == "KeyError: 'unraised'"
