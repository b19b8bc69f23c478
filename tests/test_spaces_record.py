"""The spaces in config.json: read as written, and enough to load an agent without environment."""

import json
import sys
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command import SMALL, call, hastily
from gymnasium import spaces as gym
from test_main import complaint

import envs
from dreamer_jax import spaces
from dreamer_jax.commands.options import stored
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.run import checkpoint, manifest
from dreamer_jax.run.device_functions import INIT, derive
from dreamer_jax.run.spaces_record import require_same, spaces_of, spaces_to_json
from envs.kinds import Bits, Choice, Image, Symbols, Text, Vector

OBSERVATIONS: dict[str, gymnasium.Space] = {
    "vector": Vector(3),
    "text": Text(5, 300),
    "screen": Image(64, 64, 3),
    "mask": Image(48, 48, 1),
    "choice": Choice([2, 300]),
    "bits": Bits(4),
    "answer": Choice([2]),
    "board": Symbols(8, 9, 2, classes=13),
}
ACTIONS: dict[str, gymnasium.Space] = {
    "turn": gym.Box(-1, 1, (2,), np.float32),
    "press": gym.MultiDiscrete([2, 7]),
}


def written(obs: Any = OBSERVATIONS, act: Any = ACTIONS) -> dict[str, Any]:
    """What a config.json that was written, and read again, says."""
    return json.loads(json.dumps({"spaces": spaces_to_json(obs, act)}))


def test_every_kind_is_read_as_it_was_written() -> None:
    obs, act = spaces_of(written())
    assert (obs, act) == spaces.of(OBSERVATIONS, ACTIONS)
    assert list(obs.images) == ["mask", "screen"]  # the order in which networks join them
    told = written()["spaces"]
    assert told["observations"]["screen"] == {
        **{"kind": "image", "shape": [64, 64, 3], "dtype": "uint8"},
    }
    assert told["observations"]["text"] == {
        **{"kind": "text", "shape": [5], "dtype": "int32", "alphabet": 300},
    }
    assert told["observations"]["board"] == {
        **{"kind": "symbols", "shape": [8, 9, 2], "dtype": "uint8", "classes": 13},
    }
    assert told["actions"]["press"] == {
        **{"kind": "choice", "shape": [2], "dtype": "int32", "classes": [2, 7]},
    }


def test_the_order_in_the_file_does_not_matter() -> None:
    told = written()
    parts = {k: dict(reversed(part.items())) for k, part in told["spaces"].items()}
    again, _ = spaces_of({"spaces": parts})
    assert list(again.images) == ["mask", "screen"]


def test_there_may_be_no_actions() -> None:
    told = written()
    told["spaces"]["actions"] = {}
    assert spaces_of(told).act.keys == set()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), {}),
        ((), {"observations": {}}),
        (("observations",), {}),
        (("actions",), [1]),
        (("observations", "vector"), 3),
        (("observations", "vector"), {"kind": "vector"}),
        (("observations", "vector", "kind"), "matrix"),
        (("observations", "vector", "kind"), ["vector"]),
        (("observations", "vector", "kind"), "image"),
        (("observations", "vector", "kind"), "text"),
        (("observations", "vector", "dtype"), "float64"),
        (("observations", "vector", "shape"), [3, 1]),
        (("observations", "vector", "shape"), [0]),
        (("observations", "vector", "shape"), [True]),
        (("observations", "vector", "shape"), [2**31]),
        (("observations", "vector", "shape"), ["x" * 10_000]),
        (("observations", "screen", "shape"), [64, 64]),
        (("observations", "choice", "classes"), [2]),
        (("observations", "choice", "classes"), [2, 3.0]),
        (("observations", "text", "alphabet"), 0),
        (("observations", "board", "classes"), [13]),
        (("observations", "board", "classes"), 0),
        (("observations", "board", "shape"), [8, 9]),
        (("actions", "press", "kind"), "bits"),
        (("actions", "press", "dtype"), "int64"),
    ],
)
def test_what_describes_no_space_is_named(path: tuple[str, ...], value: Any) -> None:
    told = written()
    node, names = told, ("spaces", *path)
    for name in names[:-1]:
        node = node[name]
    node[names[-1]] = value
    with pytest.raises(ValueError) as caught:
        spaces_of(told)
    where = ".".join(names[:3])
    assert str(caught.value).startswith(f"{where}: ") and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("obs", "act", "said"),
    [
        ({"vector": Vector(4)}, {}, "'vector' of the observations as {"),
        ({"bits": Choice([2] * 4)}, {}, "'bits' of the observations as {"),
        ({"more": Vector(4)}, {}, "'more' of the observations as \"none\", the environment"),
        ({}, {"press": gym.MultiDiscrete([2, 8])}, "'press' of the actions as {"),
    ],
)
def test_other_spaces_are_named(tmp_path: Path, obs: Any, act: Any, said: str) -> None:
    require_same(tmp_path, obs_space=OBSERVATIONS, act_space=ACTIONS)  # nothing has begun there
    begun = {
        "env": "counting",
        "preset": "debug",
        "agent": "dreamer",
        "seed": 3,
        "mesh": "data=1",
        "auto": [],
        "config": {},
    }
    manifest.write(tmp_path, {**begun, **written()})
    require_same(tmp_path, obs_space=OBSERVATIONS, act_space=ACTIONS)
    with pytest.raises(ValueError) as caught:
        require_same(tmp_path, obs_space=OBSERVATIONS | obs, act_space=ACTIONS | act)
    assert said in str(caught.value) and str(tmp_path) in str(caught.value)


NAME = "gym:signpost_module:Signpost-v0"
MODULE = '''
import os

import gymnasium
import numpy as np
from gymnasium import spaces


class Signpost(gymnasium.Env):
    """A short text, a bag and a position, of as many numbers as the variable says."""

    action_space = spaces.Discrete(3)

    def __init__(self):
        numbers = int(os.environ.get("SIGNPOST_NUMBERS", "2"))
        self.observation_space = spaces.Dict(
            {
                "sign": spaces.Text(5, charset="ab"),
                "bag": spaces.MultiDiscrete([33] * 17),
                "flag": spaces.Discrete(2),
                "position": spaces.Box(-1.0, 1.0, (numbers,)),
            }
        )

    def reset(self, *, seed=None, options=None):
        self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        return self.observation_space.sample(), 1.0, False, self.steps == 5, {}


gymnasium.register("Signpost-v0", Signpost)
'''
QUIET = tuple(x for x in SMALL[1:] if "env.length" not in x and "_every" not in x)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signpost")
    (folder / "signpost_module.py").write_text(MODULE)
    return folder


@pytest.fixture(scope="module")
def trained(module: Path) -> Path:
    """A run that trained in the environment of the module."""
    logdir = module / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(module)
        result = call(
            *(f"--env={NAME}", *QUIET, "--set=train.eval_every=0", "--set=train.report_every=0"),
            *("--steps=60", f"--logdir={logdir}"),
        )
    assert result.code == 0, result.err
    said = "observes bag: 17 choices of 33; flag: 1 bit; position: 2 numbers; sign: text of 5\n"
    assert said in result.err
    return logdir


def test_an_agent_is_loaded_where_its_environment_cannot_be_made(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "signpost_module", raising=False)
    monkeypatch.delitem(gymnasium.registry, "Signpost-v0", raising=False)
    setup = stored(trained, NAME)
    with pytest.raises(ValueError, match="No module named 'signpost_module'"):
        envs.make(NAME, setup.config.env, num_envs=1, seed=0)
    agent, state, step = restored(setup)
    assert step == 60 and int(state.updates) > 0
    encoder = state.params["encoder"]
    assert encoder.keys() == {"bag_mlp", "flag_mlp", "position_mlp", "sign_text"}
    with hastily():
        fresh = jax.jit(lambda: agent.learner.init(derive(setup.seed, purpose=INIT, counter=0)))()
        obs = {
            **{"sign": np.zeros((3, 5), np.uint8), "bag": np.zeros((3, 17), np.uint8)},
            **{"flag": np.zeros((3, 1), np.uint8), "position": np.zeros((3, 2), np.float32)},
        }
        _, action, _ = agent.player.greedy(
            agent.player.actor(state),
            agent.player.carry(3),
            obs,
            jnp.ones(3, bool),
            jax.random.key(0),
        )
    unchanged = jax.tree.leaves(jax.tree.map(np.array_equal, state.params, fresh.params))
    assert not all(unchanged) and action["action"].shape == (3, 1)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_an_environment_that_has_changed(
    trained: Path, module: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.syspath_prepend(module)
    monkeypatch.setenv("SIGNPOST_NUMBERS", "4")
    before = manifest.state(trained)
    steps = ["--steps=80"] if mode == "train" else []
    result = call(f"--env={NAME}", f"--logdir={trained}", f"--mode={mode}", *steps)
    assert "'position' of the observations" in complaint(result)
    assert '"shape": [2]' in result.err and '"shape": [4]' in result.err
    assert manifest.state(trained) == before
    assert checkpoint.steps(trained / "checkpoints") == [60]


def test_evaluation_needs_the_environment_and_says_so(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "signpost_module", raising=False)
    monkeypatch.delitem(gymnasium.registry, "Signpost-v0", raising=False)
    result = call(f"--env={NAME}", f"--logdir={trained}", "--mode=eval")
    assert "No module named 'signpost_module'" in complaint(result)
