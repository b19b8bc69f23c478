"""The outputs of a run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamer_jax.outputs import trackers
from dreamer_jax.outputs.jsonl import JsonLines
from dreamer_jax.outputs.sink import Sink, sink_faults
from dreamer_jax.outputs.tensorboard import TensorBoard


def default_sinks(logdir: Path, first_step: int) -> list[Sink]:
    """The outputs of a run in `logdir` that continues after `first_step`, 0 for a new one.

    To add an output to the command line, add it to this list. The progress line is not in it: the
    journal has it in any case. Raises Fault where a file cannot be opened.
    """
    return of(trackers.DEFAULT)(logdir, first_step)


def of(
    names: Sequence[str], *, configuration: Mapping[str, Any] | None = None
) -> Callable[[Path, int], list[Sink]]:
    """As `default_sinks`, for other trackers.

    Args:
      names: from `trackers.chosen`.
      configuration: path -> value of the run's configuration, for the trackers to show.
    """

    def make(logdir: Path, first_step: int) -> list[Sink]:
        with sink_faults(logdir):
            found: list[Sink] = [JsonLines(logdir, first_step)]
            if trackers.BOARD in names:
                found.append(TensorBoard(logdir, first_step, configuration=configuration))
            return [*found, *trackers.opened(names, logdir, configuration=configuration or {})]

    return make
