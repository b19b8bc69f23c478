"""Pokémon Red from the user's own cartridge; half of the episodes begin at milestones."""

import dataclasses
from typing import Any

from configs import pokemon_red
from dreamer_jax.config import Config


def get_config(env: Any) -> Config:
    """As the preset `pokemon_red` in everything else. Not measured yet."""
    config = pokemon_red.get_config(env)
    return dataclasses.replace(config, env=dataclasses.replace(config.env, curriculum=0.5))
