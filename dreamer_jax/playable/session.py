"""Playing the real environment and the dream in turn: a frozen state and the steps between two."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamer_jax.environment import Timestep
from dreamer_jax.playable import graphs
from dreamer_jax.playable.moments import moment_to_json
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import AnyModel

Action = dict[str, np.ndarray]  # [1, n] by key
END = 0.5  # probability to continue below which the dream of an episode is over


class World(NamedTuple):
    """What a session plays with; none of it changes but the environment."""

    model: AnyModel
    state: Any  # of the agent
    carry: Any  # [1, ...] before the first step
    begin: Callable[[int], Timestep]  # (number of an episode) -> its first timestep, E = 1
    step: Callable[[Action], Timestep]  # (action) -> the next timestep
    say: Callable[[Any, Any], graphs.Arrays]  # (state, carry) -> see `graphs.said`
    seed: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where an episode stands, real or dreamt."""

    carry: Any  # [1, ...] what the model remembers
    said: Mapping[str, np.ndarray]  # what is observed, and what the model says; see `graphs.said`
    step: int  # of the episode, or of the dream
    score: float  # sum of rewards
    over: bool  # whether the episode ends here
    action: Action | None = None  # that led here


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where everything stands. A dream never changes the real episode."""

    real: Standing
    dream: Standing | None = None  # None while the real environment is played
    episode: int = 0  # number of the real episode
    taken: int = 0  # real steps of all episodes
    dreams: int = 0  # dreams so far; each is another future

    @property
    def now(self) -> Standing:
        """What is played: the dream, or the real episode."""
        return self.dream or self.real


def world(
    model: AnyModel,
    state: Any,
    carry: Any,
    *,
    begin: Callable[[int], Timestep],
    step: Callable[[Action], Timestep],
    seed: int,
) -> World:
    """See `World`; what the model says is compiled when it is first asked."""
    say = jax.jit(partial(graphs.said, model))
    return World(model, state, carry, begin=begin, step=step, say=say, seed=seed)


def begun(given: World, *, episode: int = 0, taken: int = 0) -> Session:
    """A session at the first moment of a real episode, after `taken` real steps of others."""
    timestep = given.begin(episode)
    carry = _seen(given, given.carry, timestep, _key(given, 0, taken, 0))
    real = Standing(
        carry=carry, said=_observed(given, carry, timestep), step=0, score=0.0, over=False
    )
    return Session(real=real, episode=episode, taken=taken)


def restarted(given: World, session: Session) -> Session:
    """The next real episode; in a dream, another dream of the same moment."""
    if session.dream:
        return replace(session, dream=dreamt(session.real), dreams=session.dreams + 1)
    new = begun(given, episode=session.episode + 1, taken=session.taken + 1)
    return replace(new, dreams=session.dreams)


def switched(session: Session) -> Session:
    """From the real episode to a dream that begins at its present moment, or back to where it was.

    No dream begins where the real episode is over.
    """
    if session.dream:
        return replace(session, dream=None)
    if session.real.over:
        return session
    return replace(session, dream=dreamt(session.real), dreams=session.dreams + 1)


def dreamt(real: Standing) -> Standing:
    """The first moment of a dream: the present one of the real episode."""
    return replace(real, step=0, score=0.0, action=None)


def stepped(given: World, session: Session, action: Action | None) -> Session:
    """One step of what is played; without an action, the policy chooses. Not where it is over."""
    if session.now.over:
        return session
    streams = (1 + session.dreams, session.now.step) if session.dream else (0, session.taken)
    if action is None:
        chosen = given.model.choose(given.state, session.now.carry, _key(given, *streams, 1))
        action = jax.device_get(chosen)
        assert action is not None
    carry = given.model.took(session.now.carry, jax.device_put(action))
    key = _key(given, *streams, 2)
    if session.dream:
        carry = given.model.imagine(given.state, carry, key)
        said = jax.device_get(given.say(given.state, carry))
        over = bool(said["continue"][0] < END)
        return replace(session, dream=_next(session.dream, carry, said, action, over=over))
    timestep = given.step(action)
    carry = _seen(given, carry, timestep, key)
    said, over = _observed(given, carry, timestep), bool(timestep.is_last[0])
    real = _next(session.real, carry, said, action, over=over)
    return replace(session, real=real, taken=session.taken + 1)


def session_to_json(session: Session) -> dict[str, Any]:
    """The present moment as a page shows it."""
    now = session.now
    action = {k: x[0].tolist() for k, x in now.action.items()} if now.action else None
    return moment_to_json(now.said) | {
        "mode": "dream" if session.dream else "real",
        "step": now.step,
        "score": now.score,
        "over": now.over,
        "action": action,
        "episode": session.episode,
    }


def action_from_json(value: object, spaces: Spaces) -> Action | None:
    """An action [1, n] by key, or None; ValueError for what is none of these spaces."""
    if value is None:
        return None
    lengths = {key: len(x) for key, x in spaces.choices.items()} | spaces.vectors
    if not isinstance(value, dict) or value.keys() != lengths.keys():
        raise ValueError(f"an action needs {', '.join(lengths)}")
    found: Action = {}
    for key, length in lengths.items():
        numbers, classes = value[key], spaces.choices.get(key)
        if not isinstance(numbers, list) or len(numbers) != length:
            raise ValueError(f"{key}: expected {length} numbers")
        for i, x in enumerate(numbers):
            if isinstance(x, bool) or not isinstance(x, (int, float)) or not math.isfinite(x):
                raise ValueError(f"{key}: {x!r} is no number")
            if classes and (x != int(x) or not 0 <= x < classes[i]):
                raise ValueError(f"{key}: expected a whole number below {classes[i]}, got {x}")
        found[key] = np.array([numbers], np.int32 if classes else np.float32)
    return found


def _next(
    now: Standing, carry: Any, said: Mapping[str, np.ndarray], action: Action, *, over: bool
) -> Standing:
    score = now.score + float(said["reward"][0])
    return Standing(
        carry=carry, said=said, step=now.step + 1, score=score, over=over, action=action
    )


def _seen(given: World, carry: Any, timestep: Timestep, key: jax.Array) -> Any:
    """What the model remembers after a real moment."""
    obs, is_first = jax.device_put((timestep.obs, timestep.is_first))
    return given.model.see(given.state, carry, obs, is_first, key)


def _observed(given: World, carry: Any, timestep: Timestep) -> Mapping[str, np.ndarray]:
    """What the model says of a real moment, with the real observation and reward."""
    said = jax.device_get(given.say(given.state, carry))
    obs = {f"obs/{key}": x for key, x in timestep.obs.items()}
    return said | obs | {"reward": timestep.reward}


def _key(given: World, *numbers: int) -> jax.Array:
    """A key for one purpose: real steps and each dream draw from streams of their own."""
    return _folded(np.uint32(given.seed), np.array(numbers, np.uint32))


@jax.jit
def _folded(seed: jax.Array, numbers: jax.Array) -> jax.Array:
    key = jax.random.key(seed)
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key
