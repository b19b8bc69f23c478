"""What a later command may change of a run, and what it must say for that."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamer_jax.faults import Mismatch
from dreamer_jax.run import history, manifest
from dreamer_jax.run.initial_weights import INIT_FROM, REWARD, WORLD_MODEL

Changes = Mapping[str, tuple[Any, Any]]  # path -> (value of the run, value that was asked for)
# Parts of the config that the arrays of a run depend on, whichever agent it has.
FIXED = ("train.envs", "replay.capacity")
# Options that are off at 0. With them on, snapshots of the environments hold further arrays.
SWITCHES = ("env.curriculum",)


def require_allowed(logdir: Path, changes: Changes, *, fixed: Changes, override: bool) -> None:
    """ValueError, naming both values, for a change that is not allowed.

    Args:
      logdir: of the run.
      changes: of the config.
      fixed: what makes another run: its environment, preset, agent, seed and first weights.
      override: whether the user asked for changes that numbers depend on.
    """
    kept = [path for path in FIXED if path in changes]
    kept += [path for path in SWITCHES if path in changes and 0 in changes[path]]
    never = {**fixed, **{path: changes[path] for path in kept}}
    refused = never if override else {**that_matter(changes), **never}
    if not refused:
        return
    text = "; ".join(manifest.contradiction(path, values) for path, values in refused.items())
    if (
        never
        and never.keys() <= {INIT_FROM, WORLD_MODEL, REWARD}
        and all(x for x, _ in never.values())
    ):
        hint = "or leave it out, as the run needs it no more once it has a checkpoint"
        raise ValueError(f"{logdir} holds another run: {text}; use another --logdir, {hint}")
    if never:
        hint = ", as --override cannot change that" if override else ""
        raise ValueError(f"{logdir} holds another run: {text}; use another --logdir{hint}")
    hint = "use another --logdir, or add --override to change this run"
    raise ValueError(f"{logdir} holds another run: {text}; {hint}")


@contextmanager
def naming_what_does_not_fit(changes: Changes) -> Generator[None]:
    """Makes a Mismatch a ValueError that names the changes, if there are any."""
    try:
        yield
    except Mismatch as error:
        if not (changed := history.in_words(that_matter(changes))):
            raise
        text = f"--override cannot change {', '.join(changed)}"
        raise ValueError(f"{text}: {error}; use another --logdir") from None


def that_matter(changes: Changes) -> Changes:
    """The changes that numbers depend on."""
    return {path: x for path, x in changes.items() if path not in manifest.CHANGEABLE}
