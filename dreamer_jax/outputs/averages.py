"""Means over the episodes and the updates of a logging interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

ACTIVE = "/active"  # ends the name of the metric that says whether its group learned


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
    """Sums of metrics, each [], divided by their number of updates; empty for no updates.

    A part of an agent may learn in some updates only. Such a group has a metric `<group>/active`,
    1 in these updates and 0 in the others, where the rest of the group is 0. Means of the group are
    then over the updates in which it was active, and are left out if there were none.
    """
    values = {name: float(x) for name, x in jax.device_get(sums).items()} if updates else {}
    active = {name.removesuffix(ACTIVE): n for name, n in values.items() if name.endswith(ACTIVE)}

    def count(name: str) -> float:
        return updates if name.endswith(ACTIVE) else active.get(name.split("/")[0], updates)

    return {name: x / count(name) for name, x in values.items() if count(name)}


def is_loss(name: str) -> bool:
    """Whether a metric is a loss, such as 'world_model/loss/reward': it must stay finite."""
    return "loss" in name.split("/")


def computed(sums: Mapping[str, Any]) -> bool:
    """Whether arrays on the device can be fetched without a wait."""
    return all(x.is_ready() for x in sums.values())  # the type `jax.Array` does not know it
