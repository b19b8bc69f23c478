"""Pokémon Red, and the project's own cartridge, on an emulator of the Game Boy."""
