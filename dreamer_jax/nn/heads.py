"""Small networks that read the features of a latent: reward, continue, value and policy."""

from collections.abc import Callable
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.dists import Bernoulli, BoundedNormal, Choices, Ensemble, TwoHot
from dreamer_jax.nn.layers import MLP, Linear
from dreamer_jax.spaces import Spaces

Policy = dict[str, Choices | BoundedNormal]


class TwoHotHead(nn.Module, kw_only=True):
    """Reward and value. The output layer starts at zero, so that the first predictions are 0."""

    layers: int
    units: int
    bins: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, features: jax.Array) -> TwoHot:
        """[*, F] -> a distribution of numbers [*]."""
        x = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name="mlp")(features)
        x = Linear(units=self.bins, scale=0.0, dtype=self.dtype, name="logits")(x)
        return TwoHot(x.astype(jnp.float32))


class ValueHead(nn.Module, kw_only=True):
    """A critic that predicts one number; like those of `TwoHotHead`, its first predictions are 0.

    Its last layer is "output", which `behavior.ppo.preserved` changes with the scale of returns.
    """

    layers: int
    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, features: jax.Array) -> jax.Array:
        """[*, F] -> [*] float32."""
        x = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name="mlp")(features)
        x = Linear(units=1, scale=0.0, dtype=self.dtype, name="output")(x)
        return x[..., 0].astype(jnp.float32)


class CriticEnsemble(nn.Module, kw_only=True):
    """`count` critics that differ in their first weights."""

    count: int
    combine: Callable[..., jax.Array]
    layers: int
    units: int
    bins: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, features: jax.Array) -> Ensemble:
        """[*, F] -> `count` distributions of numbers [*]."""
        critics = [
            TwoHotHead(
                layers=self.layers,
                units=self.units,
                bins=self.bins,
                dtype=self.dtype,
                name=f"critic{i}",
            )
            for i in range(self.count)
        ]
        return Ensemble(tuple(critic(features) for critic in critics), self.combine)


class ContinueHead(nn.Module, kw_only=True):
    """The probability that the episode continues, times the discount."""

    layers: int
    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, features: jax.Array) -> Bernoulli:
        """[*, F] -> Bernoulli distributions [*]."""
        x = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name="mlp")(features)
        x = Linear(units=1, scale=1.0, dtype=self.dtype, name="logit")(x)
        return Bernoulli(x[..., 0].astype(jnp.float32))


class PolicyHead(nn.Module, kw_only=True):
    """One distribution per action key: choices with `unimix` of a uniform one, or bounded normals.

    Output layers start at a hundredth of the usual scale: at first all choices are almost equally
    likely.
    """

    spaces: Spaces
    layers: int
    units: int
    unimix: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, features: jax.Array) -> Policy:
        """[*, F] -> distributions over actions [*, n]."""
        x = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name="mlp")(features)
        policy: Policy = {}
        for key, classes in self.spaces.choices.items():
            head = Linear(units=sum(classes), scale=0.01, dtype=self.dtype, name=f"{key}_logits")
            policy[key] = Choices.from_logits(head(x), classes=classes, unimix=self.unimix)
        for key, size in self.spaces.vectors.items():
            mean = Linear(units=size, scale=0.01, dtype=self.dtype, name=f"{key}_mean")(x)
            stddev = Linear(units=size, scale=0.01, dtype=self.dtype, name=f"{key}_stddev")(x)
            policy[key] = BoundedNormal.from_outputs(mean, stddev)
        return policy


def sample(policy: Policy, noise: jax.Array) -> dict[str, jax.Array]:
    """Draws every action key from its distribution.

    noise: [*, `action_width`], uniform in [0, 1) -> action [*, n] for each key.
    """
    return _each(policy, noise, lambda dist, uniform: dist.sample(uniform))


def mode(policy: Policy, noise: jax.Array) -> dict[str, jax.Array]:
    """The most likely action: noise [*, `action_width`], unused -> action [*, n] for each key."""
    return _each(policy, noise, lambda dist, _: dist.mode())


def at_random(policy: Policy, noise: jax.Array) -> dict[str, jax.Array]:
    """Uniformly random actions for any policy: noise [*, `action_width`] -> [*, n] per key."""
    return _each(policy, noise, lambda dist, uniform: dist.anything(uniform))


def parameters(policy: Policy) -> dict[str, dict[str, jax.Array]]:
    """For each action key its distribution as numbers, in the form of `types.Explicit.policy`."""
    found: dict[str, dict[str, jax.Array]] = {}
    for key, dist in policy.items():
        if isinstance(dist, Choices):
            parts = [part.probs for part in dist.parts]
            found[key] = {"probabilities": jnp.concatenate(parts, axis=-1)}
        else:
            found[key] = {"mean": dist.mean, "stddev": dist.stddev}
    return found


def _each(
    policy: Policy, noise: jax.Array, choose: Callable[[Any, jax.Array], jax.Array]
) -> dict[str, jax.Array]:
    chex.assert_axis_dimension(noise, -1, sum(dist.size for dist in policy.values()))
    action: dict[str, jax.Array] = {}
    used = 0
    for key, dist in policy.items():
        action[key] = choose(dist, noise[..., used : used + dist.size])
        used += dist.size
    return action


def action_width(act: Spaces) -> int:
    """The number of uniform numbers that one action is drawn from."""
    return sum(act.vectors.values()) + sum(len(n) for n in act.choices.values())
