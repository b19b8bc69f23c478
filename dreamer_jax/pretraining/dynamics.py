"""The stage `dynamics`: how frames of tokens follow each other, and what actions do to them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax.struct import PyTreeNode

from dreamer_jax import spaces
from dreamer_jax.math import weighted_mean
from dreamer_jax.nn import optim
from dreamer_jax.nn.dists import Bernoulli, TwoHot
from dreamer_jax.pretraining import dynamics_measures, dynamics_pictures
from dreamer_jax.pretraining.dynamics_config import DynamicsConfig, Losses, Optimizer
from dreamer_jax.pretraining.image_keys import image_key
from dreamer_jax.pretraining.token_clips import TokenClips
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Clips, Draw, Fit, Metrics, Obs
from dreamer_jax.world_model import token_dynamics
from dreamer_jax.world_model import tokenizer as tokenizers
from dreamer_jax.world_model.token_dynamics import TokenDynamics
from dreamer_jax.world_model.token_frames import Frames, Outputs

Params = dict[str, Any]


class DynamicsState(PyTreeNode, kw_only=True):
    """All that the stage learns, and the tokenizer that it reads."""

    params: Params  # "dynamics", and "tokenizer", which never changes
    optimizer: optax.OptState  # of the dynamics
    updates: jax.Array  # [] int32


def frozen(config: DynamicsConfig) -> tuple[str, ...]:
    """Names of the networks that are read and do not learn."""
    del config
    return ("tokenizer",)


def make(config: DynamicsConfig, interface: Interface) -> Fit[DynamicsState]:
    """The stage for recordings with these spaces.

    Where there are no actions, or all are hidden, the model is one without actions.

    Raises:
      ValueError: the recording has no such image, or it does not fit the tokenizer, or numbers of
        the config contradict each other.
    """
    windows, size = config.windows, config.dynamics
    key = image_key(interface)
    act = interface.act if windows.unknown < 1 else spaces.Spaces()
    images = tokenizers.make(config.tokenizer, image=interface.obs.images[key])
    model = token_dynamics.make(size, tokens=images.tokens, codes=images.codes, action=act.width)
    read = Reader(model=model, images=images, key=key, act=act)
    chain = optimizer(config.optimizer)

    def init(random: jax.Array) -> DynamicsState:
        of_tokenizer, of_dynamics = jax.random.split(random)
        params: Params = {
            "tokenizer": images.init(of_tokenizer),
            "dynamics": model.init(of_dynamics),
        }
        begun = chain.init(params["dynamics"])
        return DynamicsState(params=params, optimizer=begun, updates=jnp.zeros((), jnp.int32))

    def learn(
        state: DynamicsState, clips: Clips, random: jax.Array
    ) -> tuple[DynamicsState, Metrics]:
        given = read(state.params, clips)
        known = jax.random.uniform(random, given.frames.known.shape) >= windows.unknown
        given = given.replace(frames=given.frames._replace(known=given.frames.known & known))
        learned, memory, metrics = descend(
            state.params["dynamics"],
            state.optimizer,
            given,
            model=model,
            chain=chain,
            losses=config.losses,
        )
        params = {**state.params, "dynamics": learned}
        state = DynamicsState(params=params, optimizer=memory, updates=state.updates + 1)
        return state, metrics

    def measure(state: DynamicsState, clips: Clips, random: jax.Array) -> Metrics:
        given = read(state.params, clips)
        return dynamics_measures.measure(model, images, state.params, given, random)

    def pictures(state: DynamicsState, clips: Clips, random: jax.Array) -> Obs:
        given = read(state.params, clips)
        futures = constant_actions(act, count=dynamics_pictures.FUTURES)
        return dynamics_pictures.pictures(
            model, images, state.params, given, random, futures=futures
        )

    return Fit(
        draw=Draw(windows.batch, size.frames + 1),
        init=init,
        update=learn,
        measure=measure,
        pictures=pictures,
        examined=Draw(windows.measured, size.frames + windows.dream),
    )


class Reader(NamedTuple):
    """What a clip is in tokens."""

    model: TokenDynamics
    images: tokenizers.Tokenizer
    key: str  # of the image
    act: spaces.Spaces

    def __call__(self, params: Params, clips: Clips) -> TokenClips:
        """Clips [T, B, ...] -> the same in tokens, [B, T, ...]; there is no gradient."""
        steps = clips.steps
        tokens = self.images.encode(params["tokenizer"], steps.obs[self.key])
        encoded = jnp.zeros((*steps.reward.shape, 0))
        if self.model.action:
            encoded = spaces.flatten(steps.action, self.act)
        found = TokenClips(
            images=steps.obs[self.key],
            frames=Frames(
                tokens=tokens,
                action=encoded,
                known=jnp.full(steps.is_first.shape, self.model.action > 0),
                is_first=steps.is_first,
            ),
            reward=steps.reward,
            continue_=1.0 - steps.is_terminal.astype(jnp.float32),
        )
        return jax.lax.stop_gradient(jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found))


def optimizer(config: Optimizer) -> optax.GradientTransformation:
    """AdamW, as the section says."""
    return optim.adamw(
        learning_rate=config.learning_rate,
        warmup=config.warmup,
        clip=config.clip,
        weight_decay=config.weight_decay,
        rms_decay=config.rms_decay,
    )


def descend(
    params: Any,
    memory: optax.OptState,
    given: TokenClips,
    *,
    model: TokenDynamics,
    chain: optax.GradientTransformation,
    losses: Losses,
) -> tuple[Any, optax.OptState, Metrics]:
    """One step of the optimizer on windows whose first frame is only read.

    Args:
      params: of the dynamics.
      memory: of the optimizer.
      given: [B, K + 1, ...].
      model: the networks.
      chain: the optimizer.
      losses: their scales.

    Returns: the new parameters, the new memory, and metrics [].
    """

    def loss(params: Any) -> tuple[jax.Array, Metrics]:
        parts, metrics = loss_parts(model.forward(params, *given.frames), given, losses)
        scales = {"tokens": losses.tokens, "reward": losses.reward, "summary": losses.summary}
        scales["continue"] = losses.continue_
        total = sum((scales[name] * part for name, part in parts.items()), jnp.float32(0))
        return total, metrics | {f"dynamics/loss/{name}": x for name, x in parts.items()}

    gradients, metrics = jax.grad(loss, has_aux=True)(params)
    changes, memory = chain.update(gradients, memory, params)
    metrics["dynamics/gradient_norm"] = optax.tree.norm(gradients)
    return optax.apply_updates(params, changes), memory, metrics


def loss_parts(
    outputs: Outputs, given: TokenClips, losses: Losses
) -> tuple[dict[str, jax.Array], Metrics]:
    """The losses [] of all frames but the first ones of windows and episodes, unscaled.

    Tokens: -ln p of each token. Reward: two-hot. Continue: whether the frame is not terminal.
    Summary: the last two once more, predicted before the action is chosen.
    """
    follows = given.follows
    weight = jnp.where(given.changed, losses.changed, 1.0) * follows[..., None]
    nats = optax.softmax_cross_entropy_with_integer_labels(
        outputs.logits, given.frames.tokens[:, 1:]
    )

    def ahead(reward: TwoHot, continue_: Bernoulli) -> tuple[jax.Array, jax.Array]:
        # Nobody knows what follows the last frame of a window.
        of_reward = TwoHot(reward.logits[:, :-1]).loss(given.reward[:, 1:])
        of_continue = Bernoulli(continue_.logit[:, :-1]).loss(given.continue_[:, 1:])
        return weighted_mean(of_reward, follows), weighted_mean(of_continue, follows)

    reward, continue_ = ahead(outputs.reward, outputs.continue_)
    parts = {
        "tokens": weighted_mean(nats, weight),
        "reward": reward,
        "continue": continue_,
        "summary": sum(ahead(outputs.summary_reward, outputs.summary_continue), jnp.float32(0)),
    }
    right = outputs.logits.argmax(-1) == given.frames.tokens[:, 1:]
    return parts, {"dynamics/accuracy/all": weighted_mean(right, follows[..., None])}


def constant_actions(act: spaces.Spaces, *, count: int) -> jax.Array:
    """Encoded actions far apart from each other: [count, A]; [count, 0] where there are none.

    Of each choice, classes from the first to the last one; of values, from -1 to 1.
    """
    share = jnp.linspace(0.0, 1.0, count)[:, None]
    chosen = {
        key: jnp.round(share * (jnp.array(classes) - 1)).astype(jnp.int32)
        for key, classes in act.choices.items()
    }
    values = {key: jnp.repeat(2 * share - 1, n, axis=1) for key, n in act.vectors.items()}
    if not act.flat:
        return jnp.zeros((count, 0))
    return spaces.flatten({**chosen, **values}, act)
