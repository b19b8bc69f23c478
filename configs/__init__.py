"""Presets by name. Each module states its purpose, and if measured its cost and its score."""

import importlib
from typing import Any

from dreamer_jax.config import Config

# Preset -> families of environments that it fits; an empty tuple fits all.
PRESETS = {
    "atari": ("atari",),
    "atari_cpu": ("atari",),
    "atari100k": ("atari",),
    "atari_hybrid": ("atari",),
    "atari_ppo": ("atari",),
    "cartpole": ("cartpole",),
    "cartpole_hybrid": ("cartpole",),
    "cartpole_pixels": ("cartpole",),
    "cartpole_ppo": ("cartpole",),
    "debug": (),
    "gameboy_demo": ("pokemon",),
    "gameboy_demo_curriculum": ("pokemon",),
    "gameboy_demo_hybrid": ("pokemon",),
    "gameboy_demo_ppo": ("pokemon",),
    "gameboy_demo_tokens": ("pokemon",),
    "gameboy_demo_tokens_imagination": ("pokemon",),
    "gym": (),
    "gym_hybrid": (),
    "gym_ppo": (),
    "gym_tokens": (),
    "gym_tokens_imagination": (),
    "mario": ("mario",),
    "mario_cpu": ("mario",),
    "mario_hybrid": ("mario",),
    "mario_ppo": ("mario",),
    "pokemon_red": ("pokemon",),
    "pokemon_red_cpu": ("pokemon",),
    "pokemon_red_curriculum": ("pokemon",),
}
# Environment -> preset, where that is not the name of the family.
DEFAULTS = {
    **{name: name for name in ("cartpole_pixels", "gameboy_demo", "pokemon_red")},
    "counting": "debug",
}
# Preset -> the one that takes its place on a machine without a GPU.
ON_CPU = {"atari": "atari_cpu", "mario": "mario_cpu", "pokemon_red": "pokemon_red_cpu"}


def default(env: str, family: str, *, platform: str = "gpu", agent: str = "") -> str:
    """The preset of an environment's own suite.

    Args:
      env: its name.
      family: its family.
      platform: cpu or gpu, as JAX calls it.
      agent: of the run. `<preset>_<agent>` comes first if there is one, then that of the family,
        then `gym_<agent>`, which fits every environment; an agent without any takes the plain one.
    """
    preset = DEFAULTS.get(env, family)
    for name in (preset, family, "gym"):
        if agent and f"{name}_{agent}" in PRESETS:
            return f"{name}_{agent}"
    return ON_CPU.get(preset, preset) if platform == "cpu" else preset


def load(name: str, *, family: str, options: Any) -> Config:
    """The config of a preset, with `options` as the environment's; ValueError lists what exists."""
    if name not in PRESETS:
        raise ValueError(f"--config={name}: unknown preset; valid are {', '.join(PRESETS)}")
    if PRESETS[name] and family not in PRESETS[name]:
        raise ValueError(f"--config={name}: is for {', '.join(PRESETS[name])}, not for {family}")
    return importlib.import_module(f"configs.{name}").get_config(options)


def describe() -> str:
    """One line for each preset: its name and the first line of its docstring."""
    modules = {name: importlib.import_module(f"configs.{name}") for name in PRESETS}
    width = max(map(len, modules))
    return "\n".join(
        f"{name:{width}}  {(module.__doc__ or '').splitlines()[0]}"
        for name, module in modules.items()
    )
