"""The recurrent state-space model: one step as a Flax module, time as two scans.

recurrence   h_t = f(h_{t-1}, z_{t-1}, a_{t-1})        block-diagonal GRU
posterior    z_t ~ q(z_t | h_t, x_t)                   sees the encoded observation
prior        ẑ_t ~ p(ẑ_t | h_t)                        has to guess

`observe` filters real sequences with recurrence and posterior. `imagine` continues them with
recurrence and prior. (§ World model learning)
"""

from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax import mesh
from dreamer_jax.nn.dists import Categorical
from dreamer_jax.nn.layers import MLP, BlockLinear, Linear, NormAct
from dreamer_jax.world_model.latents import Latent

SAVED = jax.checkpoint_policies.dots_saveable  # the rest is recomputed
Variables = dict[str, Any]
Belief = tuple[Latent, Categorical]  # a latent, and the posterior that it was sampled from
MethodInputs = ParamSpec("MethodInputs")
MethodOutput = TypeVar("MethodOutput")
Tree = TypeVar("Tree")
View = TypeVar("View")  # pytree of [*, ...]
Chosen = TypeVar("Chosen")  # pytree of [*, n]


class FilterInputs(NamedTuple):
    """The arguments of `observe_step` after the latent, for all steps."""

    action: jax.Array  # [T, B, A]
    tokens: jax.Array  # [T, B, M]
    is_first: jax.Array  # [T, B]
    uniform: jax.Array  # [T, B, S]


class Filtered(NamedTuple):
    """Beliefs about the steps of a sequence; `prior` is from before seeing the step."""

    latents: Latent  # [T, B, ...], with samples of the posterior
    posterior: Categorical  # [T, B, S, K]
    prior: Categorical  # [T, B, S, K]


class RSSM(nn.Module, kw_only=True):
    """One step of the model, as three methods that `run` applies.

    The distributions of latents are mixed with `unimix` of a uniform one. So no class has
    probability 0, and the KL between posterior and prior stays finite.
    """

    deter: int  # D, divisible by the blocks
    hidden: int  # units of every layer inside
    stoch: int  # S
    classes: int  # K
    blocks: int  # of the recurrence
    dynamics_layers: int
    prior_layers: int
    posterior_layers: int
    unimix: float
    dtype: jnp.dtype

    def setup(self) -> None:
        logits = self.stoch * self.classes
        self.from_deter = MLP(layers=1, units=self.hidden, dtype=self.dtype)
        self.from_stoch = MLP(layers=1, units=self.hidden, dtype=self.dtype)
        self.from_action = MLP(layers=1, units=self.hidden, dtype=self.dtype)
        width = self.deter // self.blocks
        cores = range(self.dynamics_layers)
        self.core = [BlockLinear(units=width, dtype=self.dtype) for _ in cores]
        self.core_norm = [NormAct(dtype=self.dtype) for _ in cores]
        self.gates = BlockLinear(units=3 * width, dtype=self.dtype)
        self.prior_mlp = MLP(layers=self.prior_layers, units=self.hidden, dtype=self.dtype)
        self.prior_logits = Linear(units=logits, scale=1.0, dtype=self.dtype)
        self.posterior_mlp = MLP(layers=self.posterior_layers, units=self.hidden, dtype=self.dtype)
        self.posterior_logits = Linear(units=logits, scale=1.0, dtype=self.dtype)

    def __call__(self, latent: Latent, action: jax.Array, tokens: jax.Array) -> jax.Array:
        """Touches every parameter once, for `init`."""
        deter = self.recurrence(latent, action)
        return self.prior(deter).log_probs + self.posterior(deter, tokens).log_probs

    def recurrence(self, latent: Latent, action: jax.Array) -> jax.Array:
        """h_t = f(h_{t-1}, z_{t-1}, a_{t-1}) for one step.

        Every block of `deter` sees itself and all of the three inputs:
            r = σ(reset)   c = tanh(r · candidate)   u = σ(update - 1)   h' = u c + (1 - u) h

        Args:
          latent: the previous one, [*, ...].
          action: [*, A], the encoded action that was chosen at `latent`.

        Returns: the next deter [*, D] float32, whatever type the layers compute in.
        """
        chex.assert_tree_shape_prefix((latent, action), action.shape[:-1])
        deter, stoch = latent.deter, latent.flat_stoch
        # Each entry is brought into [-1, 1]; choices are there already. The divisor is a constant
        # for the gradient. Otherwise a large action would get no gradient at all.
        action = action / jax.lax.stop_gradient(jnp.maximum(1.0, jnp.abs(action)))
        inputs = (self.from_deter(deter), self.from_stoch(stoch), self.from_action(action))
        x, shared = self._split(deter), jnp.concatenate(inputs, axis=-1)
        # The first layer alone reads the inputs: after it, every block has its share of them.
        for linear, norm in zip(self.core, self.core_norm, strict=True):
            x, shared = self._split(norm(self._merge(linear(x, shared)))), None
        # The state is float32: in bfloat16, many small changes of it would round to none.
        reset, candidate, update = jnp.split(self.gates(x).astype(jnp.float32), 3, axis=-1)
        candidate = jnp.tanh(jax.nn.sigmoid(reset) * candidate)
        update = jax.nn.sigmoid(update - 1)  # about 0.27 in a fresh model: slow to forget
        return self._merge(update * candidate + (1 - update) * self._split(deter))

    def prior(self, deter: jax.Array) -> Categorical:
        """p(z | h), what to expect before looking: deter [*, D] -> [*, S, K]."""
        return self._latent(self.prior_logits(self.prior_mlp(deter)))

    def posterior(self, deter: jax.Array, tokens: jax.Array) -> Categorical:
        """q(z | h, x), what looking tells: deter [*, D], tokens [*, M] -> [*, S, K]."""
        chex.assert_equal_shape_prefix([deter, tokens], deter.ndim - 1)
        joined = jnp.concatenate([deter.astype(self.dtype), tokens.astype(self.dtype)], axis=-1)
        return self._latent(self.posterior_logits(self.posterior_mlp(joined)))

    def _latent(self, logits: jax.Array) -> Categorical:
        logits = logits.reshape(*logits.shape[:-1], self.stoch, self.classes)
        return Categorical.from_logits(logits, unimix=self.unimix)

    def _split(self, x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:-1], self.blocks, -1)

    def _merge(self, x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:-2], -1)

    def initial(self, *batch: int) -> Latent:
        """The latent before the first observation: zeros, [*batch, ...]."""
        return Latent(
            deter=jnp.zeros((*batch, self.deter), jnp.float32),
            stoch=jnp.zeros((*batch, self.stoch, self.classes), jnp.float32),
        )


def run(
    model: RSSM,
    variables: Variables,
    method: Callable[Concatenate[RSSM, MethodInputs], MethodOutput],
    *inputs: MethodInputs.args,
    **named: MethodInputs.kwargs,
) -> MethodOutput:
    """One of the model's methods, such as `RSSM.prior`, as a pure function of its parameters.

    It is found by its name, so that subclasses may have their own.
    """
    return cast(MethodOutput, model.apply(variables, *inputs, method=method.__name__, **named))


def mask(tree: Tree, *, keep: jax.Array) -> Tree:
    """Zeroes the rows of every leaf where `keep` is False: leaves [*, ...], keep [*] bool."""
    chex.assert_type(keep, bool)
    chex.assert_tree_shape_prefix(tree, keep.shape)

    def masked(x: jax.Array) -> jax.Array:
        return x * keep.reshape(*keep.shape, *(1,) * (x.ndim - keep.ndim)).astype(x.dtype)

    return jax.tree.map(masked, tree)


def observe_step(
    model: RSSM,
    variables: Variables,
    latent: Latent,
    action: jax.Array,
    *,
    tokens: jax.Array,
    is_first: jax.Array,
    uniform: jax.Array,
) -> Belief:
    """One filtering step: h_t = f(h_{t-1}, z_{t-1}, a_{t-1}), then z_t ~ q(z_t | h_t, x_t).

    Where `is_first`, latent and action are zeroed: nothing crosses the border of an episode.

    Args:
      latent: the previous one, [*, ...].
      action: [*, A], the encoded action that was chosen at it.
      tokens: [*, M], the encoded observation that they led to.
      is_first: [*] bool, whether this observation begins an episode.
      uniform: [*, S] numbers in [0, 1) that the sample is drawn with.

    Returns: the latent [*, ...] and the posterior [*, S, K] that it was sampled from. Gradients
      pass through the sample as if it were the probabilities.
    """
    chex.assert_tree_shape_prefix((latent, action, tokens, uniform), is_first.shape)
    latent, action = mask((latent, action), keep=~is_first)
    deter = run(model, variables, RSSM.recurrence, latent, action)
    posterior = run(model, variables, RSSM.posterior, deter, tokens)
    stoch = posterior.straight_through(posterior.sample(uniform))
    return Latent(deter=deter, stoch=stoch), posterior


def observe(
    model: RSSM,
    variables: Variables,
    *,
    start: Latent,
    actions: jax.Array,
    tokens: jax.Array,
    is_first: jax.Array,
    uniform: jax.Array,
) -> Filtered:
    """Filters a batch of sequences: `observe_step` for each step in turn. (§ World model learning)

    Each device of a mesh filters its own sequences.

    Args:
      start: latent before the first step, [B, ...].
      actions: [T, B, A] encoded, entry t is the action that led to observation t.
      tokens: [T, B, M] encoded observations.
      is_first: [T, B] bool, whether observation t begins an episode.
      uniform: [T, B, S] numbers in [0, 1) that the samples are drawn with.

    Returns: latents [T, B, ...], posteriors and priors [T, B, S, K] of each step.
    """
    chex.assert_rank(is_first, 2)
    chex.assert_equal_shape_prefix([actions, tokens, is_first, uniform], 2)
    chex.assert_tree_shape_prefix(start, is_first.shape[1:])

    def filtered(variables: Variables, start: Latent, inputs: FilterInputs) -> Belief:
        def step(latent: Latent, inputs: FilterInputs) -> tuple[Latent, Belief]:
            latent, posterior = observe_step(model, variables, latent, **inputs._asdict())
            return latent, (latent, posterior)

        # Only matrix products are stored for the backward pass; the rest is cheap and recomputed.
        step = jax.checkpoint(step, policy=SAVED, prevent_cse=False)
        return jax.lax.scan(step, start, inputs)[1]

    specs = (mesh.COPIED, mesh.ROWS, mesh.BATCH)
    inputs = FilterInputs(action=actions, tokens=tokens, is_first=is_first, uniform=uniform)
    filtered_locally = mesh.locally(filtered, inputs=specs, outputs=mesh.BATCH)
    latents, posterior = filtered_locally(variables, start, inputs)
    # The prior reads nothing but deter, so one call for all steps replaces T small ones.
    prior = run(model, variables, RSSM.prior, latents.deter)
    return Filtered(latents=latents, posterior=posterior, prior=prior)


def imagine_step(
    model: RSSM, variables: Variables, latent: Latent, action: jax.Array, *, uniform: jax.Array
) -> Latent:
    """One step without looking: h' = f(h, z, a), then z' ~ p(z' | h').

    latent [*, ...], encoded action [*, A], uniform [*, S] -> the next latent [*, ...].
    """
    chex.assert_tree_shape_prefix((latent, action), uniform.shape[:-1])
    deter = run(model, variables, RSSM.recurrence, latent, action)
    prior = run(model, variables, RSSM.prior, deter)
    return Latent(deter=deter, stoch=prior.straight_through(prior.sample(uniform)))


def imagine(
    model: RSSM,
    variables: Variables,
    *,
    start: Latent,
    act: Callable[[jax.Array, jax.Array], tuple[Chosen, jax.Array]],
    action_noise: jax.Array,
    uniform: jax.Array,
    view: Callable[[Latent], View],
) -> tuple[View, Chosen]:
    """Continues from `start` for H steps: a_t = act(s_t), then `imagine_step`. (§ Actor learning)

    Args:
      start: [*, ...] latents to start from.
      act: (features [*, F], noise [*, n]) -> (action [*, n], encoded action [*, A]). The first is
        returned, the second moves the model.
      action_noise: [H, *, n] uniform numbers, one slice for each call of `act`.
      uniform: [H, *, S] numbers in [0, 1) that the latents are drawn with.
      view: the part of each latent to return, [*, ...] in each leaf. Features that a caller needs
        are joined here, once.

    Returns: views of latents [H + 1, *, ...], of which `start` is the first, and actions
      [H, *, n]. Action t was chosen at latent t and led to latent t + 1.
    """
    chex.assert_tree_shape_prefix(start, action_noise.shape[1:-1])
    chex.assert_equal_shape_prefix([action_noise, uniform], action_noise.ndim - 1)

    def step(
        latent: Latent, noise: tuple[jax.Array, jax.Array]
    ) -> tuple[Latent, tuple[View, Chosen]]:
        for_action, uniform = noise
        action, encoded = act(latent.features, for_action)
        following = imagine_step(model, variables, latent, encoded, uniform=uniform)
        return following, (view(latent), action)

    last, (views, actions) = jax.lax.scan(step, start, (action_noise, uniform))
    # A step returns the latent that it started from, so the last one is still missing.
    views = jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), views, view(last))
    return views, actions
