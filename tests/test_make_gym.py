"""Whatever fails while an environment is made is told in one line; ids find their packages."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest

import envs
from envs import plugins
from envs.extras import EXTRAS, PACKAGES, install
from envs.gym_options import Options
from envs.make_gym import single
from envs.suggestions import hint

BROKEN = """
import sys

import gymnasium
import numpy as np
from gymnasium import spaces


class Whole(gymnasium.Env):
    observation_space = action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return 0, {}


class Key(Whole):
    def __init__(self):
        {}["goal"]


class Attribute(Whole):
    def __init__(self):
        self.level.load()


class Assertion(Whole):
    def __init__(self):
        assert self.metadata == {"fps": 60}


class Exit(Whole):
    def __init__(self):
        sys.exit("no license")


class Display(Whole):
    def __init__(self):
        raise RuntimeError("DISPLAY is not set")


class Numpy(Whole):
    def __init__(self):
        np.bool8(True)


class NoSpace(Whole):
    def __init__(self):
        self.observation_space = None


class Forgotten(gymnasium.Env):
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return 0, {}


class Raising(Whole):
    @property
    def observation_space(self):
        raise RuntimeError("connect first")


class Method(Whole):
    def action_space(self, agent):
        return spaces.Discrete(2)


class NoReset:
    observation_space = action_space = spaces.Discrete(2)


class Nothing:
    def reset(self):
        return 0


class Unclosable(Raising):
    def close(self):
        raise RuntimeError("not even closed")


def none():
    return None


things = [Key, Attribute, Assertion, Exit, Display, Numpy, NoSpace, Forgotten, Raising, Method]
for thing in (*things, NoReset, Nothing, Unclosable, none):
    gymnasium.register(f"{thing.__name__}-v0", thing)
gymnasium.register("Entry-v0", "broken_module:Absent")
gymnasium.register("Vector-v0", vector_entry_point="broken_module:Whole")
"""


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of environments that cannot be made."""
    (tmp_path / "broken_module.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DREAMER_COPY", "")
    before = set(gymnasium.registry)
    yield "broken_module"
    for name in set(gymnasium.registry) - before:
        del gymnasium.registry[name]
    sys.modules.pop("broken_module", None)


def refusal(env_id: str) -> str:
    with pytest.raises(ValueError) as caught:
        single(env_id, Options(), copy=0)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"cannot make 'gym:{env_id}': ")
    return message.removeprefix(f"cannot make 'gym:{env_id}': ")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Key", "KeyError: 'goal' (broken_module.py:18)"),
        ("Attribute", "AttributeError: 'Attribute' object has no attribute 'level' (broken_module"),
        ("Assertion", 'AssertionError (broken_module.py:28: assert self.metadata == {"fps": 60})'),
        ("Exit", "SystemExit: no license (broken_module.py:33)"),
        (
            "Display",
            "RuntimeError: DISPLAY is not set (broken_module.py:38); there is no display: ",
        ),
        ("Numpy", "'bool8' (broken_module.py:43); its package is older than this NumPy"),
        ("NoSpace", "its observation_space is of type NoneType, which is no space of Gymnasium"),
        ("Forgotten", "AttributeError: 'Forgotten' object has no attribute 'observation_space'"),
        ("Raising", "RuntimeError: connect first (broken_module.py:61)"),
        ("Method", "its action_space is of type method, which is no space of Gymnasium"),
        ("NoReset", "AttributeError: 'NoReset' object has no attribute 'reset'"),
        ("Nothing", "AttributeError: 'Nothing' object has no attribute 'observation_space'"),
        ("Unclosable", "RuntimeError: connect first"),
        ("none", "AttributeError: 'NoneType' object has no attribute 'observation_space'"),
        ("Entry", "AttributeError: module 'broken_module' has no attribute 'Absent'"),
        ("Vector", "it is registered without an entry point for single environments"),
    ],
)
def test_what_fails_while_it_is_made(broken: str, name: str, told: str) -> None:
    assert told in refusal(f"{broken}:{name}-v0")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (failing_module.py:1)"),
        ("raise SystemExit", "SystemExit (failing_module.py:1: raise SystemExit)"),
        ("def f(:", "SyntaxError: invalid syntax (failing_module.py, line 1)"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this"),
        ("x = 1", "Environment `Failing` doesn't exist."),
    ],
)
def test_what_fails_while_its_module_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    (tmp_path / "failing_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert told in refusal("failing_module:Failing-v0")
    sys.modules.pop("failing_module", None)


def test_every_package_of_an_id_can_be_installed() -> None:
    for module in plugins.STARTS:
        assert install(module.partition(".")[0]).startswith("pip install ")
    assert not set(EXTRAS) & set(PACKAGES)


@pytest.mark.parametrize("env_id", ["ALE/Pong-v5", "PongNoFrameskip-v4", "Pong-v4", "ALE/Pong"])
def test_games_by_the_names_of_gymnasium(env_id: str) -> None:
    env = single(env_id, Options(), copy=0)
    assert env.observation_space.shape == (210, 160, 3)
    env.close()


@pytest.mark.parametrize(
    ("start", "module"),
    [
        ("BabyAI-GoToLocal-v0", "minigrid"),
        ("dm_control/cartpole-balance-v0", "shimmy"),
        ("dmc_walker_walk", "shimmy"),
        ("FetchReach-v4", "gymnasium_robotics"),
        ("GymV26Environment-v0", "shimmy"),
        ("highway-fast-v0", "highway_env"),
        ("PandaReach-v3", "panda_gym"),
        ("VizdoomBasic-v1", "vizdoom"),
    ],
)
def test_a_package_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, start: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert refusal(start) == f"{module} is not installed: {install(module)}"
    monkeypatch.setattr(plugins, "is_installed", lambda _: False)
    text = hint(start, ())
    assert (
        text.startswith(install(module))
        and ("gym:dm_control/" if "dmc" in start else start) in text
    )


REGISTERING = """
import gymnasium


class Found(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return 0, {}


def register():
    gymnasium.register("Found-v3", Found)


gymnasium.register("MiniGrid-Found-v1", Found)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of installed packages, for one with the code above."""
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    before = set(gymnasium.registry)
    yield tmp_path
    for name in set(gymnasium.registry) - before:
        if "Found" in name:
            del gymnasium.registry[name]


def test_an_id_imports_the_module_of_a_table(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "minigrid.py").write_text(REGISTERING)
    monkeypatch.delitem(sys.modules, "minigrid", raising=False)
    assert single("MiniGrid-Found-v1", Options(), copy=0).spec
    assert hint("MiniGrid-Found-v1", ()) == "did you mean gym:MiniGrid-Found-v1?"
    assert hint("MiniGrid-Fond-v1", ()) == "did you mean gym:MiniGrid-Found-v1?"
    monkeypatch.delitem(sys.modules, "minigrid")


def test_an_id_finds_what_an_installed_package_announces(package: Path) -> None:
    (package / "announcing_package.py").write_text(REGISTERING)
    metadata = package / "announcing_package-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: announcing_package\nVersion: 1\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[gymnasium.envs]\nbroken = no_such_module:register\n"
        "__root__ = announcing_package:register\nspaced = announcing_package:register\n"
    )
    for env_id in ("Found-v3", "spaced/Found-v3", "Found"):
        assert single(env_id, Options(), copy=0).spec
    sys.modules.pop("announcing_package")
    assert refusal("Fuond-v3") == "Gymnasium does not have it; did you mean gym:Found-v3?"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("LunarLander-v3", "did you mean gym:LunarLander-v3?"),
        ("HumanoidStandup", "did you mean gym:HumanoidStandup-v5?"),
        ("HalfCheetah-v5", "did you mean gym:HalfCheetah-v5?"),
        ("Ant-v4", "did you mean gym:Ant-v4?"),
        ("Ant-v3", "did you mean gym:Ant-v5?"),
        ("ALE/Pong-v5", "did you mean atari_pong?"),
        ("atari:pong", "did you mean atari_pong?"),
        ("procgen:procgen-coinrun-v0", "did you mean gym:procgen:procgen-coinrun-v0?"),
        ("minigrid:MiniGrid-Empty-5x5-v0", "did you mean gym:minigrid:MiniGrid-Empty-5x5-v0?"),
    ],
)
def test_names_without_gym(name: str, told: str) -> None:
    with pytest.raises(ValueError, match="unknown environment") as caught:
        envs.family(name)
    assert told in str(caught.value)


def test_where_a_moved_environment_is() -> None:
    assert refusal("Ant-v3") == "Gymnasium does not have it; did you mean gym:Ant-v5?"
