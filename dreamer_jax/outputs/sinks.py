"""The outputs that every run has."""

from pathlib import Path

from dreamer_jax.outputs.jsonl import JsonLines
from dreamer_jax.outputs.sink import Sink, sink_faults
from dreamer_jax.outputs.tensorboard import TensorBoard


def default_sinks(logdir: Path, first_step: int) -> list[Sink]:
    """The outputs of a run in `logdir` that continues after `first_step`, 0 for a new one.

    To add an output to the command line, add it to this list. The progress line is not in it: the
    journal has it in any case. Raises Fault where a file cannot be opened.
    """
    with sink_faults(logdir):
        return [JsonLines(logdir, first_step), TensorBoard(logdir, first_step)]
