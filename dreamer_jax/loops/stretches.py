"""Real play that dreams are compared with, and the moments of it as the model remembers them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.environment import Environment, Timestep
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import Action, AnyAgent, AnyModel, Obs, Step

LONGEST = 1_000  # steps of a stretch; an episode that is longer gives several
Actions = Mapping[str, np.ndarray]  # [E, n] by key


class Stretch(NamedTuple):
    """N successive timesteps of one episode, and the carry of the model at each; NumPy."""

    obs: dict[str, np.ndarray]  # [N, ...] for each key
    action: dict[str, np.ndarray]  # [N, n] for each key, chosen at the observation
    reward: np.ndarray  # [N] float32, arrived with the observation
    is_last: np.ndarray  # [N] bool
    is_terminal: np.ndarray  # [N] bool
    carry: Any  # pytree [N, ...], the filtered moment at which `action` was chosen
    begin: int  # step of the episode that the first timestep is


class Moment(NamedTuple):
    """One timestep of E environments, before it is cut into stretches."""

    seen: Timestep
    action: dict[str, np.ndarray]  # [E, n]
    carry: Any  # pytree [E, ...], NumPy


def play(
    agent: AnyAgent,
    state: Any,
    env: Environment,
    *,
    stretches: int,
    seed: int,
    longest: int = LONGEST,
    instead: Callable[[int], Actions] | None = None,
) -> list[Stretch]:
    """Plays with the sampled policy until there are enough stretches.

    A stretch is a whole episode, or a part of a long one. Every environment gives the same number,
    up to one, and its first ones: counting those that end first would prefer short episodes.

    Args:
      agent: must have a model, which filters the observations.
      state: of the agent.
      env: E environments; their first episodes are played.
      stretches: how many, over all environments.
      seed: of what is sampled. The same seed gives the same stretches.
      longest: steps of a stretch.
      instead: (number of the step) -> actions [E, n] of somebody else, to take instead.

    Returns:
      The stretches, those of the first environment first.
    """
    assert agent.model is not None
    envs = env.num_envs
    quota = [stretches // envs + (i < stretches % envs) for i in range(envs)]
    found: list[list[Stretch]] = [[] for _ in range(envs)]
    running: list[list[Moment]] = [[] for _ in range(envs)]
    carry, seen, index = agent.player.carry(envs), env.reset(), 0
    age = np.zeros(envs, np.int64)  # steps of the running episodes
    while any(len(row) < n for row, n in zip(found, quota, strict=True)):
        key = jax.random.fold_in(jax.random.key(seed), index)
        carry, action = see_and_choose(agent.model, state, carry, seen.obs, seen.is_first, key)
        if instead:
            action = jax.tree.map(jnp.asarray, dict(instead(index)))
            carry = agent.model.took(carry, action)
        moment = Moment(seen, *jax.device_get((action, carry)))
        age = np.where(seen.is_first, 0, age)
        for i, kept in enumerate(running):
            if len(found[i]) == quota[i]:
                continue
            kept.append(moment)
            if seen.is_last[i] or len(kept) > longest:
                found[i].append(_stretch(kept, row=i, begin=int(age[i]) + 1 - len(kept)))
                # The last moment of a part is the first one of the next.
                running[i] = [] if seen.is_last[i] else [moment]
        seen, index, age = env.step(moment.action), index + 1, age + 1
    return [x for row in found for x in row]


def as_learned(model: AnyModel, state: Any, stretch: Stretch) -> Stretch:
    """The stretch with the rewards that the agent learns from, true or not."""
    if model.rewards is None:
        return stretch
    count = len(stretch.reward)
    length = 1 << (count - 1).bit_length()  # so that few programs are compiled

    def padded(x: np.ndarray) -> np.ndarray:
        return x[np.minimum(np.arange(length), count - 1), None]

    fields = stretch._asdict() | {"is_first": stretch.begin + np.arange(count) == 0, "events": {}}
    names = (field.name for field in dataclasses.fields(Step))
    steps: Step = Step(**{name: jax.tree.map(padded, fields[name]) for name in names})
    reward = np.asarray(model.rewards(state, steps))[:count, 0]
    return stretch._replace(reward=reward)


@partial(jax.jit, static_argnums=0)
def see_and_choose(
    model: AnyModel, state: Any, carry: Any, obs: Obs, is_first: jax.Array, key: jax.Array
) -> tuple[Any, Action]:
    """Filters observations [E, ...], then draws actions; the key is consumed.

    Returns: the carry at which the actions were chosen, and the actions [E, n] by key.
    """
    see_key, choose_key = jax.random.split(key)
    carry = model.see(state, carry, obs, is_first, see_key)
    action = model.choose(state, carry, choose_key)
    return model.took(carry, action), action


def random_actions(act: Spaces, *, envs: int, seed: int) -> Callable[[int], Actions]:
    """(number of the step) -> actions [E, n], drawn uniformly; vectors from [-1, 1]."""

    def draw(index: int) -> Actions:
        generator = np.random.default_rng((seed, index))
        found = dict[str, np.ndarray]()
        for key, length in sorted(act.vectors.items()):
            found[key] = generator.uniform(-1, 1, (envs, length)).astype(np.float32)
        for key, classes in sorted(act.choices.items()):
            drawn = generator.integers(0, classes, (envs, len(classes)))
            found[key] = drawn.astype(np.int32)
        return found

    return draw


def _stretch(moments: Sequence[Moment], *, row: int, begin: int) -> Stretch:
    """One environment's part of the moments."""

    def of_row(*arrays: np.ndarray) -> np.ndarray:
        return np.stack([x[row] for x in arrays])

    seen = [each.seen for each in moments]
    return Stretch(
        obs=jax.tree.map(of_row, *(dict(x.obs) for x in seen)),
        action=jax.tree.map(of_row, *(each.action for each in moments)),
        reward=of_row(*(x.reward for x in seen)),
        is_last=of_row(*(x.is_last for x in seen)),
        is_terminal=of_row(*(x.is_terminal for x in seen)),
        carry=jax.tree.map(of_row, *(each.carry for each in moments)),
        begin=begin,
    )


class Window(NamedTuple):
    """A part of a stretch: moments that a model is shown, and those that it dreams after them."""

    start: int  # the last moment that is shown
    seen: int  # moments that are shown, up to `start`
    dreamt: int  # moments after it

    @property
    def first(self) -> int:
        """The first moment that is shown."""
        return self.start - self.seen + 1


def window(stretch: Stretch, *, context: int, horizon: int) -> Window:
    """The part in which most happens: where rewards differ most from the usual one.

    Where that is the same everywhere, it is the middle. A short stretch has a shorter context, and
    then a shorter dream; it must have two moments.
    """
    moments = len(stretch.reward)
    seen = min(context, max(1, moments // 4))
    dreamt = min(horizon, moments - seen)
    unusual = np.abs(stretch.reward - np.median(stretch.reward)).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(unusual)])
    starts = np.arange(seen - 1, moments - dreamt)
    happens = sums[starts + dreamt + 1] - sums[starts + 1]
    middle = np.abs(starts - (starts[0] + starts[-1]) / 2)
    best = np.lexsort((middle, -happens.round(6)))[0]
    return Window(start=int(starts[best]), seen=seen, dreamt=dreamt)
