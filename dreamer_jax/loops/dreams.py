"""Dreams as compiled programs: after recorded actions, or after those of the policy."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamer_jax.types import Action, AnyModel, Readout

CHUNK = 64  # moments that are read at a time


class Reading(NamedTuple):
    """A `Readout` of any moments [*], as NumPy."""

    obs: dict[str, np.ndarray]  # [*, ...] for each key; {} where only numbers were asked for
    reward: np.ndarray  # [*] float32
    continue_: np.ndarray  # [*] float32, probability of continuing times the discount
    value: np.ndarray  # [*] float32


class Dream(NamedTuple):
    """S dreams of H steps each; NumPy. Step h is what follows after action h."""

    action: dict[str, np.ndarray]  # [H, S, n] for each key
    obs: dict[str, np.ndarray]  # [H, S, ...] for each key; {} where only numbers were asked for
    reward: np.ndarray  # [H, S] float32
    continue_: np.ndarray  # [H, S] float32, probability of continuing times the discount
    value: np.ndarray  # [H, S] float32


class Dreamer(NamedTuple):
    """The programs of a model, and the state that they read. Made by `dreamer`."""

    state: Any  # of the agent
    follow_: Callable[..., tuple[Any, Any]]
    wander_: Callable[..., tuple[Any, Any]]
    read_: Callable[..., Readout]

    def follow(
        self, carry: Any, action: dict[str, np.ndarray], *, seed: int, pictures: bool
    ) -> tuple[Any, Dream]:
        """Dreams after given actions.

        Args:
          carry: pytree [S, ...], where each dream starts.
          action: [H, S, n] for each key. The first one is chosen at the start.
          seed: of what the model draws.
          pictures: whether observations are decoded.

        Returns: the last carry, on the device, and the dream.
        """
        carry, seen = self.follow_(
            self.state, carry, action, jax.random.key(seed), pictures=pictures
        )
        return carry, _dream(action, jax.device_get(seen))

    def wander(self, carry: Any, *, horizon: int, seed: int, pictures: bool) -> Dream:
        """Dreams in which the policy draws every action; see `follow`."""
        key = jax.random.key(seed)
        _, found = self.wander_(self.state, carry, key, horizon=horizon, pictures=pictures)
        action, seen = jax.device_get(found)
        return _dream(action, seen)

    def read(self, carry: Any, *, pictures: bool) -> Reading:
        """What the model says of moments [N, ...], NumPy or not."""
        total = len(jax.tree.leaves(carry)[0])
        parts = list[Reading]()
        for start in range(0, total, CHUNK):
            index = np.minimum(np.arange(start, start + CHUNK), total - 1)  # one shape for all
            part = jax.tree.map(lambda x, rows=index: x[rows], carry)
            found = self.read_(self.state, part, pictures=pictures)
            parts.append(Reading(*jax.device_get(found)))
        return jax.tree.map(lambda *x: np.concatenate(x)[:total], *parts)


def dreamer(model: AnyModel, state: Any) -> Dreamer:
    """The dreams of an agent; each program is compiled when it is first needed."""
    return Dreamer(
        state=state,
        follow_=jax.jit(partial(follow, model), static_argnames="pictures"),
        wander_=jax.jit(partial(wander, model), static_argnames=("horizon", "pictures")),
        read_=jax.jit(partial(look, model), static_argnames="pictures"),
    )


def follow(
    model: AnyModel, state: Any, carry: Any, action: Action, key: jax.Array, *, pictures: bool
) -> tuple[Any, Readout]:
    """A dream after actions [H, S, n]: the last carry, and what was read [H, S, ...]."""
    horizon = len(jax.tree.leaves(action)[0])

    def step(carry: Any, inputs: tuple[Action, jax.Array]) -> tuple[Any, Readout]:
        action, key = inputs
        carry = model.imagine(state, model.took(carry, action), key)
        return carry, look(model, state, carry, pictures=pictures)

    return jax.lax.scan(step, carry, (action, jax.random.split(key, horizon)))


def wander(
    model: AnyModel, state: Any, carry: Any, key: jax.Array, *, horizon: int, pictures: bool
) -> tuple[Any, tuple[Action, Readout]]:
    """As `follow`, for actions that the policy draws, which are returned as well."""

    def step(carry: Any, key: jax.Array) -> tuple[Any, tuple[Action, Readout]]:
        choose_key, imagine_key = jax.random.split(key)
        action = model.choose(state, carry, choose_key)
        carry = model.imagine(state, model.took(carry, action), imagine_key)
        return model.took(carry, action), (action, look(model, state, carry, pictures=pictures))

    return jax.lax.scan(step, carry, jax.random.split(key, horizon))


def look(model: AnyModel, state: Any, carry: Any, *, pictures: bool) -> Readout:
    """What the model says, without observations unless they are asked for: decoding is costly."""
    found = model.read(state, carry)
    return found if pictures else found._replace(obs={})


def _dream(action: Any, seen: Any) -> Dream:
    return Dream({key: np.asarray(x) for key, x in action.items()}, *seen)
