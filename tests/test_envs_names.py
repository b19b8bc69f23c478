"""Environments by name: the registry, its errors, seeds, and what gets imported."""

import dataclasses
import pkgutil
import subprocess
import sys

import pytest

import envs
from envs.seeding import episode_seed


def test_episode_seeds_are_distinct_31_bit_integers():
    seeds = {episode_seed(s, i, e) for s in range(10) for i in range(10) for e in range(10)}
    assert len(seeds) == 1000
    assert min(seeds) >= 0 and max(seeds) < 2**31
    assert episode_seed(1, 2, 3) == episode_seed(1, 2, 3)


def test_seeds_must_not_be_negative():
    with pytest.raises(ValueError, match=r"\(0, -1, 0\)"):
        episode_seed(0, -1, 0)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("atari_ms_pacman", "atari"),
        ("cartpole", "cartpole"),
        ("cartpole_pixels", "cartpole"),
        ("counting", "counting"),
        ("gameboy_demo", "pokemon"),
        ("gym:module:Id-v0", "gym"),
        ("mario", "mario"),
        ("mario_1_1", "mario"),
        ("pokemon_red", "pokemon"),
    ],
)
def test_family(name, family):
    assert envs.family(name) == family


@pytest.mark.parametrize(
    "name", ["cartpol", "CartPole-v1", "pong", "", "gym:", "atari_", "gymPong", "mario_"]
)
def test_unknown_names_get_one_line_that_lists_the_valid_forms(name):
    for call in (
        envs.family,
        envs.default_options,
        lambda n: envs.make(n, None, num_envs=1, seed=0),
    ):
        with pytest.raises(ValueError, match="unknown environment") as caught:
            call(name)
        message = str(caught.value)
        assert repr(name) in message and "gym:<id>" in message and "\n" not in message


def test_a_close_name_is_suggested():
    with pytest.raises(ValueError, match=r"did you mean cartpole_pixels"):
        envs.family("cartpole_pixel")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("atari_pong", "max_frames", 0),
        ("atari_pong", "noops", -1),
        ("atari_pong", "size", 50),
        ("atari_pong", "sticky", 1.5),
        ("cartpole", "max_steps", 0),
        ("counting", "length", 0),
        ("gym:CartPole-v1", "max_steps", -1),
        ("gym:CartPole-v1", "size", 32),
        ("gym:CartPole-v1", "timeout", 0.0),
        ("gym:CartPole-v1", "timeout", 1e6),
        ("mario", "start", "1_1"),
        ("mario", "start", "9-1"),
        ("mario_1_1", "actions", "all"),
        ("mario_1_1", "max_steps", -1),
        ("mario_1_1", "noops", -1),
        ("mario_1_1", "size", 50),
        ("mario_1_1", "start", "1-1"),
    ],
)
def test_options_out_of_range(name, field, value):
    options = dataclasses.replace(envs.default_options(name), **{field: value})
    with pytest.raises(ValueError, match=rf"{field}.*{value}"):
        envs.make(name, options, num_envs=1, seed=0)


@pytest.mark.parametrize(("num_envs", "seed"), [(0, 0), (1, -1)])
def test_numbers_out_of_range(num_envs, seed):
    with pytest.raises(ValueError, match=r"must (not )?be"):
        envs.make("cartpole", envs.default_options("cartpole"), num_envs=num_envs, seed=seed)


def loaded_after(code: str) -> list[str]:
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_no_environment_imports_jax():
    modules = ", ".join(info.name for info in pkgutil.walk_packages(envs.__path__, "envs."))
    loaded = loaded_after(f"import {modules}")
    assert {"numpy", "gymnasium", "ale_py"} <= set(loaded)
    assert not {"jax", "flax", "dreamer_jax"} & set(loaded)


def test_cartpole_does_not_import_the_atari_emulator():
    code = (
        "import envs; envs.make('cartpole', envs.default_options('cartpole'), num_envs=1, seed=0)"
    )
    assert "ale_py" not in loaded_after(code)
