"""A first mistake gets one line that says what to type instead."""

import re
import sys

import gymnasium
import pytest
from command import ROOT

import envs
from envs.extras import EXTRAS, install, missing

LUNAR = "gymnasium.envs.box2d"


def refusal(name: str) -> str:
    """The one line that explains why an environment cannot be made."""
    with pytest.raises(ValueError) as caught:
        envs.make(name, envs.default_options(name), num_envs=1, seed=0)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    return message


@pytest.mark.parametrize("extra", sorted(set(EXTRAS.values())))
def test_every_extra_can_be_installed(extra: str) -> None:
    assert re.search(rf'^ +"{extra}": \[', (ROOT / "setup.py").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("gym:LunarLander-v3", "Box2D"),
        ("gym:minigrid:MiniGrid-Empty-5x5-v0", "minigrid"),
        ("gameboy_demo", "pyboy"),
    ],
)
def test_a_missing_package(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for loaded in [x for x in sys.modules if x.startswith((LUNAR, module))]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    assert install(module) in refusal(name)


def test_a_package_of_no_extra() -> None:
    try:
        __import__("nothing_of_this_name")
    except ImportError as error:
        assert not missing(error)
    message = refusal("gym:nothing_of_this_name:Id-v0")
    assert "No module named 'nothing_of_this_name'" in message and "pip install" not in message


def test_no_cartridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POKEMON_RED_ROM", raising=False)
    message = refusal("pokemon_red")
    for part in ("--set env.rom=<file>", "POKEMON_RED_ROM", "ea9bcae617fdf159b045185467ae58b2e4a"):
        assert part in message


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Pong", "atari_pong"),
        ("pong", "atari_pong"),
        ("PongNoFrameskip-v4", "atari_pong"),
        ("ALE/MsPacman-v5", "atari_ms_pacman"),
        ("atari-pong", "atari_pong"),
        ("Pendulum-v1", "gym:Pendulum-v1"),
        ("pendulum", "gym:Pendulum-v1"),
        ("LunarLander-v2", "gym:LunarLander-v3"),
        ("CartPole-v1", "cartpole"),
        ("gym:CartPole-v7", "gym:CartPole-v1"),
        ("gym:Acrobat-v1", "gym:Acrobot-v1"),
        ("mario_1-1", "mario_1_1"),
        ("mario-1-1", "mario_1_1"),
        ("SuperMarioBros-1-1-v0", "mario_1_1"),
        ("SuperMarioBros-v0", "mario"),
        ("pokemon", "pokemon_red"),
        ("cartpole_pixel", "cartpole_pixels"),
        ("examples.own_environment:Corridor-v0", "gym:examples.own_environment:Corridor-v0"),
        ("minecraft", ""),
    ],
)
def test_what_a_name_may_stand_for(name: str, meant: str) -> None:
    message = refusal(name)
    assert f"did you mean {meant}" in message if meant else "did you mean" not in message


def test_an_id_whose_package_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [x for x in gymnasium.registry if x.startswith(("ALE/", "Pong", "MiniGrid-"))]:
        monkeypatch.delitem(gymnasium.registry, name)
    assert "did you mean atari_pong?" in refusal("gym:ALE/Pong-v5")
    assert "did you mean atari_pong?" in refusal("gym:PongNoFrameskip-v4")
    assert "gym:minigrid:MiniGrid-Empty-5x5-v0" in refusal("gym:MiniGrid-Empty-5x5-v0")
