"""The agents that there are: name -> make(config, obs, act)."""

from dreamer_jax.agents.dreamer import agent as dreamer

AGENTS = {"dreamer": dreamer.make}
