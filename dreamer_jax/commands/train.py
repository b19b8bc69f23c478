"""Trains: starts a run in a logdir, or resumes the one that is there."""

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import envs
from dreamer_jax import config as config_
from dreamer_jax.commands import native_forms, options, training_recordings
from dreamer_jax.commands.changes import naming_what_does_not_fit
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.options import Setup, decide
from dreamer_jax.commands.prepared import announce, compile_, fitted, prepare
from dreamer_jax.counters import BEGINNING, Counters
from dreamer_jax.host import host_memory
from dreamer_jax.loops.train import train
from dreamer_jax.outputs import sinks, trackers
from dreamer_jax.outputs.sink import Sink
from dreamer_jax.run import checkpoint, history, manifest, resume, spaces_record
from dreamer_jax.run.state import Run
from envs import space_json
from envs.settings import flatten


def training(flags: Flags, *, more_sinks: Sequence[Sink] = ()) -> Callable[[], None]:
    """Checks for every mistake that a user can make, and returns the training itself.

    more_sinks: are told what the trackers are told.

    The steps stand in this order so that each mistake is found before a step that costs more, and
    so that a refused command leaves the logdir as it was:

    1. Find the recording that replay starts from. Only its index is read, which takes moments.
    2. Prepare environments and agent: the recording can be compared with their spaces, and a new
       model fits the machine.
    3. Announce the recording: memory and compiled programs depend on its shapes.
    4. Measure without compiling. A new ring fits the machine; refuse a run that cannot.
    5. Lock the logdir. The lock is the first file that is written.
    6. Compare the logdir with the first look at it. Until the lock, another process could begin a
       run there or save a checkpoint, which would make the decisions above wrong.
    7. Check the checkpoint that the run resumes from: whether it is whole, and whether its arrays
       are those that the run would have, which an --override may have changed.
    8. Preflight: compile, which takes most of the time, and check that everything fits. The lock
       keeps two processes from compiling for the same logdir.
    9. Close the gaps that compiling left in the heap, before arrays would be spread over them.
    10. Load the arrays of the recording and check its files.
    11. Write config.json: from here on, the logdir holds a run that can be resumed.

    Raises:
      ValueError, OSError: a mistake of the user, in one line.
      Fault: the run in the logdir cannot be resumed.
    """
    before = manifest.state(options.place(flags))
    setup = decide(flags)
    names = trackers.chosen(flags.trackers, setup.logdir)
    directory = setup.logdir / "checkpoints"
    done = checkpoint.latest(directory) or 0
    if done >= setup.config.train.steps and checkpoint.is_whole(directory, done):
        text = f"{setup.logdir} is at step {done} of {setup.config.train.steps}"
        text = f"{text}: nothing is left to do; a larger --steps takes it further"
        return partial(print, text, file=sys.stderr)
    with ExitStack() as opened:
        recording = training_recordings.find(setup)
        prepared = prepare(setup, opened)
        setup, run = prepared.setup, training_recordings.announce(prepared.run, recording)
        run, sizes = fitted(prepared._replace(run=run))
        lock = manifest.lock(setup.logdir)
        opened.callback(manifest.unlock, setup.logdir, lock)
        if manifest.state(setup.logdir) != before:
            raise ValueError(f"another process has just changed {setup.logdir}; please try again")
        with naming_what_does_not_fit(setup.changes):
            at = resume.find(run) or BEGINNING
        changed = history_with(setup, at)
        run = replace(run, since=history.paced_since(changed))
        announce(prepared, run, sizes)  # every mistake that is found at once came before
        run, compiled = compile_(setup, run, sizes)
        host_memory.close_gaps()
        run = training_recordings.load(run, recording)
        found = {**record(setup, run), "history": changed, "machine": prepared.machine.record()}
        manifest.write(setup.logdir, found | training_recordings.manifest_entry(recording))
        kept = opened.pop_all()

    def task() -> None:
        with kept:
            make = sinks.of(names, configuration=shown(setup, run))
            train(run, compiled, make_sinks=lambda logdir, step: [*make(logdir, step), *more_sinks])
        if not flags.dry_run and (checkpoint.latest(directory) or 0) >= run.config.train.steps:
            with suppress(OSError):  # nobody has to listen
                print(what_next(setup), file=sys.stderr)

    return task


def history_with(setup: Setup, at: Counters) -> list[dict[str, Any]]:
    """What was changed of the run so far, and by this command, at these counters."""
    before = list[dict[str, Any]]()
    if manifest.exists(setup.logdir):
        before = history.up_to(manifest.read(setup.logdir)["history"], at)
    return [*before, history.entry(setup.changes, at)] if setup.changes else before


def record(setup: Setup, run: Run) -> dict[str, Any]:
    """What config.json says of a run, apart from its history and its recording."""
    return {
        "env": setup.env,
        "preset": setup.preset,
        "agent": setup.agent,
        "seed": setup.seed,
        "config": config_.to_dict(run.config),
        "mesh": setup.mesh,
        "logdir": str(setup.logdir),
        "auto": setup.auto,
        "deterministic": setup.deterministic,
        "files": envs.files(setup.env, setup.config.env),
        "weights": {name: used.to_json() for name, used in setup.sources.items()},
        "reward": setup.reward.to_json() if setup.reward else {},
        "spaces": spaces_record.spaces_to_json(run.env.obs_space, run.env.act_space),
        "gymnasium": gymnasium_spaces(setup, run),
    }


def gymnasium_spaces(setup: Setup, run: Run) -> dict[str, Any] | None:
    """The spaces of the Gymnasium environment behind those of the agent, for the user's own loops.

    None for other families, and where a space has no JSON.
    """
    raw = getattr(run.env, "raw_spaces", None)
    if envs.family(setup.env) not in native_forms.FAMILIES or raw is None:
        return None
    saved = {"observation": space_json.to_json(raw[0]), "action": space_json.to_json(raw[1])}
    return None if None in saved.values() else saved


def shown(setup: Setup, run: Run) -> dict[str, Any]:
    """The configuration for trackers: path -> value, with the paths of --set."""
    named = {name: getattr(setup, name) for name in ("env", "preset", "agent", "seed", "mesh")}
    return named | flatten(run.config, "")


def what_next(setup: Setup) -> str:
    """How to evaluate, watch and plot a finished run; two lines."""
    command = ["python", "-m", "dreamer_jax.main", "--mode=eval", "--video"]
    command += [f"--logdir={setup.logdir}", *envs.trust_flags(setup.env, setup.config.env)]
    curves = ["tensorboard", f"--logdir={setup.logdir.parent}"]
    return f"evaluate: {shlex.join(command)}\ncurves:   {shlex.join(curves)}"
