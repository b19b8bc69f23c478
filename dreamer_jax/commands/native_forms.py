"""Observations and actions of a run as the loop of a user has them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from gymnasium import spaces as gym

import envs
from dreamer_jax.commands.options import Setup
from dreamer_jax.run import spaces_record
from dreamer_jax.spaces import Interface
from envs import space_json
from envs.gym_options import Options
from envs.kinds import AnySpace
from envs.native import Encoded, Native

FAMILIES = ("cartpole", "gym")  # of Gymnasium environments, which users have in their own loops


class Form(Protocol):
    """Between the loop of a user and an agent."""

    def encode(self, obs: Any) -> Encoded:
        """One observation or a batch; ValueError names what does not fit."""
        ...

    def encode_action(self, action: Any) -> Encoded:
        """One action or a batch; ValueError names what does not fit."""
        ...

    def decode(self, actions: dict[str, np.ndarray], *, single: bool) -> Any:
        """[E, n] by key -> one action or a batch, as `encode_action` reads it."""
        ...


class Described(NamedTuple):
    """An array of an observation or an action, without a batch axis."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Arrays:
    """The arrays of an agent by their keys; a lone key may be left out."""

    def __init__(self, run: Mapping[str, Any]):
        """run: what `manifest.read` returned, checked by `spaces_record.spaces_of`."""
        self._obs, self._act = (
            {k: Described(tuple(x["shape"]), np.dtype(x["dtype"])) for k, x in part.items()}
            for part in (run["spaces"]["observations"], run["spaces"]["actions"])
        )

    def encode(self, obs: Any) -> Encoded:
        """See `Form`."""
        return _encoded(obs, self._obs, "the observation")

    def encode_action(self, action: Any) -> Encoded:
        """See `Form`."""
        return _encoded(action, self._act, "the action")

    def decode(self, actions: dict[str, np.ndarray], *, single: bool) -> Any:
        """See `Form`."""
        rows = {key: x[0] if single else x for key, x in actions.items()}
        return rows if len(rows) > 1 else next(iter(rows.values()))


def form_of(setup: Setup, run: Mapping[str, Any], env: Any) -> Form:
    """How the observations of a run are read: as its Gymnasium environment has them, if it has one.

    Args:
      setup: of the run.
      run: what `manifest.read` returned.
      env: has `observation_space` and `action_space`; None: config.json says them.

    Raises ValueError if the spaces of `env` are not those that the run was trained with.
    """
    interface = spaces_record.spaces_of(run)
    if env is None and envs.family(setup.env) not in FAMILIES:
        return Arrays(run)
    options = setup.config.env if isinstance(setup.config.env, Options) else Options()
    if env is not None:
        # One environment among those of `gymnasium.vector`.
        obs = getattr(env, "single_observation_space", None) or env.observation_space
        act = getattr(env, "single_action_space", None) or env.action_space
        native = Native(obs, act, options)
        if not fits(native, run):
            raise ValueError(f"{setup.logdir} was trained with other spaces than {obs} and {act}")
        return native
    try:
        obs, act = stored(run) or assumed(interface)
        native = Native(obs, act, options)
    except ValueError:
        return Arrays(run)
    return native if fits(native, run) else Arrays(run)


def stored(run: Mapping[str, Any]) -> tuple[AnySpace, AnySpace] | None:
    """The Gymnasium spaces in config.json; None in runs of earlier versions."""
    saved = run.get("gymnasium")
    if not isinstance(saved, dict):
        return None
    saved = cast(dict[str, Any], saved)
    obs, act = (space_json.from_json(saved.get(name)) for name in ("observation", "action"))
    return obs, act


def assumed(interface: Interface) -> tuple[AnySpace, AnySpace]:
    """The simplest Gymnasium spaces that an agent would have read so.

    ValueError where there is more than one way, as with texts and with bounds of actions.
    """
    obs, act = interface.obs, interface.act
    if len(obs.keys) != 1 or obs.texts or obs.symbols or obs.bits or act.keys != {"action"}:
        raise ValueError("the spaces of the environment are not known")
    if act.vectors or len(act.choices["action"]) != 1:
        raise ValueError("the actions of the environment are not known")
    (count,) = act.choices["action"]
    spaces: list[AnySpace] = [gym.Box(0, 255, x, np.uint8) for x in obs.images.values()]
    spaces += [gym.Box(-np.inf, np.inf, (n,), np.float32) for n in obs.vectors.values()]
    spaces += [gym.MultiDiscrete([*classes]) for classes in obs.choices.values()]
    return spaces[0], gym.Discrete(count)


def fits(native: Native, run: Mapping[str, Any]) -> bool:
    """Whether these spaces are read as those of the run were."""
    now = spaces_record.spaces_to_json(native.obs_space, native.act_space)
    return now == run["spaces"]


def _encoded(values: Any, known: Mapping[str, Described], what: str) -> Encoded:
    if not isinstance(values, Mapping):
        if len(known) > 1:
            raise ValueError(f"{what} has the parts {', '.join(known)}, each by its key")
        values = {next(iter(known)): values}
    values = cast(Mapping[str, Any], values)
    if missing := known.keys() - values.keys():
        raise ValueError(f"{what} lacks {min(missing)!r}; it has the parts {', '.join(known)}")
    arrays = {key: np.asarray(values[key]) for key in known}
    ranks = {x.ndim - len(known[key].shape) for key, x in arrays.items()}
    single = ranks == {0}
    for key, (shape, dtype) in known.items():
        x = arrays[key] = arrays[key][None] if single else arrays[key]
        if not (single or ranks == {1}) or x.shape[1:] != shape or not len(x):
            text = f"expected {list(shape)}, or {['N', *shape]} for N at once"
            raise ValueError(f"{what}: {key!r} has the shape {list(np.shape(values[key]))}; {text}")
        arrays[key] = x.astype(dtype)
        if dtype.kind in "iu" and not np.array_equal(arrays[key], x):
            raise ValueError(f"{what}: {key!r} should hold {dtype} values")
    if len({len(x) for x in arrays.values()}) > 1:
        raise ValueError(f"{what}: its parts have batches of different lengths")
    return Encoded(arrays, single)
