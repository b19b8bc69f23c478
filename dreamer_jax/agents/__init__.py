"""Agents by name: each a function of config and spaces that makes two structs of pure functions."""

from dreamer_jax.agents.dreamer import agent as dreamer

AGENTS = {"dreamer": dreamer.make}
