"""Agents: each a NamedTuple of pure functions."""
