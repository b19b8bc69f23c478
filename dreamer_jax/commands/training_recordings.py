"""Recordings of play as experience that a run draws from."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, cast

import jax

import envs
from dreamer_jax import mesh
from dreamer_jax.commands.options import Setup
from dreamer_jax.run import manifest
from dreamer_jax.run.layout import with_sharding
from dreamer_jax.run.state import Run, remembered
from dreamer_jax.types import Recordings, Step
from envs.play import recorded_steps, recordings
from envs.play.recorded_spaces import FLAGS
from envs.play.recordings import Recording, recorded_options
from envs.settings import flatten
from envs.timestep import VectorEnv

NOTE = "recording"  # where config.json has the SHA-256 of the recording's index
LONGEST_VALUE = 60  # characters of an option's value in a warning


def find(setup: Setup) -> Recording | None:
    """Reads the index of the recording that a run draws from; None where there is none.

    ValueError in one line if it cannot be used, or if the run began with another one.
    """
    config = setup.config.replay
    recording = recordings.find(Path(config.seed_from)) if config.seed_from else None
    if manifest.exists(setup.logdir):
        before = manifest.read(setup.logdir).get(NOTE, "")
        if before != (recording.digest if recording else ""):
            text = f"replay.seed_from={config.seed_from} is not the recording that"
            raise ValueError(f"{text} {setup.logdir} was started with (it may have none)")
    if recording is None:
        return None
    options = recorded_options(recording)
    if envs.family(recording.env) != envs.family(setup.env):
        raise ValueError(f"{recording.folder} was recorded in {recording.env}, not in {setup.env}")
    theirs = envs.action_names(recording.env, options)
    ours = envs.action_names(setup.env, setup.config.env)
    other = differences(recording, setup)
    if theirs != ours:
        text = f"with the actions {', '.join(theirs)}; the environment has {', '.join(ours)}"
        raise ValueError(f"{recording.folder} was recorded {text} ({'; '.join(other)})")
    if other:
        text = f"{'; '.join(other)}: rewards and ends of episodes stay as recorded"
        print(f"warning: {recording.folder} was recorded with {text}", file=sys.stderr)
    return recording


def manifest_entry(recording: Recording | None) -> dict[str, str]:
    """The entry of config.json about a recording."""
    return {NOTE: recording.digest} if recording else {}


def differences(recording: Recording, setup: Setup) -> list[str]:
    """Game and options that differ from those of a recording, as `env.x=1, now 2`."""
    theirs, ours = ({"env": of.env} for of in (recording, setup))
    theirs, ours = theirs | recording.options, ours | flatten(setup.config.env)
    return [
        f"{name}={repr(theirs.get(name))[:LONGEST_VALUE]}, now {value!r}"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]


def announce(run: Run, recording: Recording | None) -> Run:
    """The run with the shapes of the recording, whose arrays `load` reads later."""
    if recording is None:
        return run
    config = run.config.replay
    name = f"replay.seed_share={config.seed_share} of the batch"
    mesh.require_divisible(run.mesh, config.recorded, name=name)
    recorded_steps.columns_of(recording, games(run))
    step, _ = remembered(run)
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((recording.steps, *x.shape), x.dtype), Recordings(steps=step)
    )
    return dataclasses.replace(run, recordings=with_sharding(shapes, run.layout.recordings))


def games(run: Run) -> VectorEnv:
    """The environments of a run, with the type that the package `envs` gives them."""
    return cast(VectorEnv, run.env)


def load(run: Run, recording: Recording | None) -> Run:
    """The run with the arrays of the recording; ValueError if a file cannot be used."""
    if recording is None:
        return run
    found: dict[str, Any] = dict(recorded_steps.read(recording, games(run)))

    def under(prefix: str) -> dict[str, Any]:
        return {k.removeprefix(prefix): x for k, x in found.items() if k.startswith(prefix)}

    steps = Step(
        obs=under("obs/"),
        action=under("action/"),
        events={name: found[name] for name in run.env.event_keys},
        **{name: found[name] for name in ("reward", *FLAGS)},
    )
    arrays = jax.tree.map(
        lambda x, like: jax.device_put(x.astype(like.dtype, copy=False), like.sharding),
        Recordings(steps=steps),
        run.recordings,
    )
    return dataclasses.replace(run, recordings=arrays)
