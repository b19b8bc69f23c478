"""Means over the episodes and the updates of a logging interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np


def means(kind: str, episodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean score of episodes, and of the sum of each event in them; empty for no episodes.

    kind: group of the names; 'collection/frontier' for episodes that began at milestones.
    """
    keys = sorted(episodes[0].keys() - {"length"}) if episodes else []
    return {
        f"{kind}/mean_{key.removeprefix('event/')}": float(np.mean([x[key] for x in episodes]))
        for key in keys
    }


def average(sums: Mapping[str, jax.Array], updates: int) -> dict[str, float]:
    """Sums of metrics, each [], divided by their number of updates; empty for no updates."""
    return {k: float(v) / updates for k, v in jax.device_get(sums).items()} if updates else {}


def is_loss(name: str) -> bool:
    """Whether a metric is a loss, such as 'world_model/loss/reward': it must stay finite."""
    return "loss" in name.split("/")


def computed(sums: Mapping[str, Any]) -> bool:
    """Whether arrays on the device can be fetched without a wait."""
    return all(x.is_ready() for x in sums.values())  # the type `jax.Array` does not know it
