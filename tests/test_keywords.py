"""Keyword arguments of Gymnasium environments: as typed, as stored, as each copy gets them."""

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from dreamer_jax.run import manifest
from envs import keywords
from envs.gym_options import Options
from envs.make_gym import COPY, single
from envs.settings import flatten, override_options

ASKING = '''
import os

import gymnasium


class Asking(gymnasium.Env):
    """Keeps the keywords that it was made with."""

    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, size, color="red", *, level=None):
        self.given = {"size": size, "color": color, "level": level}
        self.copy = os.environ["DREAMER_COPY"]

    def reset(self, *, seed=None, options=None):
        return 0, {}


class Passing(Asking):
    """Passes keywords on, as many environments do."""

    def __init__(self, speed=1, **kwargs):
        super().__init__(**kwargs)


def build(shape):
    return Asking(shape)


class Seat(Asking):
    """Shows the number of the copy, once from each source."""

    observation_space = gymnasium.spaces.MultiDiscrete([9, 9])

    def reset(self, *, seed=None, options=None):
        return [self.given["size"], int(self.copy)], {}

    def step(self, action):
        return [self.given["size"], int(self.copy)], 0.0, False, False, {}


for name in ("Asking", "Passing", "Seat"):
    gymnasium.register(f"{name}-v0", f"asking_module:{name}")
gymnasium.register("Built-v0", build)
gymnasium.register("Given-v0", Asking, kwargs={"size": 3, "level": {"depth": 1}})
'''


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of environments that keep their keywords."""
    (tmp_path / "asking_module.py").write_text(ASKING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(COPY, "")
    yield "asking_module"
    for name in ("Asking-v0", "Passing-v0", "Seat-v0", "Built-v0", "Given-v0"):
        gymnasium.registry.pop(name, None)
    sys.modules.pop("asking_module", None)


def options(*assignments: str) -> Options:
    return override_options(Options(), [f"env.{text}" for text in assignments])


def unwrapped(env: gymnasium.Env) -> Any:
    return env.unwrapped


def refusal(name: str, *assignments: str) -> str:
    with pytest.raises(ValueError) as caught:
        single(name, options(*assignments), copy=0)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"cannot make 'gym:{name}': ")
    return message.partition(": ")[2]


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["continuous=false"], {"continuous": False}),
        (["a=False", "b=None", "c=True"], {"a": False, "b": None, "c": True}),
        (["size=3", "size=4"], {"size": 4}),
        (["gravity=-9.8", "frames=[1, 2]"], {"gravity": -9.8, "frames": [1, 2]}),
        (["name=left=right", "path=a/b.xml"], {"name": "left=right", "path": "a/b.xml"}),
        (['name="3"', "empty="], {"name": "3", "empty": ""}),
        (["a.b.c=1", "a.b.d=x", 'a={"b": {"e": [2]}}'], {"a": {"b": {"c": 1, "d": "x", "e": [2]}}}),
        (["a=1", "a.b=2"], {"a": {"b": 2}}),
        (["big=12345678901234567890"], {"big": 12345678901234567890}),
        (["port=50{copy}", "seats=[1, {copy}]"], {"port": "50{copy}", "seats": "[1, {copy}]"}),
    ],
)
def test_values_are_json_or_texts(assignments: list[str], expected: dict[str, Any]) -> None:
    found = options(*(f"kwargs.{text}" for text in assignments))
    assert json.loads(found.kwargs) == expected
    assert hash(found) == hash(options(*(f"kwargs.{text}" for text in assignments)))


def test_the_order_of_keywords_does_not_matter() -> None:
    assert options("kwargs.a=1", "kwargs.b=2") == options('kwargs={"b": 2, "a": 1}')
    assert options('kwargs={"b": 2}', "kwargs.a=1") == options("kwargs.a=1", "kwargs.b=2")


@pytest.mark.parametrize(
    ("assignment", "part"),
    [
        ("kwargs=3", "expected a JSON object; one keyword is env.kwargs.<name>=<value>"),
        ("kwargs=is_slippery", "expected a JSON object"),
        ("kwargs={'a': 1}", "names and texts need double quotes"),
        ("kwargs.a=[1, 2", "it is not complete JSON"),
        ("kwargs.a=1e999", "only finite numbers"),
        ("kwargs.a=NaN", "only finite numbers"),
        ("kwargs.=1", "a name is missing"),
        ("kwargs.a..b=1", "a name is missing"),
        ("kwarg.a=1", "did you mean kwargs?"),
    ],
)
def test_what_is_no_value(assignment: str, part: str) -> None:
    with pytest.raises(ValueError, match=r"^--set env\.kwarg") as caught:
        options(assignment)
    assert part in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "3", "[]", "{", "nonsense", "[" * 10_000])
def test_a_config_that_somebody_has_edited(text: str) -> None:
    with pytest.raises(ValueError, match="kwargs must be a JSON object"):
        envs.make("gym:CartPole-v1", Options(kwargs=text), num_envs=1, seed=0)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Only a text can be another one, where it holds the placeholder.
    | st.text().filter(lambda x: keywords.PLACEHOLDER not in x),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values, st.text(min_size=1).filter(lambda x: "." not in x and "=" not in x))
def test_whatever_is_typed_comes_back(value: Any, name: str) -> None:
    """From the command line to config.json, and back to the environment."""
    chosen = override_options(Options(), [f"env.kwargs.{name}={json.dumps(value)}"])
    stored = json.loads(json.dumps(dataclasses.asdict(chosen)))
    rebuilt = manifest.rebuild(Options(), stored)
    assert rebuilt == chosen
    assert keywords.filled(rebuilt.kwargs, copy=7) == {name: value}
    assert flatten(rebuilt) == flatten(chosen)


def test_other_keywords_are_other_options() -> None:
    before, same = options("kwargs.a=1"), options("kwargs.a=1", "kwargs.a=1")
    other = options("kwargs.a=1", "kwargs.b=2")
    assert flatten(before) == flatten(same)
    assert flatten(other)["env.kwargs"] == '{"a": 1, "b": 2}' != flatten(before)["env.kwargs"]


def test_keywords_arrive(asking: str) -> None:
    env = single(f"{asking}:Asking-v0", options("kwargs.size=8", "kwargs.level.depth=2"), copy=0)
    assert unwrapped(env).given == {"size": 8, "color": "red", "level": {"depth": 2}}
    env = single(f"{asking}:Given-v0", options("kwargs.color=blue"), copy=0)
    assert unwrapped(env).given == {"size": 3, "color": "blue", "level": {"depth": 1}}


def test_the_number_of_a_copy(asking: str) -> None:
    asked = options("kwargs.size=50{copy}", "kwargs.color=seat {copy}", "kwargs.level=[1, {copy}]")
    for first, copy, number in ((0, 0, 0), (0, 3, 3), (8, 3, 11)):
        chosen = override_options(asked, [f"env.first_copy={first}"])
        env = single(f"{asking}:Asking-v0", chosen, copy=copy)
        expected = {"size": int(f"50{number}"), "color": f"seat {number}", "level": [1, number]}
        assert unwrapped(env).given == expected
        assert unwrapped(env).copy == os.environ[COPY] == str(number)


def test_processes_know_their_number(asking: str) -> None:
    chosen = options("kwargs.size={copy}", "first_copy=3")
    with closing(envs.make(f"gym:{asking}:Seat-v0", chosen, num_envs=2, seed=0)) as env:
        assert env.reset().obs["discrete"].tolist() == [[3, 3], [4, 4]]


def test_copies_that_evaluate_have_numbers_of_their_own() -> None:
    assert envs.evaluation_options(Options(first_copy=2), training=8) == Options(first_copy=10)
    counting = envs.default_options("counting")
    assert envs.evaluation_options(counting, training=8) is counting


@pytest.mark.parametrize(
    ("env_id", "assignments", "told"),
    [
        ("Asking-v0", ["kwargs.siez=3"], "it has no keyword 'siez'; did you mean size?; its"),
        ("Asking-v0", ["kwargs.siez=3"], "its keywords are size, color, level"),
        ("Asking-v0", [], "it needs --set env.kwargs.size=<value>"),
        ("Passing-v0", ["kwargs.colour=3"], "did you mean color?; its keywords are speed, size,"),
        ("Built-v0", ["kwargs.shape=3", "kwargs.x=1"], "no keyword 'x'; its keywords are shape"),
        ("Built-v0", [], "it needs --set env.kwargs.shape=<value>"),
        ("Asking-v0", ["kwargs.max_episode_steps=3"], "did you mean env.max_steps?"),
    ],
)
def test_a_wrong_keyword(asking: str, env_id: str, assignments: list[str], told: str) -> None:
    assert told in refusal(f"{asking}:{env_id}", *assignments)


def test_wrong_keywords_of_gymnasium() -> None:
    assert refusal("FrozenLake-v1", "kwargs.slippery=false").startswith(
        "it has no keyword 'slippery'; did you mean is_slippery?; its keywords are render_mode,"
    )
    text = refusal("FrozenLake-v1", "kwargs.desc=3")
    assert text == "ValueError: not enough values to unpack (expected 2, got 0)"
    assert "is_slippery" in refusal("FrozenLake8x8-v1", 'kwargs={"is_sliipery": false}')


def test_keywords_of_gymnasium() -> None:
    slippery, dry = (
        single("FrozenLake-v1", options(*given), copy=0)
        for given in ([], ["kwargs.is_slippery=false"])
    )
    outcomes = [len(unwrapped(env).P[0][0]) for env in (slippery, dry)]
    assert outcomes == [3, 1]
