"""Sums over the running episodes of E environments."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np


class Tally(NamedTuple):
    """What has come together in each running episode; a value of its own after each step."""

    length: np.ndarray  # [E] int64, actions
    sums: dict[str, np.ndarray]  # [E] float64: 'score', and each event of the environment

    @classmethod
    def empty(cls, envs: int, event_keys: Iterable[str]) -> "Tally":
        """Before the first step."""
        zeros = {key: np.zeros(envs) for key in ("score", *event_keys)}
        return cls(np.zeros(envs, np.int64), zeros)

    def add(self, seen: Any) -> "Tally":
        """After a timestep of every environment; the first one of an episode begins at zero."""
        seen_now = {"score": seen.reward, **seen.events}
        sums = {k: np.where(seen.is_first, 0.0, x + seen_now[k]) for k, x in self.sums.items()}
        return Tally(np.where(seen.is_first, 0, self.length + 1), sums)

    def row(self, i: int) -> dict[str, float]:
        """The sums of environment i, and its length."""
        return {"length": int(self.length[i]), **{k: float(x[i]) for k, x in self.sums.items()}}

    def state(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "length": self.length.tolist(),
            "sums": {k: x.tolist() for k, x in self.sums.items()},
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> "Tally":
        """The inverse of `state`."""
        sums = {key: np.array(x) for key, x in state["sums"].items()}
        return cls(np.array(state["length"], np.int64), sums)
