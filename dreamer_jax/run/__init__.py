"""One run from its first step to its last: compiled programs, state, checkpoints, resume."""
