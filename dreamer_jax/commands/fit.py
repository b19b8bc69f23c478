"""Learns from recordings alone: starts a stage in a logdir, or resumes the one that is there."""

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh

from dreamer_jax import mesh as meshes
from dreamer_jax import spaces
from dreamer_jax.commands import sizing
from dreamer_jax.commands.fit_setup import FitSetup, decide, stored
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.recorded_data import RecordedSource
from dreamer_jax.commands.restored_fits import require_given, restored_fit
from dreamer_jax.data import dataset
from dreamer_jax.data.dataset import Dataset
from dreamer_jax.host import this_machine
from dreamer_jax.loops import fit_programs
from dreamer_jax.loops.fit import FitRun, fit
from dreamer_jax.loops.fit_programs import FitPrograms
from dreamer_jax.outputs import sinks, trackers
from dreamer_jax.outputs.elapsed import Elapsed
from dreamer_jax.pretraining import image_keys
from dreamer_jax.pretraining.by_name import STAGES
from dreamer_jax.run import checkpoint, initial_weights, manifest, spaces_record
from dreamer_jax.run.initial_weights import INIT_FROM, Source
from dreamer_jax.types import Fit
from envs.kinds import Image
from envs.play.recorded_spaces import Spaces
from envs.settings import flatten


def fitting(flags: Flags) -> Callable[[], None]:
    """Checks for every mistake that a user can make, and returns the learning itself.

    Raises:
      ValueError, OSError: a mistake of the user, in one line.
      Fault: the run in the logdir cannot be resumed.
    """
    setup = decide(flags)
    before = manifest.state(setup.logdir)
    names = trackers.chosen(flags.trackers, setup.logdir)
    if is_done(setup):
        text = f"{setup.logdir} has made its {setup.config.fit.updates:,} updates: nothing is left"
        return partial(print, f"{text} to do; a larger --steps takes it further", file=sys.stderr)
    devices = meshes.make(meshes.parse(setup.mesh))
    if not manifest.exists(setup.logdir):
        stage = sizing.precise(setup.config.stage, this_machine.find(devices))
        setup = setup._replace(config=replace(setup.config, stage=stage))
    data = opened_data(setup)
    interface = spaces.of(*data.spaces)
    stage = STAGES[setup.stage].make(setup.config.stage, interface)
    meshes.require_divisible(devices, stage.draw.batch, name="sequences of a batch")
    begin, source, notes = first_weights(setup, stage)
    clips = data.training.clips(stage.draw, 0)
    require_measurable(setup, data, stage, devices)
    built = fit_programs.build(stage, clips, mesh=devices)
    with ExitStack() as opened:
        lock = manifest.lock(setup.logdir)
        opened.callback(manifest.unlock, setup.logdir, lock)
        if manifest.state(setup.logdir) != before:
            raise ValueError(f"another process has just changed {setup.logdir}; please try again")
        print(*described(setup, data, built), *notes, sep="\n", file=sys.stderr, flush=True)
        with Elapsed("compiling", done="compiled"):
            compiled = fit_programs.compiled(built, clips)
        run = FitRun(
            fit=stage,
            training=data.training,
            held_out=data.held_out,
            config=setup.config.fit,
            seed=setup.seed,
            logdir=setup.logdir,
            begin=begin,
        )
        manifest.write(setup.logdir, record(setup, data, source))
        kept = opened.pop_all()

    def task() -> None:
        make = sinks.of(names, configuration=flatten(setup.config, ""))
        with kept:
            fit(run, compiled, make_sinks=make)
        if is_done(setup):
            with suppress(OSError):  # nobody has to listen
                print(f"next: {what_next(setup)}", file=sys.stderr)

    return task


def require_measurable(setup: FitSetup, data: Dataset, stage: Fit[Any], devices: Mesh) -> None:
    """ValueError unless the runs that are held out give what is measured, if anything is."""
    if not (setup.config.fit.measure_every or setup.config.fit.pictures_every):
        return
    if not data.held_out.runs:
        raise ValueError(
            "no run is held out to measure with: it takes two runs or more, and data.held_out "
            "above 0; or --set fit.measure_every=0 --set fit.pictures_every=0"
        )
    wanted = stage.examined or stage.draw
    meshes.require_divisible(devices, wanted.batch, name="sequences of a measurement")
    data.held_out.clips(wanted, 0)  # finds runs that are too short


def is_done(setup: FitSetup) -> bool:
    """Whether the newest checkpoint is whole and has all updates."""
    directory = setup.logdir / "checkpoints"
    done = checkpoint.latest(directory) or 0
    return done >= setup.config.fit.updates and checkpoint.is_whole(directory, done)


def what_next(setup: FitSetup) -> str:
    """The command that builds on a finished stage."""
    command = ["python", "-m", "dreamer_jax.main"]
    if setup.stage == "tokenizer":
        command += ["--mode=fit", "--stage=dynamics", f"--data={setup.config.data.folders}"]
        if setup.config.data.image:
            command += ["--set", f"data.image={setup.config.data.image}"]
        command.append(f"--init_from={setup.logdir}")
    elif setup.stage == "dynamics":
        command += ["--agent=tokens", f"--init_from={setup.logdir}", "--env=..."]
    else:
        command += ["--set", f"reward.logdir={setup.logdir}", "--env=..."]
    return shlex.join(command)


def first_weights(
    setup: FitSetup, stage: Fit[Any]
) -> tuple[Callable[[Any], Any], Source | None, list[str]]:
    """How the state of a run begins, the checkpoint that it takes weights from, and notes.

    A run with a checkpoint needs none.
    """
    if checkpoint.steps(setup.logdir / "checkpoints"):
        return (lambda state: state), setup.source, []
    frozen = STAGES[setup.stage].frozen(setup.config.stage)
    shapes = jax.eval_shape(stage.init, jax.eval_shape(jax.random.key, 0))
    if setup.source is None:
        require_given(initial_weights.fit(shapes, {}), frozen, what=f"--stage={setup.stage}")
        return (lambda state: state), None, []
    other = restored_fit(stored(setup.source.logdir), setup.source)
    found = initial_weights.fit(shapes, other.state)
    require_given(found, frozen, what=f"--stage={setup.stage}")
    notes = [initial_weights.in_words(found, other.source)]
    if not found.taken:
        raise ValueError(f"--init_from={setup.source.logdir}: nothing fits; {notes[0]}")
    return initial_weights.with_arrays(found.taken), other.source, notes


def opened_data(setup: FitSetup) -> Dataset:
    """The recordings, of whose observations only the image is read.

    ValueError if they cannot be used, or are not those that the run was started with.
    """
    settings = setup.config.data
    if not setup.folders:
        raise ValueError(f"--data={settings.folders} names no folder of a recording")
    sources = [RecordedSource(folder) for folder in setup.folders]
    image = image_of([source.obs_space for source in sources], settings.image)
    data = dataset.join(
        sources,
        seed=setup.seed,
        held_out=settings.held_out,
        observations=(image,),
        actions=STAGES[setup.stage].actions,
    )
    if setup.digest and setup.digest != data.digest:
        text = f"data.folders={settings.folders} is not the data that"
        raise ValueError(f"{text} {setup.logdir} was started with; use another --logdir")
    return data


def image_of(observed: Sequence[Spaces], name: str) -> str:
    """The image that is called `name`, or the only one that all recordings have."""
    images = [{key for key, space in each.items() if isinstance(space, Image)} for each in observed]
    known = set.intersection(*images) if images else set[str]()
    return image_keys.chosen(known, name, field="data.image", of=" of the recordings")


def record(setup: FitSetup, data: Dataset, source: Source | None) -> dict[str, Any]:
    """What config.json says of a run."""
    return {
        "stage": setup.stage,
        "env": ",".join(data.names),
        "preset": "",
        "agent": "",
        "seed": setup.seed,
        "config": asdict(setup.config),
        "mesh": setup.mesh,
        "deterministic": setup.deterministic,
        "logdir": str(setup.logdir),
        "auto": [],
        "data": data.digest,
        "weights": {INIT_FROM: source.to_json()} if source else {},
        "spaces": spaces_record.spaces_to_json(*data.spaces),
    }


def described(setup: FitSetup, data: Dataset, compiled: FitPrograms) -> list[str]:
    """What a run is about to do, in lines."""
    numbers = sum(x.size for x in jax.tree.leaves(compiled.state.params))
    sides = [
        f"{len(side.runs)} runs of {side.steps:,} frames" for side in (data.training, data.held_out)
    ]
    return [
        f"{setup.stage} -> {setup.logdir}",
        f"learns from {sides[0]}, holds out {sides[1]}; {numbers:,} parameters, "
        f"{setup.config.fit.updates:,} updates",
    ]
