"""Every hyperparameter that can be set, with its unit and meaning.

Defaults are those of DreamerV3 (2024 version), but for the size of model and replay. Presets in
`configs/` replace what a task needs.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

SIZES = {
    "nano": 2,
    "1m": 4,
    "12m": 16,
    "25m": 24,
    "50m": 32,
    "100m": 48,
    "200m": 64,
    "400m": 96,
}
SAMPLERS = ("uniform", "online", "newest", "prioritized")


@dataclass(frozen=True)
class Model:
    """Widths. Those left at 0 follow from `depth`."""

    depth: int = 16  # the size of the model in one number: 4 is 1m, 16 is 12m, 64 is 200m
    deter: int = 0  # recurrent state; 128 * depth
    hidden: int = 0  # layers inside the recurrent model; 16 * depth
    classes: int = 0  # classes of each categorical latent; depth
    units: int = 0  # layers of all other networks; 16 * depth
    stoch: int = 32  # number of categorical latents
    blocks: int = 8  # blocks of the recurrence, must divide deter
    dynamics_layers: int = 1
    prior_layers: int = 2
    posterior_layers: int = 1
    encoder_layers: int = 3  # of the encoder of vectors
    decoder_layers: int = 3  # of the decoder of vectors
    reward_layers: int = 1
    continue_layers: int = 1
    policy_layers: int = 3
    value_layers: int = 3
    bins: int = 255  # of the two-hot distributions; odd
    text_width: int = 0  # tokens of the networks that read and write text; 8 * depth
    text_layers: int = 2  # of the transformer that reads text
    text_heads: int = 4  # of its attention
    text_patch: int = 4  # symbols that are joined into one token
    unimix: float = 0.01  # share of a uniform distribution in latents and policy
    vectors: str = "symlog"  # how vector observations are scaled: symlog or standardize
    moments_horizon: float = 1e6  # steps over which `standardize` averages
    dtype: str = "auto"  # compute in float32 or bfloat16; auto: float32 on CPU, bfloat16 elsewhere


@dataclass(frozen=True)
class Losses:
    """Scales of the losses; `free_nats` is a floor in nats, not a scale."""

    image: float = 1.0  # reconstruction of each image
    vector: float = 1.0  # reconstruction of each vector
    choice: float = 1.0  # reconstruction of each discrete observation
    bits: float = 1.0  # reconstruction of each list of bits
    text: float = 1.0  # reconstruction of each text
    keys: str = ""  # factors for single observations beside this, such as "screen=0.5 text=2"
    reward: float = 1.0
    continue_: float = 1.0
    dynamics: float = 1.0  # pulls the prior towards the posterior
    representation: float = 0.1  # pulls the posterior towards the prior
    policy: float = 1.0
    value: float = 1.0
    replay_value: float = 0.3
    free_nats: float = 1.0  # both KL losses are constant below this, for every step


@dataclass(frozen=True)
class Behavior:
    """Learning to act, in imagination."""

    imagination: int = 15  # steps of each rollout
    horizon: float = 333.0  # effective horizon in steps; discount = 1 - 1 / horizon
    lambda_: float = 0.95  # of the λ-return
    entropy: float = 3e-4  # scale of the entropy bonus
    return_rate: float = 0.01  # of the running return percentiles, per update
    critics: int = 1  # learnt side by side
    ensemble: str = "mean"  # what several critics say together: mean or min
    slow_rate: float = 0.02  # of the slow critic, per update
    slow_regularizer: float = 1.0  # pull of the slow critic on the critic


@dataclass(frozen=True)
class Optimizer:
    """LaProp with adaptive gradient clipping."""

    learning_rate: float = 4e-5
    warmup: int = 1000  # updates of linear warm-up from 0
    clip: float = 0.3  # largest norm of a gradient, relative to its tensor's norm
    clip_floor: float = 1e-3  # tensors smaller than this count as this large
    rms_decay: float = 0.999
    momentum: float = 0.9
    epsilon: float = 1e-20


@dataclass(frozen=True)
class Replay:
    """The ring buffer and what is drawn from it."""

    capacity: int = 1_000_000  # steps in all
    batch: int = 16  # sequences
    length: int = 64  # steps of a sequence, without its context step
    latents: bool = True  # keep and refresh latents, so that sequences start warm
    sampler: str = "online"  # or uniform, newest, prioritized: which sequences are drawn
    priority_exponent: float = 0.6  # of the loss, for sampler=prioritized; 0: uniform
    memory: str = "device"  # or pinned_host: the ring in host memory
    seed_from: str = ""  # folder of a recording of play to draw from as well
    seed_share: float = 0.25  # of the sequences of each batch, drawn from the recording if any

    @property
    def recorded(self) -> int:
        """Sequences of a batch that are drawn from a recording."""
        return round(self.seed_share * self.batch) if self.seed_from else 0


@dataclass(frozen=True)
class Train:
    """The loop. A step is one action of one environment."""

    envs: int = 16  # environments stepped in parallel
    steps: int = 1_000_000  # steps in all
    ratio: int = 32  # train ratio: steps replayed for each step taken
    prefill: int = 1_088  # steps before the first update; about as many as a batch holds
    learn: str = "all"  # or world_model (on random actions), or behavior (world model frozen)
    world_model: str = ""  # for learn=behavior: logdir to restore the world model from
    log_every: int = 5_000  # steps between two lines of metrics
    report_every: int = 50_000  # steps between two pictures of what the model sees; 0: never
    eval_every: int = 0  # steps between two evaluations; 0: never
    eval_episodes: int = 20  # episodes of each evaluation
    save_every: int = 100_000  # steps between two checkpoints
    keep: int = 2  # newest checkpoints kept
    keep_every: int = 0  # steps between two checkpoints whose weights are kept for good; 0: none


@dataclass(frozen=True)
class Config:
    """Everything a run depends on. `env` holds the options of its environment family."""

    env: Any = None
    model: Model = field(default_factory=Model)
    losses: Losses = field(default_factory=Losses)
    behavior: Behavior = field(default_factory=Behavior)
    optimizer: Optimizer = field(default_factory=Optimizer)
    replay: Replay = field(default_factory=Replay)
    train: Train = field(default_factory=Train)


# Of all other numbers, those of the model must be at least 1 and the rest at least 0.
AT_LEAST_1 = {
    *(
        "behavior.imagination",
        "behavior.horizon",
        "behavior.critics",
        "replay.batch",
        "train.envs",
        "train.steps",
    ),
    *("train.log_every", "train.eval_episodes", "train.save_every", "train.keep"),
    "optimizer.warmup",
}
SHARES = {  # 0 to 1
    *("behavior.lambda_", "behavior.return_rate", "behavior.slow_rate", "replay.seed_share"),
}
BELOW_1 = {"optimizer.rms_decay", "optimizer.momentum", "model.unimix"}  # 0, or more, to below 1
POSITIVE = {"optimizer.clip", "optimizer.clip_floor"}


def sized(model: Model, depth: int) -> Model:
    """The model with this depth, and all widths as depth has them."""
    widths = dict.fromkeys(("deter", "hidden", "classes", "units", "text_width"), 0)
    return dataclasses.replace(model, depth=depth, **widths)


def resolve(config: Config) -> Config:
    """Fills in the widths that follow from `depth` and checks what no type can.

    ValueError in one line for numbers that contradict each other.
    """
    m = config.model
    model = dataclasses.replace(
        m,
        deter=m.deter or 128 * m.depth,
        hidden=m.hidden or 16 * m.depth,
        classes=m.classes or m.depth,
        units=m.units or 16 * m.depth,
        text_width=m.text_width or 8 * m.depth,
    )
    config = dataclasses.replace(config, model=model)
    for wrong, message in _out_of_range(config) + _contradictions(config):
        if wrong:
            raise ValueError(message)
    return config


def _contradictions(config: Config) -> list[tuple[bool, str]]:
    m, b, r, t = config.model, config.behavior, config.replay, config.train
    rows = r.capacity // max(1, t.envs)
    return [
        (
            m.deter % max(1, m.blocks) != 0,
            f"model.deter={m.deter}: not divisible by blocks={m.blocks}",
        ),
        (
            m.text_width % 2 != 0 or m.text_width % m.text_heads != 0,
            f"model.text_width={m.text_width}: must be even and divisible by "
            f"text_heads={m.text_heads}",
        ),
        (not 2 <= m.classes <= 256, f"model.classes={m.classes}: must be 2 to 256"),
        (
            m.bins % 2 == 0 or m.bins < 3,
            f"model.bins={m.bins}: must be odd, so that one bin is 0, and at least 3",
        ),
        (
            m.dtype not in ("auto", "float32", "bfloat16"),
            f"model.dtype={m.dtype}: must be auto, float32 or bfloat16",
        ),
        (
            m.vectors not in ("symlog", "standardize"),
            f"model.vectors={m.vectors}: must be symlog or standardize",
        ),
        (
            b.ensemble not in ("mean", "min"),
            f"behavior.ensemble={b.ensemble}: must be mean or min",
        ),
        (
            r.sampler not in SAMPLERS,
            f"replay.sampler={r.sampler}: must be {', '.join(SAMPLERS[:-1])} or {SAMPLERS[-1]}",
        ),
        (
            r.memory not in ("device", "pinned_host"),
            f"replay.memory={r.memory}: must be device or pinned_host",
        ),
        (
            t.learn not in ("all", "world_model", "behavior"),
            f"train.learn={t.learn}: must be all, world_model or behavior",
        ),
        (
            (t.learn == "behavior") != bool(t.world_model),
            f"train.learn={t.learn} with train.world_model={t.world_model!r}: the logdir of "
            "another run is needed for behavior, and only there",
        ),
        (r.length < 2, f"replay.length={r.length}: must be at least 2"),
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
    ]


def _out_of_range(config: Config) -> list[tuple[bool, str]]:
    found = []
    for section, fields in to_dict(dataclasses.replace(config, env=None)).items():
        for name, value in (fields or {}).items():
            path = f"{section}.{name}"
            if isinstance(value, str):
                continue
            low = 1 if path in AT_LEAST_1 or (section == "model" and name != "unimix") else 0
            right, limit = value >= low, f"at least {low}"
            if path in SHARES:
                right, limit = 0 <= value <= 1, "0 to 1"
            elif path in BELOW_1:
                right, limit = 0 <= value < 1, "at least 0 and below 1"
            elif path in POSITIVE:
                right, limit = value > 0, "above 0"
            found.append((not right, f"{path}={value}: must be {limit}"))
    return found


def factors(losses: Losses) -> dict[str, float]:
    """Reads `losses.keys`: observation -> factor; ValueError in one line for another format."""
    found = {}
    for part in losses.keys.split():
        key, _, number = part.rpartition("=")
        try:
            found[key] = float(number)
        except ValueError:
            found[key] = math.nan
        if not key or not 0 <= found[key] < math.inf:
            text = "expected observation=factor, each at least 0, with spaces between them"
            raise ValueError(f"losses.keys={losses.keys!r}: {text}")
    return found


def to_dict(config: Config) -> dict[str, Any]:
    """Plain nested dictionary, for `config.json`."""
    return dataclasses.asdict(config)
