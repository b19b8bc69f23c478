"""Training from Python, with the meaning of the command line."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags as absl_flags

from dreamer_jax.api.loaded import LoadedAgent, load
from dreamer_jax.commands import flags as command_line
from dreamer_jax.commands import options, process
from dreamer_jax.commands.train import training

MODES = ("train",)
OF_SHELLS = ("dry_run", "help")  # flags that end without an agent


def train(
    *,
    env: str | None = None,
    logdir: str | Path | None = None,
    steps: int | None = None,
    set: Mapping[str, Any] | Sequence[str] | str = (),
    **flags: Any,
) -> LoadedAgent:
    """Trains, or resumes the run in the logdir, as `python -m dreamer_jax.main` does.

    It prints what the command prints. In the main thread, the first Ctrl-C, SIGTERM or SIGHUP ends
    it as there: it saves and returns. In other threads signals stay as they are.

    Args:
      env: as --env.
      logdir: as --logdir; by default `logdir/<env>-seed<seed>`.
      steps: as --steps.
      set: as --set: {"model.units": 128}, or ["model.units=128"], or a single assignment.
      **flags: all others of the command line, such as seed=1, size="1m" or override=True, except
        --dry_run and --help.

    Returns: the agent of the newest checkpoint.

    Raises:
      ValueError, OSError: a mistake in the arguments, in one line.
      Fault, EnvironmentFailed: the run cannot be resumed or continued; saved checkpoints stay.
    """
    given = {"env": env, "logdir": logdir, "steps": steps, **flags}
    argv = ["train", *(f"--{name}={_text(x)}" for name, x in given.items() if x is not None)]
    set = [set] if isinstance(set, str) else set
    assignments = [f"{k}={_text(x)}" for k, x in set.items()] if isinstance(set, Mapping) else set
    argv += [f"--set={each}" for each in assignments]
    try:
        parsed = command_line.parse(argv, MODES)
    except absl_flags.Error as error:
        raise ValueError(str(error)) from None
    for name in OF_SHELLS:
        if getattr(parsed, name):
            raise ValueError(f"{name}=True is for the command line: --{name}")
    process.prepare(parsed)
    training(parsed)()
    return load(options.place(parsed))


def _text(value: Any) -> str:
    """A value as the command line has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
