"""The fixed part of an on-policy agent: its features, the heads that read them, the optimizer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dreamer_jax import spaces
from dreamer_jax.agents.on_policy.config import PPO, Adam, require_on_policy, rollouts
from dreamer_jax.agents.on_policy.features import Extra, Features, Params
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.behavior.ppo import unscaled
from dreamer_jax.config import Config
from dreamer_jax.nn.heads import Policy, PolicyHead, ValueHead
from dreamer_jax.spaces import Interface, Spaces

HEADS = ("policy", "value")
# Whatever features are computed in: a ratio of probabilities is near 1, where bfloat16 is coarse.
HEADS_DTYPE = jnp.dtype("float32")


class Heads(NamedTuple):
    """What reads the features."""

    policy: PolicyHead
    value: ValueHead


def make_heads(
    act: Spaces, *, units: int, policy_layers: int, value_layers: int, unimix: float
) -> Heads:
    """Policy and critic for these actions, both of `units` in a layer."""
    return Heads(
        policy=PolicyHead(
            spaces=act, layers=policy_layers, units=units, unimix=unimix, dtype=HEADS_DTYPE
        ),
        value=ValueHead(layers=value_layers, units=units, dtype=HEADS_DTYPE),
    )


class OnPolicy(NamedTuple):
    """What never changes in a run."""

    config: PPO
    interface: Interface
    features: Features[Any]
    heads: Heads
    optimizer: optax.GradientTransformation
    rollouts: int  # updates until train.steps
    extra: Extra | None

    def policy(self, params: Params, features: jax.Array) -> Policy:
        """Features [*, F] -> a distribution of each action [*, n]."""
        found: Any = self.heads.policy.apply({"params": params["policy"]}, features)
        return found

    def value(self, params: Params, features: jax.Array) -> jax.Array:
        """Features [*, F] -> what the critic predicts [*], normalized."""
        return jnp.asarray(self.heads.value.apply({"params": params["value"]}, features))


def build(
    config: Config,
    interface: Interface,
    *,
    ppo: PPO,
    adam: Adam,
    features: Features[Any],
    heads: Heads,
    extra: Extra | None = None,
) -> OnPolicy:
    """The fixed part; ValueError in one line where replay or loop do not suit PPO.

    Args:
      config: of the run.
      interface: its spaces.
      ppo: how policy and critic learn.
      adam: with which optimizer.
      features: what they read.
      heads: policy and critic.
      extra: what else learns; None for nothing.
    """
    require_on_policy(config, ppo, sequential=features.sequential and bool(features.trained))
    return assembled(
        interface,
        ppo=ppo,
        adam=adam,
        features=features,
        heads=heads,
        updates=rollouts(config),
        extra=extra,
    )


def assembled(
    interface: Interface,
    *,
    ppo: PPO,
    adam: Adam,
    features: Features[Any],
    heads: Heads,
    updates: int,
    extra: Extra | None = None,
) -> OnPolicy:
    """As `build`, for rollouts from wherever. `updates` until train.steps end the learning rate."""
    last = 0.0 if adam.decay == "linear" else adam.learning_rate
    steps = updates * ppo.epochs * ppo.minibatches
    schedule = optax.linear_schedule(adam.learning_rate, last, steps)
    return OnPolicy(
        config=ppo,
        interface=interface,
        features=features,
        heads=heads,
        optimizer=optax.chain(
            optax.clip_by_global_norm(adam.clip), optax.adam(schedule, eps=adam.epsilon)
        ),
        rollouts=updates,
        extra=extra,
    )


def init(ppo: OnPolicy, key: jax.Array) -> OnPolicyState:
    """The state before the first update; the key is consumed."""
    feature_key, policy_key, value_key = jax.random.split(key, 3)
    features = ppo.features
    params, moments = features.init(feature_key)
    obs, is_first = spaces.zeros(ppo.interface.obs, 1), jnp.ones(1, bool)
    carry = jax.eval_shape(lambda: features.carry(1))
    _, seen, _ = jax.eval_shape(features.step, params, moments, carry, obs, is_first, key)
    example = jnp.zeros(seen.shape, seen.dtype)
    heads: dict[str, Any] = {
        "policy": ppo.heads.policy.init(policy_key, example),
        "value": ppo.heads.value.init(value_key, example),
    }
    params = params | {name: variables["params"] for name, variables in heads.items()}
    optimizer = {"ppo": ppo.optimizer.init(trained(ppo, params))}
    if ppo.extra is not None:
        optimizer["extra"] = ppo.extra.init(params)
    return OnPolicyState(
        params=params,
        moments=moments,
        optimizer=optimizer,
        return_scale=unscaled(),
        updates=jnp.zeros((), jnp.int32),
    )


def trained(ppo: OnPolicy, params: Params) -> Params:
    """The parameters that PPO's gradient changes."""
    return {name: params[name] for name in (*ppo.features.trained, *HEADS)}
