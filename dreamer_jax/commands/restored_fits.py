"""What a stage of --mode=fit has learned, for the stages and agents that build on it."""

from typing import Any, NamedTuple

import jax

from dreamer_jax import mesh as meshes
from dreamer_jax.commands.fit_setup import FitSetup
from dreamer_jax.outputs.say import Say, say_on_stderr
from dreamer_jax.pretraining.by_name import STAGES
from dreamer_jax.run import checkpoint, initial_weights, manifest, spaces_record
from dreamer_jax.run.initial_weights import Source
from dreamer_jax.run.layout import with_sharding
from dreamer_jax.spaces import Interface


class RestoredFit(NamedTuple):
    """A stage as a checkpoint has it."""

    setup: FitSetup
    interface: Interface  # of its recordings
    state: Any  # `params` is a dictionary of networks by name
    source: Source  # the checkpoint


def restored_fit(setup: FitSetup, source: Source, *, say: Say = say_on_stderr) -> RestoredFit:
    """The state of a stage at the step of `source`, or at its newest checkpoint that is whole.

    Raises:
      ValueError: there is no checkpoint, or not the one that `source` names.
      Damaged: there are checkpoints, but none is whole.
    """
    directory = setup.logdir / "checkpoints"
    known = checkpoint.steps(directory)
    if not known:
        checkpoint.require_none(directory)
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    if source.step is not None and source.step not in known:
        there = ", ".join(map(str, known))
        raise ValueError(
            f"no checkpoint of step {source.step} in {setup.logdir}; there are {there}"
        )
    interface = spaces_record.spaces_of(manifest.read(setup.logdir))
    stage = STAGES[setup.stage].make(setup.config.stage, interface)
    shapes = jax.eval_shape(stage.init, jax.eval_shape(jax.random.key, 0))
    wanted = {"agent": with_sharding(shapes, meshes.copied(meshes.make(1)))}

    def load(step: int) -> Any:
        return checkpoint.restore(directory, step, wanted)["agent"]

    if source.step is not None:
        step, state = source.step, load(source.step)
    else:
        found = checkpoint.newest(directory, load)
        step, state = found.step, found.loaded
        for note in found.notes:
            say(note)
    used = source.pinned(step)
    if source.sha1 and used.sha1 != source.sha1:
        raise ValueError(f"step {step} of {setup.logdir} is no longer the checkpoint that was used")
    return RestoredFit(setup=setup, interface=interface, state=state, source=used)


def require_given(fit: initial_weights.Fit, names: tuple[str, ...], *, what: str) -> None:
    """ValueError unless all arrays of the networks `names` were taken from another run."""
    missing = [path for path in fit.fresh if path.startswith(tuple(f"params/{n}/" for n in names))]
    if missing:
        raise ValueError(
            f"{what} needs a trained {' and '.join(names)}: --init_from=<its logdir>; "
            f"it lacks {missing[0]}"
        )
