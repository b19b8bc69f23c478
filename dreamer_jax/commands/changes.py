"""What a later command may change of a run, and what it must say for that."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamer_jax.run import manifest

Changes = Mapping[str, tuple[Any, Any]]  # path -> (value of the run, value that was asked for)
# Parts of the config that the arrays of a run depend on, whichever agent it has.
FIXED = ("train.envs", "replay.capacity")


def require_allowed(logdir: Path, changes: Changes, *, fixed: Changes, override: bool) -> None:
    """ValueError, naming both values, for a change that is not allowed.

    Args:
      logdir: of the run.
      changes: of the config.
      fixed: what makes another run: its environment, preset, agent, seed and first weights.
      override: whether the user asked for changes that numbers depend on.
    """
    never = {**fixed, **{path: changes[path] for path in FIXED if path in changes}}
    wrong = {
        path: values
        for path, values in changes.items()
        if path not in (*manifest.CHANGEABLE, *never)
    }
    refused = never if override else {**never, **wrong}
    if not refused:
        return
    text = "; ".join(manifest.contradiction(path, values) for path, values in refused.items())
    if never:
        hint = ", as --override cannot change that" if override else ""
        raise ValueError(f"{logdir} holds another run: {text}; use another --logdir{hint}")
    hint = "use another --logdir, or add --override to change this run"
    raise ValueError(f"{logdir} holds another run: {text}; {hint}")
