"""Tries a run out: everything is compiled and done once, in a folder that is removed again."""

import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import jax

from dreamer_jax.commands import training_recordings
from dreamer_jax.commands.evaluation_players import EVAL_ENVS
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.options import Setup, decide
from dreamer_jax.commands.prepared import fitted, prepare
from dreamer_jax.commands.sizing import bytes_in_words
from dreamer_jax.commands.train import training
from dreamer_jax.config import Config
from dreamer_jax.loops.train import prefill
from dreamer_jax.outputs import trackers
from dreamer_jax.outputs.stopwatch import EVALUATION, LEARNING, REPORT, Stopwatch
from dreamer_jax.run import checkpoint, manifest

UPDATES = 3  # before the checkpoint, and again after it
COMPILING, SAVING, RESUMING = "compiling", "saving", "resuming"


def dry_run(flags: Flags) -> Callable[[], None]:
    """Checks for every mistake as `training` does, and returns the rest of the trial.

    The trial is a run of its own with the same configuration, as short as it can be, that stops at
    a checkpoint and resumes from it. Of a run that exists, it has the config.json alone.

    Raises:
      ValueError, OSError, Fault: as `training`; what does not fit is found as well.
    """
    setup = decide(flags)
    trackers.chosen(flags.trackers, setup.logdir)
    with ExitStack() as opened:
        prepared = prepare(setup, opened)
        recording = training_recordings.find(setup)
        fitted(prepared._replace(run=training_recordings.announce(prepared.run, recording)))
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="dreamer_jax-dry-run-"))
        logdir = Path(folder) / (setup.logdir.name or "run")
        if manifest.exists(setup.logdir):
            logdir.mkdir()
            shutil.copy(setup.logdir / manifest.NAME, logdir)
        first, second = (shortened(flags, setup.config, logdir, part=part) for part in (1, 2))
        watch = Stopwatch()
        begin = training(first, more_sinks=(watch,))
        watch.lap(COMPILING)
        kept = opened.pop_all()

    def task() -> None:
        with kept:
            begin()
            watch.lap(SAVING)
            if (checkpoint.latest(logdir / "checkpoints") or 0) < (first.steps or 0):
                print(f"stopped; {setup.logdir} is untouched", file=sys.stderr)
                return
            training(second)()
            watch.lap(RESUMING)
            print(summary(setup, watch.seconds(), steps=first.steps or 0))

    return task


def shortened(flags: Flags, config: Config, logdir: Path, *, part: int) -> Flags:
    """The flags of the trial.

    Args:
      flags: of the run that is tried out.
      config: of that run.
      logdir: of the trial.
      part: 1, until the checkpoint, or 2, after it.
    """
    train, replay = config.train, config.replay
    more = -(-UPDATES * replay.batch * replay.length // train.ratio) if train.ratio else 0
    turns = [-(-number // train.envs) for number in (prefill(config), max(more, train.envs))]
    first, steps = (train.envs * (turns[0] + part * turns[1]) for part in (1, part))
    intervals = {
        "log_every": first,
        "log_seconds": 0,
        "report_every": first if train.report_every else 0,
        "report_seconds": 0,
        "eval_every": first if train.eval_every else 0,
        "eval_episodes": min(train.eval_episodes, train.eval_envs or EVAL_ENVS),
        "save_every": max(train.save_every, steps),
    }
    changed = [f"train.{name}={value}" for name, value in intervals.items()]
    return flags._replace(
        logdir=str(logdir), set=[*flags.set, *changed], steps=steps, trackers=trackers.RECORD
    )


def summary(setup: Setup, seconds: dict[str, float], *, steps: int) -> str:
    """What was done, in how many seconds and how much memory."""
    train = setup.config.train
    players = min(train.eval_episodes, train.eval_envs or EVAL_ENVS)
    done = {
        COMPILING: "environments made, programs compiled",
        LEARNING: f"{steps:,} steps, and {UPDATES if train.ratio else 0} updates after the prefill",
        REPORT: "a report, its program compiled",
        EVALUATION: f"an evaluation of {players} episodes, its program compiled",
        SAVING: "a checkpoint",
        RESUMING: "resumed from it, compiled again, and as many updates",
    }
    lines = [f"{seconds[work]:8.1f} s  {text}" for work, text in done.items() if work in seconds]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    memory = [f"{bytes_in_words(most)} of the host"]
    for device in jax.local_devices():
        peak = (device.memory_stats() or {}).get("peak_bytes_in_use")
        if peak is not None:
            memory.append(f"{bytes_in_words(peak)} of {device.device_kind} {device.id}")
    lines.append(f"most memory in use: {', '.join(memory)}")
    text = "is untouched; only compiled programs are kept, for the run itself"
    return "\n".join([f"dry run of {setup.env}", *lines, f"{setup.logdir} {text}"])
