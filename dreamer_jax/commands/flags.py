"""The flags of the command line."""

import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

from absl import flags as absl_flags

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.agents.dreamer.config import SIZES
from dreamer_jax.commands.hints import unknown_flag
from dreamer_jax.outputs.trackers import DEFAULT, NAMES
from dreamer_jax.pretraining.by_name import STAGES

EPISODES = 100  # of an evaluation, unless --episodes is given
# A flag without a value -> the same with one.
WITHOUT_VALUE = {"-h": "--help", "--video": "--video=true", "--gif": "--gif=true"}
RECORDED = 20  # episodes of a recording
POLICIES = ("random", "sampled", "greedy")
DREAM_EPISODES, HORIZON, CONTEXT = 4, 50, 10  # of --mode=dream
MOST_EPISODES = 1_000_000  # so that their steps can be counted


class WholeNumber(absl_flags.IntegerParser):
    """Reads numbers as --set does: 1000000, 1_000_000 or 1e6."""

    def convert(self, argument: int | str) -> int:
        """The number; ValueError where there is none."""
        try:
            number = float(argument) if "e" in str(argument).lower() else int(argument)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number != int(number):
            raise ValueError(f"expected a whole number, such as 1000000 or 1e6, got {argument!r}")
        return int(number)


class Flags(NamedTuple):
    """The flags of a command line; None for one that is not given."""

    env: str | None
    config: str | None
    agent: str | None
    size: str | None
    set: list[str]
    mode: str
    stage: str | None
    data: str | None
    logdir: str | None
    seed: int | None
    steps: int | None
    mesh: str | None
    episodes: int | None
    checkpoint: str | None
    video: str | None
    gif: str | None
    horizon: int | None
    context: int | None
    deterministic: bool | None
    override: bool
    init_from: str | None
    trackers: str | None
    dry_run: bool
    out: str | None
    policy: str | None
    onnxruntime: str | None
    port: int | None
    help: bool


def parse(argv: Sequence[str], modes: Collection[str]) -> Flags:
    """The flags of a command line, the first word of which is the name of the program.

    Raises:
      absl_flags.Error: the value of a flag is out of range.
      ValueError: a flag is unknown, or an argument is no flag.
    """
    values = defined(modes)
    argv = [WITHOUT_VALUE.get(text, text) for text in argv]
    try:
        unknown = values(argv)[1:]
    except absl_flags.UnrecognizedFlagError as error:
        raise ValueError(unknown_flag(error.flagname, argv, Flags._fields)) from None
    if unknown:
        raise ValueError(f"unexpected argument {unknown[0]!r}; flags look like --env=cartpole")
    return Flags(**values.flag_values_dict())


def usage(modes: Collection[str]) -> str:
    """Every flag and its purpose."""
    return defined(modes).get_help(include_special_flags=False)


def defined(modes: Collection[str]) -> absl_flags.FlagValues:
    """The flags of the command line, separate from absl's global flags, which are the host's."""
    values = absl_flags.FlagValues()
    text = partial(absl_flags.DEFINE_string, default=None, flag_values=values)
    switch = partial(absl_flags.DEFINE_bool, default=False, flag_values=values)

    def number(name: str, *, help: str, **bounds: int) -> None:
        absl_flags.DEFINE(WholeNumber(**bounds), name, None, help, flag_values=values)

    names = "cartpole, cartpole_pixels, gym:<id>, atari_<rom>, mario_<world>_<stage>, mario"
    text("env", help=f"Environment: {names}, pokemon_red, gameboy_demo.")
    text("config", help="Preset; --config=help lists them. Default: the environment's own.")
    agents = f"Agent: {', '.join(AGENTS)}. Default: the one that the preset is for."
    absl_flags.DEFINE_enum("agent", None, AGENTS, agents, flag_values=values)
    sizes = f"{', '.join(SIZES)}, or a depth number"
    text("size", help=f"Model size: {sizes}. Default: auto, the preset's or what a machine can do.")
    assignment = "Override a value: path=value, e.g. model.units=128"
    absl_flags.DEFINE_multi_string("set", [], assignment, flag_values=values)
    absl_flags.DEFINE_enum("mode", "train", modes, "What to do.", flag_values=values)
    stages = "With --mode=fit: what is learned from recordings."
    absl_flags.DEFINE_enum("stage", None, STAGES, stages, flag_values=values)
    text("data", help="With --mode=fit: folders of recordings, separated by commas.")
    text("logdir", help="Where the run lives; the same one again resumes it.")
    number("seed", help="Seed of everything; default 0.", lower_bound=0, upper_bound=2**31 - 1)
    number(
        "steps",
        help="Actions to take in all, for train.steps; with --mode=fit updates.",
        lower_bound=1,
    )
    text("mesh", help="Devices to split replay and batch over: data=N; default data=1.")
    many = f"Episodes to play; default {EPISODES} for eval, {DREAM_EPISODES} for dream,"
    many += f" {RECORDED} in all for record."
    number("episodes", help=many, lower_bound=1, upper_bound=MOST_EPISODES)
    text("checkpoint", help="A step, newest (the default) or best; with --mode=eval also all.")
    films = "With --mode=eval: films of the best, median and worst episode, in this folder"
    text("video", help=f"{films} or, without one, in that of the results.")
    gif = "With --mode=eval: file for a film of the first greedy episode; without one, the films"
    text("gif", help=f"{gif} of --video also as GIF.")
    ahead = f"Steps that --mode=dream looks ahead; default {HORIZON}."
    number("horizon", help=ahead, lower_bound=1, upper_bound=1_000)
    shown = f"Steps that films of --mode=dream show before they dream; default {CONTEXT}."
    number("context", help=shown, lower_bound=1, upper_bound=1_000)
    gpu = "Make a GPU repeat itself to the last bit; slower. A resume keeps it."
    absl_flags.DEFINE_bool("deterministic", None, gpu, flag_values=values)
    switch("override", help="Let --set, --size and --deterministic change a run.")
    text("init_from", help="Begin a new run with the weights of this logdir, or <logdir>@<step>.")
    known = f"Where metrics go: {','.join(NAMES)}; default {','.join(DEFAULT)}."
    text("trackers", help=known)
    switch("dry_run", help="Try everything out once, in a folder that is removed again.")
    written = "What to write: <logdir>/page by export, <logdir>/report.html by report, and"
    text("out", help=f"{written} the folder of a recording by record.")
    who = "With --mode=record: who plays; default: the agent of --logdir, sampled, or random."
    absl_flags.DEFINE_enum("policy", None, POLICIES, who, flag_values=values)
    text("onnxruntime", help="With --mode=export: folder of the files of onnxruntime-web.")
    port = "With --mode=play: port of the page; default: a free one."
    number("port", help=port, lower_bound=1, upper_bound=65535)
    switch("help", help="Show these flags.")
    return values
