"""Worlds in tokens: a policy on a tokenizer and a transformer, in the emulator or in its dreams."""
