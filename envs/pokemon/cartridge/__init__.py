"""A small free Game Boy game in the memory layout of Pokémon Red, built from its sources."""
