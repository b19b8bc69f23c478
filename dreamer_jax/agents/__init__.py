"""Agents: each a learner and a player, structs of pure functions."""
