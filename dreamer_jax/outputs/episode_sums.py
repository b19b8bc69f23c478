"""Sums over the running episodes of E environments."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dreamer_jax.environment import Timestep


class EpisodeSums(NamedTuple):
    """Length, score and events of each running episode so far. Frozen: `add` returns a new one."""

    length: np.ndarray  # [E] int64, actions
    sums: dict[str, np.ndarray]  # [E] float64: 'score', and each event of the environment

    @classmethod
    def empty(cls, envs: int, event_keys: Iterable[str]) -> "EpisodeSums":
        """Before the first step of `envs` environments."""
        zeros = {key: np.zeros(envs) for key in ("score", *event_keys)}
        return cls(np.zeros(envs, np.int64), zeros)

    def add(self, seen: Timestep) -> "EpisodeSums":
        """Adds one timestep of every environment; the first one of an episode restarts at zero."""
        values = {"score": seen.reward, **seen.events}
        sums = {k: np.where(seen.is_first, 0.0, x + values[k]) for k, x in self.sums.items()}
        return EpisodeSums(np.where(seen.is_first, 0, self.length + 1), sums)

    def row(self, i: int) -> dict[str, float]:
        """'length', 'score' and the sum of each event in the episode of environment i."""
        return {"length": int(self.length[i]), **{k: float(x[i]) for k, x in self.sums.items()}}

    def state(self) -> dict[str, Any]:
        """The same in lists, for JSON."""
        return {
            "length": self.length.tolist(),
            "sums": {k: x.tolist() for k, x in self.sums.items()},
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "EpisodeSums":
        """The inverse of `state`."""
        sums = {key: np.array(x) for key, x in state["sums"].items()}
        return cls(np.array(state["length"], np.int64), sums)


def points(sums: Mapping[str, float], start: str) -> dict[str, float]:
    """What curves show of a finished episode, by the name of the curve.

    Args:
      sums: 'length' and 'score', see `Sink.episode`.
      start: the milestone at which it began, whose episodes have their own curves; else empty.
    """
    kind = "collection/frontier" if start else "episode"
    return {f"{kind}/score": sums["score"], f"{kind}/length": sums["length"]}
