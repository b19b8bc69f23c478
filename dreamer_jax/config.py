"""The settings of every run, with units and meaning: replay, loop, and the agent's sections.

Presets in `configs/` replace what a task needs.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Protocol, Self

from dreamer_jax import limits
from dreamer_jax.limits import Count, Positive, Scale, Share, one_of

LONGEST = 2**31 - 1  # steps of a row of the ring, and updates; both are counted in int32


@dataclass(frozen=True)
class Replay:
    """The ring buffer, and the sequences drawn from it."""

    capacity: Count = 1_000_000  # steps over all environments
    batch: Positive = 16  # sequences
    micro_batches: Positive = 1  # equal parts of a batch, learned one after the other
    length: Count = 64  # steps of a sequence, without its context step
    latents: bool = True  # keep and refresh latents, so that sequences start warm
    sampler: Annotated[str, one_of("uniform", "online", "newest", "prioritized")] = "online"
    priority_exponent: Scale = 0.6  # of the loss, for sampler=prioritized; 0: uniform
    memory: Annotated[str, one_of("device", "pinned_host")] = "device"  # where the ring lies
    seed_from: str = ""  # folder of a recording of play to draw from as well
    seed_share: Share = 0.25  # of the sequences of each batch, drawn from the recording if any

    @property
    def recorded(self) -> int:
        """Sequences of a batch that are drawn from a recording."""
        return round(self.seed_share * self.batch) if self.seed_from else 0


@dataclass(frozen=True)
class Train:
    """The loop. A step is one action of one environment."""

    envs: Positive = 16  # environments stepped in parallel
    steps: Positive = 1_000_000  # steps over all environments
    ratio: Count = 32  # train ratio: steps replayed for each step taken
    prefill: Count = 1_088  # steps before the first update; about as many as a batch holds
    learn: str = "all"  # what the run trains: one of the agent's stages
    behavior_after: Count = 0  # updates of the world model alone before actor and critic learn
    world_model: str = ""  # logdir to take the world model from, for stages that inherit one
    log_every: Positive = 5_000  # steps between two lines of metrics
    log_seconds: Count = 30  # without a line of metrics until the next one; 0: by steps alone
    report_every: Count = 50_000  # steps between two pictures of what the model sees; 0: never
    report_seconds: Count = 180  # without a picture until the next one; 0: by steps alone
    diagnosis: bool = True  # measure with each picture what the agent believes, and warn
    eval_every: Count = 0  # steps between two evaluations; 0: never
    eval_episodes: Positive = 20  # episodes of each evaluation
    keep_best: bool = False  # keep the checkpoint of the best evaluation, whatever its age
    eval_envs: Count = 0  # environments that play them; 0: one for each episode, at most 16
    save_every: Positive = 100_000  # steps between two checkpoints
    keep: Positive = 2  # newest checkpoints kept
    keep_every: Count = 0  # steps between two checkpoints whose weights are never removed; 0: none


@dataclass(frozen=True)
class LearnedReward:
    """Rewards that were learned from recordings, in the place of the environment's."""

    logdir: str = ""  # of a run of --mode=fit --stage=reward; empty: the environment's alone
    scale: Scale = 1.0  # of the learned rewards
    true: Scale = 0.0  # of the environment's, which are added


class AgentConfig(Protocol):
    """The hyperparameters of one kind of agent: a frozen dataclass of sections."""

    STAGES: ClassVar[tuple[str, ...]]  # what `train.learn` may be
    INHERITING: ClassVar[tuple[str, ...]]  # stages that need the world model of another run
    SPLITS_BATCHES: ClassVar[bool]  # whether updates follow `replay.micro_batches`

    def sized(self, size: str) -> Self:
        """The same with the widths of `size`, one of --size; ValueError where there is none."""
        ...

    def resolved(self) -> Self:
        """The same with every width filled in; ValueError in one line for a contradiction."""
        ...


@dataclass(frozen=True)
class Config:
    """Everything a run depends on.

    The sections of `agent` are named without it on the command line: `model.units`.
    """

    env: Any = None  # the options of its environment family
    agent: AgentConfig = field(kw_only=True, metadata={"inline": True})
    replay: Replay = field(default_factory=Replay)
    train: Train = field(default_factory=Train)
    reward: LearnedReward = field(default_factory=LearnedReward)


def resolve(config: Config) -> Config:
    """Fills in the agent's widths, and checks what no type can.

    Raises:
      ValueError: a number is out of range, or two contradict each other; in one line.
    """
    config = dataclasses.replace(config, agent=config.agent.resolved())
    limits.check({"replay": config.replay, "train": config.train, "reward": config.reward})
    for wrong, message in _contradictions(config):
        if wrong:
            raise ValueError(message)
    return config


def _contradictions(config: Config) -> list[tuple[bool, str]]:
    r, t, inheriting = config.replay, config.train, config.agent.INHERITING
    stages, taken = one_of(*config.agent.STAGES), sections_with_a_name_of(config)
    rows = r.capacity // t.envs
    turns, updates = -(-t.steps // t.envs), t.steps * t.ratio // (r.batch * r.length or 1)
    return [
        (bool(taken), f"{', '.join(taken)}: a section of the agent has the name of another one"),
        (not stages.holds(t.learn), f"train.learn={t.learn}: must be {stages.text}"),
        (
            (t.learn in inheriting) != bool(t.world_model),
            f"train.learn={t.learn} with train.world_model={t.world_model!r}: the logdir of "
            f"another run is needed for {' and '.join(inheriting) or 'no stage'}, and only there",
        ),
        (
            t.behavior_after > 0 and t.learn != "all",
            f"train.behavior_after={t.behavior_after}: for train.learn=all, not {t.learn}",
        ),
        (
            t.behavior_after > 0 and "world_model" not in config.agent.STAGES,
            f"train.behavior_after={t.behavior_after}: this agent has no world model to train "
            "alone",
        ),
        (
            t.keep_best and not t.eval_every,
            "train.keep_best=true: nothing is evaluated with train.eval_every=0",
        ),
        (r.length < 2, f"replay.length={r.length}: must be at least 2"),
        (
            r.micro_batches > 1 and not config.agent.SPLITS_BATCHES,
            f"replay.micro_batches={r.micro_batches}: this agent learns from whole batches; "
            "a smaller replay.batch needs less memory",
        ),
        (
            r.batch % r.micro_batches != 0,
            f"replay.batch={r.batch} is not divisible by replay.micro_batches={r.micro_batches}",
        ),
        (
            bool(r.seed_from) and not r.recorded,
            f"replay.seed_share={r.seed_share}: no sequence of replay.batch={r.batch} would be "
            f"drawn from replay.seed_from={r.seed_from}",
        ),
        (
            rows < r.length + 1,
            f"replay.capacity={r.capacity}: {rows} steps for each of {t.envs} environments, "
            f"but a sequence needs {r.length + 1}",
        ),
        (
            turns > LONGEST,
            f"train.steps={t.steps}: {turns} steps of each of {t.envs} environments, and no more "
            f"than {LONGEST} can be counted; take fewer steps or more train.envs",
        ),
        (
            updates > LONGEST,
            f"train.ratio={t.ratio}: {updates} updates in train.steps={t.steps}, and no more than "
            f"{LONGEST} can be counted",
        ),
    ]


def sections_with_a_name_of(config: Config) -> list[str]:
    """Sections of the agent that --set could not tell from those of `config`."""
    ours = {field.name for field in dataclasses.fields(config)}
    return sorted(ours & limits.sections(config.agent).keys())


def to_dict(config: Config) -> dict[str, Any]:
    """Plain nested dictionary, for `config.json`."""
    return dataclasses.asdict(config)
