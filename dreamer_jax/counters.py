"""How far a run has come."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counters:
    """Counts since the beginning of a run, those before a resume included."""

    step: int = 0  # actions taken, over all environments
    updates: int = 0
    seconds: float = 0.0  # spent training


BEGINNING = Counters()
