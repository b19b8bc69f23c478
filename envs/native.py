"""Observations and actions as a Gymnasium environment has them, for loops outside of a run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate

from envs.arrivals import Arrivals
from envs.codecs.leaves import leaves, pick
from envs.gym import conversions
from envs.gym_options import Options
from envs.kinds import AnySpace
from envs.vector.copy_protocol import CopyFailed


class Encoded(NamedTuple):
    """Observations or actions as an agent has them."""

    arrays: dict[str, np.ndarray]  # [E, ...] by key
    single: bool  # it was one observation and no batch; then E = 1


class Native:
    """Reads observations, and writes actions, of a Gymnasium environment as a run does.

    A batch is what `gymnasium.vector` environments return: for each leaf an array with one more
    axis in front, for texts a sequence of them.
    """

    def __init__(self, obs_space: AnySpace, act_space: AnySpace, options: Options):
        """ValueError where a space cannot be read with these options."""
        self.observation_space, self.action_space = obs_space, act_space
        self._observations, self._actions = conversions(obs_space, act_space, options)
        self._arrivals = Arrivals(self._observations.leaves, self._observations.spaces)
        self.obs_space: Mapping[str, AnySpace] = self._observations.spaces  # of the agent
        self.act_space: Mapping[str, AnySpace] = self._actions.spaces

    def encode(self, obs: Any) -> Encoded:
        """One observation or a batch of them; ValueError names what does not fit the space."""
        count = batch_size(self.observation_space, obs)
        rows = [obs] if count is None else _rows(self.observation_space, obs, count)
        try:
            return Encoded(
                self._observations.encode([self._arrivals.observation(x) for x in rows]),
                count is None,
            )
        except CopyFailed as error:
            raise ValueError(f"the observation: {error}") from None

    def decode(self, actions: dict[str, np.ndarray], *, single: bool) -> Any:
        """[E, n] by key -> an action for `step`, or a batch of them."""
        count = len(next(iter(actions.values())))
        rows = self._actions.decode(actions, count)
        if single:
            return rows[0]
        return concatenate(self.action_space, rows, create_empty_array(self.action_space, n=count))

    def encode_action(self, action: Any) -> Encoded:
        """The inverse of `decode`; ValueError for what is no action of the space."""
        count = batch_size(self.action_space, action)
        rows = [action] if count is None else _rows(self.action_space, action, count)
        for row in rows:
            if not self.action_space.contains(row):
                raise ValueError(f"{str(row)[:60]} is no action of {self.action_space}")
        return Encoded(self._actions.encode(rows), count is None)


def batch_size(space: AnySpace, value: Any) -> int | None:
    """How many elements of a space a batch holds; None if it is one element.

    ValueError, naming both shapes, for neither.
    """
    path, leaf = next(iter(leaves(space)))
    try:
        found = pick(value, path)
    except (KeyError, IndexError, TypeError):
        name = "/".join(map(str, path))
        raise ValueError(f"expected an element of {space}, which has {name!r}") from None
    if isinstance(leaf, spaces.Text):
        return None if isinstance(found, str) else len(found)
    shape, wanted = np.shape(found), leaf.shape or ()
    if len(shape) == len(wanted):
        return None
    if len(shape) == len(wanted) + 1 and shape[0]:
        return shape[0]
    text = f"expected an array of shape {list(wanted)}, or {['N', *wanted]} for N at once"
    raise ValueError(f"{text}, got {list(shape)}")


def _rows(space: AnySpace, value: Any, count: int) -> list[Any]:
    try:
        rows = list(iterate(batch_space(space, count), value))
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ValueError(f"no batch of {count} elements of {space}: {error}") from None
    if len(rows) != count:
        raise ValueError(f"no batch of {count} elements of {space}: another part has {len(rows)}")
    return rows
