"""Layers, heads, distributions and the optimizer: parts that every network is built from."""
