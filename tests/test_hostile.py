"""Hundreds of bad command lines and config files: exit code 2, one line, and nothing touched."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from command import call
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import configs
import envs
from dreamer_jax.agents.dreamer.config import SIZES
from dreamer_jax.config import Config, resolve, to_dict
from dreamer_jax.run import manifest
from dreamer_jax.run.spaces_record import spaces_to_json

ENV = "--env=counting"
CONFIG = resolve(configs.load("debug", family="counting", options=envs.default_options("counting")))
COUNTING = envs.make("counting", CONFIG.env, num_envs=1, seed=0)
NUMBERS = {
    f"{section.name}.{field.name}": type(getattr(getattr(CONFIG, section.name), field.name))
    for section in dataclasses.fields(Config)
    for field in dataclasses.fields(getattr(CONFIG, section.name))
}
EACH = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)

# Python refuses other characters in arguments before anybody could look at them.
text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
word = st.text("abcdefghijklmnopqrstuvwxyz_.", min_size=1, max_size=12)


def content(folder: Path) -> dict[str, bytes]:
    return {str(x): x.read_bytes() if x.is_file() else b"" for x in sorted(folder.rglob("*"))}


def refused(folder: Path, *arguments: str) -> None:
    before = content(folder)
    result = call(*arguments)
    assert result.code == 2, result
    assert result.out == "" and "Traceback" not in result.err
    assert result.err.startswith("error: ") and result.err.count("\n") == 1
    assert content(folder) == before


def is_number(value: str) -> bool:
    try:
        return float(value.replace("_", "")) is not None
    except ValueError:
        return False


def bad_setting() -> st.SearchStrategy[str]:
    numeric = sorted(name for name, kind in NUMBERS.items() if kind in (int, float))
    numbers = st.sampled_from(numeric)
    return st.one_of(
        text.filter(lambda x: "=" not in x),
        st.tuples(word.filter(lambda x: x not in NUMBERS), text).map("=".join),
        st.tuples(numbers, text.filter(lambda x: not is_number(x))).map("=".join),
        st.tuples(numbers, st.integers(max_value=-1).map(str)).map("=".join),
        st.tuples(numbers, st.sampled_from(["nan", "inf", "-inf", "1e999"])).map("=".join),
    )


def bad_arguments() -> st.SearchStrategy[list[str]]:
    flags = word.filter(lambda x: not "".join(x).startswith("no"))
    return st.one_of(
        bad_setting().map(lambda x: [ENV, f"--set={x}"]),
        flags.map(lambda x: [ENV, f"--x{x}=1"]),
        text.filter(lambda x: x and not x.startswith("-")).map(lambda x: [ENV, x]),
        word.filter(lambda x: not x.startswith(("cartpole", "counting", "atari_", "mario"))).map(
            lambda x: [f"--env={x}"]
        ),
        word.map(lambda x: [f"--env=gym:{x}-v0"]),
        word.map(lambda x: [f"--env=atari_{x}x"]),
        word.map(lambda x: [f"--env=mario_{x}x"]),
        text.filter(lambda x: x not in SIZES and not is_number(x)).map(
            lambda x: [ENV, f"--size={x}"]
        ),
        text.filter(lambda x: not x.startswith("data=")).map(lambda x: [ENV, f"--mesh={x}"]),
        word.filter(lambda x: x != "debug").map(lambda x: [ENV, f"--config={x}q"]),
        st.integers(max_value=0).map(lambda x: [ENV, f"--steps={x}"]),
        word.map(lambda x: [ENV, f"--mode={x}q"]),
    )


@EACH
@given(bad_arguments())
def test_bad_command_lines(tmp_path: Path, arguments: list[str]) -> None:
    refused(tmp_path, *arguments, f"--logdir={tmp_path / 'run'}")


GOOD = {
    "env": "counting",
    "preset": "debug",
    "agent": "dreamer",
    "seed": 0,
    "mesh": "data=1",
    "config": to_dict(CONFIG),
    "spaces": spaces_to_json(COUNTING.obs_space, COUNTING.act_space),
    "auto": ["size"],
    "logdir": "logdir",
    "versions": manifest.versions(),
}
LATER_SECTIONS = [(name,) for name in manifest.ADDED]  # runs of earlier versions lack them
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(word, children, max_size=3),
)


def places(tree: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every path to a value that decides about a run."""
    found = []
    for name, value in tree.items():
        if name not in ("versions", "logdir"):
            here = (*path, name)
            found += [here, *(places(value, here) if isinstance(value, dict) else [])]
    return found


def changed(path: tuple[str, ...], value: Any) -> str:
    """A config file with another value at a path."""
    run = json.loads(json.dumps(GOOD))
    node = run
    for name in path[:-1]:
        node = node[name]
    assume(type(node[path[-1]]) is not type(value))
    assume(not (isinstance(node[path[-1]], (int, float)) and isinstance(value, (int, float))))
    node[path[-1]] = value
    return json.dumps(run)


def is_needed(path: tuple[str, ...]) -> bool:
    """Whether a run cannot be read without it. Other values have defaults."""
    node: Any = GOOD
    for name in path:
        node = node[name]
    return path[0] != "config" or (isinstance(node, dict) and path[1:] not in LATER_SECTIONS)


def without(path: tuple[str, ...]) -> str:
    run = json.loads(json.dumps(GOOD))
    node = run
    for name in path[:-1]:
        node = node[name]
    del node[path[-1]]
    return json.dumps(run)


def bad_files() -> st.SearchStrategy[bytes]:
    whole = json.dumps(GOOD)
    at = st.sampled_from(places(GOOD))
    return st.one_of(
        st.integers(0, len(whole) - 1).map(lambda n: whole[:n].encode()),
        st.binary(max_size=40),
        json_values.map(lambda x: json.dumps(x).encode()),
        st.builds(changed, at, json_values).map(str.encode),
        at.filter(is_needed).map(lambda path: without(path).encode()),
    )


@EACH
@given(bad_files())
def test_bad_config_files(tmp_path: Path, file: bytes) -> None:
    logdir = tmp_path / "run"
    logdir.mkdir(exist_ok=True)
    (logdir / "config.json").write_bytes(file)
    refused(tmp_path, f"--logdir={logdir}")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(tmp_path, ENV, f"--logdir={tmp_path / 'run'}")
