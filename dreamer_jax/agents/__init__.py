"""Agents: each a struct of pure functions."""
