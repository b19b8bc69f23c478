"""DreamerV3 (Hafner et al., Nature 2025): a world model, and a policy that learns in its dreams."""

from functools import partial
from typing import cast

import jax
import optax

from dreamer_jax.agents.dreamer import world_model_first
from dreamer_jax.agents.dreamer.accumulation import accumulated
from dreamer_jax.agents.dreamer.acting import act_step, actor_of, initial_carry
from dreamer_jax.agents.dreamer.batches import Batch, prepare, scaled
from dreamer_jax.agents.dreamer.config import DreamerConfig, factors
from dreamer_jax.agents.dreamer.losses import metric_of, weighted_sum
from dreamer_jax.agents.dreamer.model import model_of
from dreamer_jax.agents.dreamer.networks import Dreamer, MakeNetworks, init, networks
from dreamer_jax.agents.dreamer.noise import Noise, for_batch
from dreamer_jax.agents.dreamer.reports import report
from dreamer_jax.agents.dreamer.stages import STAGES, Outcome, Stage
from dreamer_jax.agents.dreamer.state import DreamerActor, DreamerCarry, DreamerState, Params
from dreamer_jax.config import Config
from dreamer_jax.nn import optim
from dreamer_jax.nn.heads import mode
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Agent, Learner, Metrics, Player, Refresh, Window


def make(
    config: Config, interface: Interface, *, make_networks: MakeNetworks = networks
) -> Agent[DreamerState, DreamerActor, DreamerCarry]:
    """Builds the agent for its observations and actions; ValueError where no network fits."""
    dreamer = build(config, interface, make_networks=make_networks)
    stage = STAGES[config.train.learn]
    # Jitted, each is traced once, however many programs it is a part of.
    learn = jax.jit(partial(update, dreamer, stage))
    act, actor = partial(act_step, dreamer, stage.explore), actor_of
    if after := config.train.behavior_after:
        alone = jax.jit(partial(update, dreamer, STAGES["world_model"]))
        learn = jax.jit(partial(world_model_first.update, after, alone, learn))
        act, actor = partial(world_model_first.act, dreamer, after), world_model_first.actor
    learner = Learner(
        init=jax.jit(partial(init, dreamer, stage.trained)),
        update=learn,
        report=jax.jit(partial(report, dreamer, config.train.diagnosis)),
    )
    player = Player(
        carry=partial(initial_carry, dreamer),
        actor=actor,
        act=jax.jit(act),
        greedy=jax.jit(partial(act_step, dreamer, mode)),
    )
    return Agent(learner=learner, player=player, model=model_of(dreamer))


def build(
    config: Config, interface: Interface, *, make_networks: MakeNetworks = networks
) -> Dreamer:
    """Networks and optimizer; ValueError where no network fits, or a loss names no observation."""
    assert isinstance(config.agent, DreamerConfig)
    agent, obs, act = config.agent.resolved(), interface.obs, interface.act
    if unknown := factors(agent.losses).keys() - obs.keys:
        raise ValueError(
            f"losses.keys={agent.losses.keys!r}: no observation {min(unknown)!r}; there are "
            f"{', '.join(sorted(obs.keys))}"
        )
    o = agent.optimizer
    optimizer = optim.laprop(
        learning_rate=o.learning_rate,
        warmup=o.warmup,
        clip=o.clip,
        clip_floor=o.clip_floor,
        rms_decay=o.rms_decay,
        momentum=o.momentum,
        epsilon=o.epsilon,
    )
    if config.train.behavior_after:
        optimizer = world_model_first.optimizer(optimizer)
    return Dreamer(
        config=agent,
        obs=obs,
        act=act,
        nets=make_networks(agent, obs=obs, act=act),
        optimizer=optimizer,
        keeps_latents=config.replay.latents,
        micro_batches=config.replay.micro_batches,
    )


def update(
    dreamer: Dreamer, stage: Stage, state: DreamerState, window: Window, key: jax.Array
) -> tuple[DreamerState, Refresh, Metrics]:
    """One step of gradient descent on the losses of a stage. (§ Methods)

    1. `prepare` cuts the context step off the window. Its latent and action are where the RSSM
       starts.
    2. The running scale of vectors follows the batch before the batch is scaled, so that the very
       first observations are scaled as well.
    3. One backward pass gives the gradients of all networks in `stage.trained`, or one for each
       part of the batch (`accumulation.py`). Gradients of the policy do not reach the world model,
       those of the critic on real steps do.
    4. LaProp clips and applies them.
    5. The slow critic follows the critic as it is after this step.

    Args:
      state: consumed by the caller's donation; not changed here.
      window: [W, B, ...] as replay drew it.
      key: consumed.

    Returns:
      The new state; the latents [T, B, ...] and world model losses [T, B] of the window under the
      parameters before this update, for replay; scalars to log.
    """
    batch, config = prepare(dreamer, window), dreamer.config
    noise = for_batch(dreamer, key, shape=batch.step.reward.shape)
    horizon = config.model.moments_horizon
    scale = stage.rescale(state.moments, batch.step.obs, horizon=horizon)
    state = state.replace(moments=scale)
    trained = {name: state.params[name] for name in stage.trained}
    differentiate = jax.value_and_grad(partial(loss, dreamer, stage), has_aux=True)
    if dreamer.micro_batches > 1:
        differentiate = accumulated(dreamer, stage, differentiate)
    (_, outcome), gradients = differentiate(trained, state, batch, noise)
    changes, optimizer = dreamer.optimizer.update(gradients, state.optimizer, trained)
    params = state.params | cast(Params, optax.apply_updates(trained, changes))
    metrics = {
        **outcome.metrics,
        "optimizer/gradient_norm": optax.tree.norm(gradients),
        "optimizer/update_norm": optax.tree.norm(changes),
    }
    state = state.replace(
        params=params,
        slow_value=optax.incremental_update(
            params["value"], state.slow_value, config.behavior.slow_rate
        ),
        optimizer=optimizer,
        return_range=outcome.return_range,
        updates=state.updates + 1,
    )
    return state, outcome.fresh, metrics


def loss(
    dreamer: Dreamer,
    stage: Stage,
    trained: Params,
    state: DreamerState,
    batch: Batch,
    noise: Noise,
) -> tuple[jax.Array, Outcome]:
    """L = Σ_i scale_i · mean over [T, B] of L_i, over the losses of a stage. (§ Methods)

    Args:
      trained: parameters to differentiate with respect to; those of all other networks are
        `state.params`.
      state: its parameters, slow critic, return range and scale of vectors; constants here.
      batch: [T, B, ...], its vectors not scaled yet.
      noise: [T, B, ...] that the latents of the batch and the dreams are drawn with.

    Returns:
      The sum [], and what the stage's losses returned, with a metric for each loss.
    """
    params = {**state.params, **trained}
    batch = scaled(dreamer, state.moments, batch)
    outcome = stage.losses(dreamer, params, state, batch, noise)
    total = weighted_sum(dreamer, outcome.losses, shape=batch.step.reward.shape)
    metrics = {metric_of(name): value.mean() for name, value in outcome.losses.items()}
    return total, outcome._replace(metrics=outcome.metrics | metrics | {"optimizer/loss": total})
