"""A first mistake gets one line that says what to type instead."""

import re
import sys
from pathlib import Path

import pytest
from command import ROOT, call

import envs
from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.commands.flags import Flags, parse
from dreamer_jax.commands.hints import NAMES, OURS, override
from dreamer_jax.config import Config
from envs.extras import EXTRAS, install, missing
from envs.gym_options import Options
from envs.settings import flatten

LUNAR = "gymnasium.envs.box2d"
DEFAULT = Config(env=Options(), agent=DreamerConfig())


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


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("--lr=1e-4", "did you mean --set optimizer.learning_rate=1e-4?"),
        ("--learning-rate=1e-4", "did you mean --set optimizer.learning_rate=1e-4?"),
        ("--batch_size=8", "did you mean --set replay.batch=8?"),
        ("--num_envs=4", "did you mean --set train.envs=4?"),
        ("--run.train_ratio=8", "did you mean --set train.ratio=8?"),
        ("--env.length=3", "did you mean --set env.length=3?"),
        ("--units=8", "did you mean --set model.units=8?"),
        ("--gamma=0.99", "did you mean --set behavior.horizon (the discount is 1 - 1/horizon)?"),
        ("--task=cartpole", "did you mean --env=cartpole?"),
        ("--total_timesteps=1e6", "did you mean --steps=1e6?"),
        ("--stesp=10", "did you mean --steps=10?"),
        ("--lr", "did you mean --set optimizer.learning_rate?"),
        ("--gpu", "did you mean JAX_PLATFORMS=cpu or JAX_PLATFORMS=cuda before the command"),
        ("--colour=red", "--help shows all"),
        ("--algo=ppo", "did you mean --agent=ppo?"),
        ("--torch_deterministic", "did you mean --deterministic?"),
        ("--tau=0.01", "did you mean --set behavior.slow_rate=0.01?"),
        ("--utd=1", "did you mean --set train.ratio (steps replayed for each step taken)?"),
        ("--frame_skip=4", "did you mean --set env.action_repeat=4?"),
        ("--frame_stack=4", "did you mean --set env.frame_stack=4?"),
        ("--env_kwargs={}", "did you mean --set env.kwargs={}?"),
        ("--env.kwargs.size=3", "did you mean --set env.kwargs.size=3?"),
        ("--max_episode_steps=9", "did you mean --set env.max_steps=9?"),
        ("--rssm.recurrent_state_size=9", "did you mean --set model.deter=9?"),
        ("--n_eval_episodes=9", "did you mean --set train.eval_episodes=9?"),
        ("--set=env.frame_skip=4", "no field 'frame_skip'; valid are length"),
        ("--steps=1M", "expected a whole number, such as 1000000 or 1e6, got '1M'"),
        ("--steps=1.5", "expected a whole number"),
        ("--steps=1e999", "expected a whole number"),
        ("--set=behavior.discount=0.9", "did you mean --set behavior.horizon (the discount"),
        ("--set=num_envs=3", "did you mean --set train.envs=3? valid are env, model,"),
        ("--set=envs=3", "did you mean --set train.envs=3?"),
        ("--set=lr=1", "did you mean --set optimizer.learning_rate=1?"),
        ("--set=length=3", "did you mean --set env.length=3 or --set replay.length=3?"),
    ],
)
def test_what_to_type_instead(argument: str, hint: str, tmp_path: Path) -> None:
    result = call("--env=counting", f"--logdir={tmp_path}/run", argument)
    assert result.code == 2 and result.err.count("\n") == 1
    assert hint in result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["1e6", "1_000_000", "1000000", "1E+6"])
def test_steps_are_read_as_set_reads_them(text: str) -> None:
    flags = parse(["main", f"--steps={text}"], ("train",))
    assert flags.steps == 1_000_000 and isinstance(flags.steps, int)
    assert override(DEFAULT, f"train.steps={text}").train.steps == 1_000_000


def test_every_hint_leads_somewhere() -> None:
    agents = [Config(env=Options(), agent=kind.config()) for kind in AGENTS.values()]
    paths = {path for config in agents for path in flatten(config, "")}
    for typed in NAMES:
        if typed.startswith("--set "):
            assert typed.split()[1] in paths
        elif typed.startswith("--"):
            assert typed.removeprefix("--").partition("=")[0] in Flags._fields
    assert not set(OURS) & {path.rpartition(".")[2] for path in flatten(DEFAULT, "")}
    with pytest.raises(ValueError) as caught:  # a field that this agent does not have
        override(DEFAULT, "behavior.clip_range=0.1")
    assert "ppo" not in str(caught.value)


def test_a_short_help() -> None:
    assert call("-h") == call("--help")
