"""Learning in dreams: the policy practices inside of the token model, which may learn meanwhile."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dreamer_jax import spaces
from dreamer_jax.agents.on_policy import learning, networks
from dreamer_jax.agents.on_policy.features import Extra, Params
from dreamer_jax.agents.on_policy.learning import Minibatch
from dreamer_jax.agents.on_policy.networks import Heads, OnPolicy
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.agents.tokens import features
from dreamer_jax.agents.tokens.config import TRANSFORMER, TokensConfig
from dreamer_jax.agents.tokens.world import World
from dreamer_jax.behavior.actor_critic import imagined_returns, log_prob
from dreamer_jax.behavior.trajectories import Experience, imagined
from dreamer_jax.config import Config
from dreamer_jax.nn.heads import action_width, sample
from dreamer_jax.pretraining import dynamics as stage
from dreamer_jax.pretraining.dynamics_config import Losses
from dreamer_jax.pretraining.token_clips import TokenClips
from dreamer_jax.types import Action, Metrics, Refresh, Rollout, Window
from dreamer_jax.world_model import token_dreams
from dreamer_jax.world_model.token_frames import Frames

sg = jax.lax.stop_gradient


class Chosen(NamedTuple):
    """What the policy did in a dream."""

    action: Action  # [B, n]
    log_prob: jax.Array  # [B]


class Dreamt(NamedTuple):
    """A dream, and what the policy thought in it."""

    rollout: Rollout  # of H steps, for B starts
    log_prob: jax.Array  # [H, B] of its actions
    weight: jax.Array  # [H, B], the probability that the episode is still going on


def build(config: Config, agent: TokensConfig, world: World, heads: Heads) -> OnPolicy:
    """Heads and optimizers; ValueError where replay does not suit the model's window.

    Every update learns from B dreams, which begin with the last K frames of the sequences of a
    batch. The transformer learns from the same sequences.
    """
    replay, window = config.replay, agent.dynamics.frames
    if replay.length < window:
        raise ValueError(
            f"replay.length={replay.length}: dreams begin with dynamics.frames={window} frames"
        )
    steps = replay.batch * agent.imagination.horizon
    if steps % agent.ppo.minibatches:
        raise ValueError(
            f"ppo.minibatches={agent.ppo.minibatches}: the {steps} dreamt steps of an update are "
            "not divisible by it"
        )
    if not replay.latents:
        raise ValueError("replay.latents=false: replay must keep the tokens of its frames")
    learns = agent.policy.learns == TRANSFORMER
    if config.reward.logdir and not learns:
        raise ValueError(
            f"reward.logdir={config.reward.logdir}: rewards of dreams are those that the "
            f"transformer has learned, so train.learn=imagination needs policy.learns={TRANSFORMER}"
        )
    if agent.ppo.return_filter < 1 or agent.ppo.reward_every > 1:
        raise ValueError(
            "ppo.return_filter and ppo.reward_every are for rollouts of the environment, not for "
            "train.learn=imagination"
        )
    updates = max(1, config.train.steps * config.train.ratio // (replay.batch * replay.length))
    chain = optax.chain(
        optax.clip_by_global_norm(agent.imagination.clip),
        optax.adam(agent.imagination.learning_rate),
    )
    extra = Extra(
        init=lambda params: chain.init(params["dynamics"]),
        update=partial(learn_dynamics, world, agent, chain),
    )
    return networks.assembled(
        world.interface,
        ppo=agent.ppo,
        adam=agent.optimizer,
        features=features.tokens_alone(world),
        heads=heads,
        updates=updates,
        extra=extra if learns else None,
    )


def update(
    world: World,
    agent: TokensConfig,
    ppo: OnPolicy,
    state: OnPolicyState,
    window: Window,
    key: jax.Array,
) -> tuple[OnPolicyState, Refresh, Metrics]:
    """The transformer learns from real sequences, then the policy from dreams that begin there.

    Args:
      world: tokenizer and transformer.
      agent: horizon and losses.
      ppo: heads and optimizers.
      state: consumed by the caller's donation; not changed here.
      window: [W, B, ...] as replay drew it.
      key: consumed.

    Returns: the new state; the latents [T, B, ...] of replay as they are; scalars to log.
    """
    dream_key, order_key, extra_key = jax.random.split(key, 3)
    metrics: Metrics = {}
    if ppo.extra is not None:
        params, optimizer, metrics = ppo.extra.update(
            state.params, state.optimizer["extra"], state.moments, window, extra_key
        )
        state = state.replace(params=params, optimizer=state.optimizer | {"extra": optimizer})
    dreamt = dream(world, agent, ppo, state, clips_of(world, state.params, window), dream_key)
    found = experience(ppo, state, dreamt)
    state = learning.rescaled(ppo, state, found)
    features = dreamt.rollout.features[:-1]
    whole = Minibatch(experience=found, seen=None, start=None, features=features)
    state, learned = learning.in_epochs(ppo, state, whole, order_key)
    metrics |= learned | dream_metrics(dreamt, found)
    state = state.replace(updates=state.updates + 1)
    kept = jax.tree.map(lambda x: x[1:], window.latents)
    return state, Refresh(latents=kept, loss=jnp.zeros_like(window.steps.reward[1:])), metrics


def clips_of(world: World, params: Params, window: Window) -> TokenClips:
    """The frames of a window [W, B, ...] in tokens, batch first.

    They are those that replay has kept, unless some sequences are from recordings: of these it has
    none.
    """
    steps = window.steps
    images, tokens = steps.obs[world.image], window.latents.memory.astype(jnp.int32)
    if window.row.size < steps.reward.shape[1]:
        tokens = world.tokenizer.encode(params["tokenizer"], images)
    found = TokenClips(
        images=images,
        frames=Frames(
            tokens=tokens,
            action=spaces.flatten(steps.action, world.interface.act),
            known=jnp.ones_like(steps.is_first),
            is_first=steps.is_first,
        ),
        reward=steps.reward,
        continue_=1.0 - steps.is_terminal.astype(jnp.float32),
    )
    return sg(jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found))


def learn_dynamics(
    world: World,
    agent: TokensConfig,
    chain: optax.GradientTransformation,
    params: Params,
    memory: Any,
    moments: Any,
    window: Window,
    key: jax.Array,
) -> tuple[Params, Any, Metrics]:
    """One step of the optimizer on the losses of the stage `dynamics`; see `Extra.update`."""
    del moments, key
    given = clips_of(world, params, window).windows(agent.dynamics.frames + 1)
    scales = Losses(reward=agent.imagination.reward, continue_=agent.imagination.continue_)
    learned, memory, metrics = stage.descend(
        params["dynamics"], memory, given, model=world.dynamics, chain=chain, losses=scales
    )
    return params | {"dynamics": learned}, memory, metrics


def dream(
    world: World,
    agent: TokensConfig,
    ppo: OnPolicy,
    state: OnPolicyState,
    clips: TokenClips,
    key: jax.Array,
) -> Dreamt:
    """H steps of the policy inside of the model, from the last K frames of each sequence.

    The model expects rewards before it draws a frame, so they are means. Episodes do not end in a
    dream; `continue_` and the weight say how likely they would have.
    """
    horizon, params = agent.imagination.horizon, state.params
    action_key, token_key = jax.random.split(key)
    window = agent.dynamics.frames
    start: Any = jax.tree.map(lambda x: x[:, -window:], clips.frames)
    batch = len(clips.reward)

    def act(summary: jax.Array, noise: jax.Array) -> tuple[Chosen, jax.Array]:
        policy = ppo.policy(params, summary)
        action = sample(policy, noise)
        encoded = spaces.flatten(action, world.interface.act)
        return Chosen(action, log_prob(policy, action)), encoded

    noise = (horizon, batch, action_width(world.interface.act))
    found = token_dreams.imagine(
        world.dynamics,
        params["dynamics"],
        start=start,
        act=act,
        action_noise=jax.random.uniform(action_key, noise),
        uniform=jax.random.uniform(token_key, (horizon, batch, world.tokenizer.tokens)),
    )
    goes_on = jnp.concatenate([clips.continue_[:, -1][None], found.frames.continue_])
    reward = jnp.concatenate([clips.reward[:, -1][None], found.frames.reward])
    rollout = Rollout(
        features=found.summary,
        action=found.action.action,
        reward=reward,
        continue_=ppo.config.discount * goes_on,
    )
    weight = jnp.cumprod(goes_on, axis=0)[:-1]
    return sg(Dreamt(rollout=rollout, log_prob=found.action.log_prob, weight=weight))


def experience(ppo: OnPolicy, state: OnPolicyState, dreamt: Dreamt) -> Experience:
    """What policy and critic learn from a dream, with the values of the critic as it is."""
    rollout, config = dreamt.rollout, ppo.config
    value = state.return_scale.denormalize(ppo.value(state.params, rollout.features))
    rollout = rollout.replace(reward=rollout.reward - config.time_penalty)
    return imagined(
        rollout,
        log_prob=dreamt.log_prob,
        value=value,
        returns=imagined_returns(rollout, value, lambda_=config.lambda_),
        weight=dreamt.weight,
    )


def dream_metrics(dreamt: Dreamt, found: Experience) -> Metrics:
    """What the dreams of an update were like."""
    return {
        "actor_critic/reward": dreamt.rollout.reward[1:].mean(),
        "actor_critic/return": found.returns.mean(),
        "actor_critic/value": found.value.mean(),
        "actor_critic/advantage_std": found.advantage.std(),
        "actor_critic/weight": dreamt.weight.mean(),
    }
