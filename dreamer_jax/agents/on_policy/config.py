"""How a policy learns by PPO, and what the other sections must be for that."""

from dataclasses import dataclass
from typing import Annotated

from dreamer_jax.config import Config
from dreamer_jax.limits import Decay, Horizon, Positive, Scale, Share, Size, one_of


@dataclass(frozen=True)
class PPO:
    """Learning from a rollout: the newest `replay.length` steps of every environment."""

    epochs: Positive = 10  # passes over a rollout
    minibatches: Positive = 4  # of a pass; of steps, or of environments if features have a memory
    discount: Decay = 0.99  # of a step
    lambda_: Share = 0.95  # of the λ-return
    clip: Size = 0.2  # largest change of an action's probability, relative
    clip_decay: bool = False  # whether `clip` falls linearly to 0 until train.steps
    value_clip: Scale = 0.0  # largest change of a value, in deviations of returns; 0: any
    value_scale: Scale = 0.5  # of the critic's loss
    entropy: Scale = 0.0  # scale of the entropy bonus
    normalize_returns: bool = True  # the critic predicts in deviations of the returns
    return_horizon: Horizon = 1e5  # steps over which their mean and deviation are averaged
    return_filter: Share = 1.0  # share of the trajectories, the best ones, that the policy imitates
    time_penalty: Scale = 0.0  # taken from the reward of each step
    reward_every: Positive = 1  # steps of a rollout between two payments of the reward


@dataclass(frozen=True)
class Adam:
    """Adam with clipping by the global norm."""

    learning_rate: Scale = 3e-4
    decay: Annotated[str, one_of("none", "linear")] = "none"  # linear: to 0 until train.steps
    clip: Size = 0.5  # largest norm of all gradients together
    epsilon: Scale = 1e-5


def rollouts(config: Config) -> int:
    """How many updates a run makes until `train.steps`; at least 1."""
    return max(1, config.train.steps // (config.train.envs * config.replay.length))


def require_on_policy(config: Config, ppo: PPO, *, sequential: bool) -> None:
    """ValueError in one line where replay or loop would not give PPO one rollout after another.

    Args:
      config: of the run.
      ppo: of its agent.
      sequential: whether minibatches are of whole sequences.
    """
    for wrong, message in _contradictions(config, ppo, sequential=sequential):
        if wrong:
            raise ValueError(message)


def _contradictions(config: Config, ppo: PPO, *, sequential: bool) -> list[tuple[bool, str]]:
    r, t = config.replay, config.train
    first = t.envs * (r.length + 1)
    entries, of = (t.envs, "environments") if sequential else (t.envs * r.length, "steps")
    needs = (
        "this agent learns from what its policy has just done: it needs replay.sampler=newest, "
        "replay.batch=train.envs, train.ratio=1 and replay.latents=true, as its own presets have"
    )
    return [
        (r.sampler != "newest", f"replay.sampler={r.sampler}: {needs}"),
        (r.batch != t.envs, f"replay.batch={r.batch} with train.envs={t.envs}: {needs}"),
        (t.ratio != 1, f"train.ratio={t.ratio}: {needs}"),
        (not r.latents, f"replay.latents=false: {needs}"),
        (
            bool(r.seed_from),
            f"replay.seed_from={r.seed_from}: this agent cannot learn from what others have done",
        ),
        (
            t.prefill > first,
            f"train.prefill={t.prefill}: this agent would never learn from the steps before it; "
            f"the first rollout is complete after {first}",
        ),
        (
            r.length % ppo.reward_every != 0,
            f"replay.length={r.length} is not divisible by ppo.reward_every={ppo.reward_every}",
        ),
        (
            entries % ppo.minibatches != 0,
            f"ppo.minibatches={ppo.minibatches}: the {entries} {of} of a rollout are not divisible "
            "by it",
        ),
    ]
