"""The recurrent state-space model: one step as a Flax module, time as two scans.

recurrence   h_t = f(h_{t-1}, z_{t-1}, a_{t-1})        block-diagonal GRU
posterior    z_t ~ q(z_t | h_t, x_t)                   sees the encoded observation
prior        ẑ_t ~ p(ẑ_t | h_t)                        has to guess

(§ World model learning)
"""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax import mesh
from dreamer_jax.nn.dists import Categorical
from dreamer_jax.nn.layers import MLP, BlockLinear, Linear, NormAct
from dreamer_jax.world_model.latents import CompactLatent, Latent

KEPT = jax.checkpoint_policies.dots_saveable
Variables = dict[str, Any]
Act = Callable[[jax.Array, jax.Array], tuple[Any, jax.Array]]
Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")


class RSSM(nn.Module):
    """One step of the model. Latents are mixed with `unimix` of a uniform distribution."""

    deter: int
    hidden: int
    stoch: int
    classes: int
    blocks: int
    dynamics_layers: int
    prior_layers: int
    posterior_layers: int
    unimix: float
    dtype: jnp.dtype

    def setup(self) -> None:
        logits = self.stoch * self.classes
        self.from_deter = MLP(1, self.hidden, self.dtype)
        self.from_stoch = MLP(1, self.hidden, self.dtype)
        self.from_action = MLP(1, self.hidden, self.dtype)
        width = self.deter // self.blocks
        self.core = [BlockLinear(width, self.dtype) for _ in range(self.dynamics_layers)]
        self.core_norm = [NormAct(self.dtype) for _ in range(self.dynamics_layers)]
        self.gates = BlockLinear(3 * width, self.dtype)
        self.prior_mlp = MLP(self.prior_layers, self.hidden, self.dtype)
        self.prior_logits = Linear(logits, 1.0, self.dtype)
        self.posterior_mlp = MLP(self.posterior_layers, self.hidden, self.dtype)
        self.posterior_logits = Linear(logits, 1.0, self.dtype)

    def __call__(self, latent: Latent, action: jax.Array, tokens: jax.Array) -> jax.Array:
        """Touches every parameter once, for `init`."""
        deter = self.recurrence(latent, action)
        return self.prior(deter).log_probs + self.posterior(deter, tokens).log_probs

    def recurrence(self, latent: Latent, action: jax.Array) -> jax.Array:
        """The next deter: latent [*, ...], encoded action [*, A] -> [*, D].

        Every block of `deter` sees itself and all of the three inputs:
            r = σ(reset)   c = tanh(r · candidate)   u = σ(update - 1)   h' = u c + (1 - u) h
        """
        deter, stoch = latent.deter, latent.stoch.reshape(*latent.stoch.shape[:-2], -1)
        # Each entry is brought into [-1, 1]; choices are there already.
        action = action / jax.lax.stop_gradient(jnp.maximum(1.0, jnp.abs(action)))
        inputs = (self.from_deter(deter), self.from_stoch(stoch), self.from_action(action))
        x, shared = self._split(deter), jnp.concatenate(inputs, axis=-1)
        for linear, norm in zip(self.core, self.core_norm, strict=True):
            x, shared = self._split(norm(self._merge(linear(x, shared)))), None
        reset, candidate, update = jnp.split(self.gates(x).astype(jnp.float32), 3, axis=-1)
        candidate = jnp.tanh(jax.nn.sigmoid(reset) * candidate)
        update = jax.nn.sigmoid(update - 1)
        return self._merge(update * candidate + (1 - update) * self._split(deter))

    def prior(self, deter: jax.Array) -> Categorical:
        """p(z | h): [*, D] -> [*, S, K]."""
        return self._latent(self.prior_logits(self.prior_mlp(deter)))

    def posterior(self, deter: jax.Array, tokens: jax.Array) -> Categorical:
        """q(z | h, x): [*, D], tokens [*, M] -> [*, S, K]."""
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
        """The latent before anything was seen: zeros."""
        return Latent(
            deter=jnp.zeros((*batch, self.deter), jnp.float32),
            stoch=jnp.zeros((*batch, self.stoch, self.classes), jnp.float32),
        )


def run(
    model: RSSM,
    variables: Variables,
    method: Callable[Concatenate[RSSM, Inputs], Output],
    *inputs: Inputs.args,
    **named: Inputs.kwargs,
) -> Output:
    """One of the model's methods, such as `RSSM.prior`, as a pure function of its parameters."""
    return cast(Output, model.apply(variables, *inputs, method=method, **named))


def mask(keep: jax.Array, tree: Any) -> Any:
    """Zeroes the rows of every leaf where `keep` is False: keep [*], leaves [*, ...]."""
    return jax.tree.map(lambda x: x * _align(keep, x).astype(x.dtype), tree)


def observe_step(
    model: RSSM,
    variables: Variables,
    latent: Latent,
    action: jax.Array,
    tokens: jax.Array,
    is_first: jax.Array,
    uniform: jax.Array,
) -> tuple[Latent, Categorical]:
    """One filtering step: previous latent and action, then the observation that they led to.

    Where `is_first`, latent and action are zeroed: nothing crosses the border of an episode.
    latent [*, ...], action [*, A], tokens [*, M], is_first [*], uniform [*, S].
    """
    latent, action = mask(~is_first, (latent, action))
    deter = run(model, variables, RSSM.recurrence, latent, action)
    posterior = run(model, variables, RSSM.posterior, deter, tokens)
    stoch = posterior.straight_through(posterior.sample(uniform))
    return Latent(deter, stoch), posterior


def observe(
    model: RSSM,
    variables: Variables,
    start: Latent,
    actions: jax.Array,
    tokens: jax.Array,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[Latent, Categorical, Categorical]:
    """Filters a batch of sequences.

    Args:
      start: latent before the first step, [B, ...].
      actions: [T, B, A], entry t is the action that led to observation t.
      tokens: [T, B, M] encoded observations. is_first: [T, B].
      key: consumed.

    Returns: latents [T, B, ...], posteriors and priors [T, B, S, K].
    """

    def filtered(variables: Variables, start: Latent, inputs: Any) -> tuple[Latent, Categorical]:
        def step(latent: Latent, inputs: tuple[jax.Array, ...]) -> tuple[Latent, Any]:
            latent, posterior = observe_step(model, variables, latent, *inputs)
            return latent, (latent, posterior)

        # Backwards, what is not a matrix product is computed again: cheaper than to keep it.
        step = jax.checkpoint(step, policy=KEPT, prevent_cse=False)
        return jax.lax.scan(step, start, inputs)[1]

    uniform = jax.random.uniform(key, (*is_first.shape, model.stoch))
    specs = (mesh.COPIED, mesh.ROWS, mesh.BATCH)
    inputs = (actions, tokens, is_first, uniform)
    latents, posteriors = mesh.locally(filtered, inputs=specs, outputs=mesh.BATCH)(
        variables, start, inputs
    )
    # The prior reads nothing but deter, so one call for all steps replaces T small ones.
    return latents, posteriors, run(model, variables, RSSM.prior, latents.deter)


def imagine_step(
    model: RSSM, variables: Variables, latent: Latent, action: jax.Array, uniform: jax.Array
) -> Latent:
    """One step without looking: latent [*, ...], action [*, A], uniform [*, S]."""
    deter = run(model, variables, RSSM.recurrence, latent, action)
    prior = run(model, variables, RSSM.prior, deter)
    return Latent(deter, prior.straight_through(prior.sample(uniform)))


def imagine(
    model: RSSM,
    variables: Variables,
    start: Latent,
    act: Act,
    action_noise: jax.Array,
    key: jax.Array,
    view: Callable[[Latent], Any] = lambda latent: latent,
) -> tuple[Any, Any]:
    """Dreams on from `start` with actions of its own.

    Args:
      start: [*, ...]. act: (features, noise) -> (action, encoded action).
      action_noise: [H, *, n] uniform numbers, one slice for each call of `act`. key: consumed.
      view: what to return of each latent, [*, ...] each; joined here once, so that callers who want
        features do not join latents again.

    Returns: views of latents [H + 1, *, ...] with `start` first, actions [H, *, n].
    """

    def step(latent: Latent, noise: tuple[jax.Array, jax.Array]) -> tuple[Latent, Any]:
        action, encoded = act(latent.features, noise[0])
        following = imagine_step(model, variables, latent, encoded, noise[1])
        return following, (view(latent), action)

    horizon = action_noise.shape[0]
    uniform = jax.random.uniform(key, (horizon, *start.stoch.shape[:-1]))
    last, (views, actions) = jax.lax.scan(step, start, (action_noise, uniform))
    views = jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), views, view(last))
    return views, actions


def compact(latent: Latent) -> CompactLatent:
    """What replay keeps of a latent."""
    index = jnp.argmax(latent.stoch, axis=-1).astype(jnp.uint8)
    deter = jax.lax.bitcast_convert_type(latent.deter.astype(jnp.bfloat16), jnp.uint16)
    return CompactLatent(deter, index)


def expand(latent: CompactLatent, classes: int) -> Latent:
    """The latent that was kept; `deter` comes back rounded to bfloat16."""
    stoch = jax.nn.one_hot(latent.stoch, classes, dtype=jnp.float32)
    deter = jax.lax.bitcast_convert_type(latent.deter, jnp.bfloat16).astype(jnp.float32)
    return Latent(deter, stoch)


def _align(keep: jax.Array, x: jax.Array) -> jax.Array:
    return keep.reshape(*keep.shape, *(1,) * (x.ndim - keep.ndim))
