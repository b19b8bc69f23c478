"""The interface of an output of a run."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from dreamer_jax.faults import Fault, one_line


@runtime_checkable
class Sink(Protocol):
    """One output of a run: a file, a display or a service. The journal calls all of its sinks.

    A sink may ignore any call. Calls come from one thread, in the order of the steps,
    except that averages over updates arrive late: once the device has computed them, and before
    those of the next interval. A resumed run continues at the step of its checkpoint, so a sink
    that outlives the process must drop the records of later steps.

    Errors: every verb may raise OSError, where a disk or a connection fails, or Fault. Either one
    ends the run with exit code 1 and one line. Any other error is a mistake in the sink and ends
    the run with its traceback.
    """

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """Takes metrics of one moment; a value may be NaN or infinite.

        values: by name, such as 'world_model/loss/reward'; docs/metrics.md has the list.
        step: actions taken since the beginning of the run, over all environments.
        frames: frames of the emulators in these steps.
        seconds: time spent training since the beginning of the run.
        unfinished: the run ended within a logging interval. If it resumes, it reports the whole
            interval again.
        """
        ...

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """Takes one finished episode.

        sums: 'length' in steps, 'score', and the sum of each event, 'event/<name>'.
        step: when its last step was acted on.
        env: the environment that played it, from 0.
        start: the milestone at which it began. Empty: at the beginning of the game. Only the
            scores of the latter are scores of the task.
        """
        ...

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """Takes a milestone that environment `env` is the first of the run to reach.

        step: the step that reached it. hours: of training until then.
        """
        ...

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """Takes a picture [H, W, 3] uint8, such as 'world_model/screen'."""
        ...

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """Takes a film [T, H, W, 3] uint8, such as 'world_model/video/screen'.

        rate: frames per second.
        """
        ...

    def close(self) -> None:
        """Completes the output; called once, also after an error. No other call follows."""
        ...


@contextmanager
def sink_faults(logdir: Path) -> Generator[None]:
    """Turns an OSError of a sink into a Fault that names the logdir."""
    try:
        yield
    except OSError as error:
        raise Fault(f"cannot write the record in {logdir}: {one_line(error)}") from error


class AllSinks:
    """A sink that tells several; an OSError of one becomes a Fault that names the logdir."""

    def __init__(self, sinks: Sequence[Sink], logdir: Path) -> None:
        """Takes over the sinks; its `close` closes every one, even if one fails."""
        self._sinks, self._logdir = tuple(sinks), logdir

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """See `Sink`."""
        with sink_faults(self._logdir):
            for sink in self._sinks:
                sink.scalars(
                    values, step=step, frames=frames, seconds=seconds, unfinished=unfinished
                )

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """See `Sink`."""
        with sink_faults(self._logdir):
            for sink in self._sinks:
                sink.episode(sums, step=step, env=env, start=start)

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """See `Sink`."""
        with sink_faults(self._logdir):
            for sink in self._sinks:
                sink.milestone(name, step=step, hours=hours, env=env)

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """See `Sink`."""
        with sink_faults(self._logdir):
            for sink in self._sinks:
                sink.image(name, pixels, step=step)

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """See `Sink`."""
        with sink_faults(self._logdir):
            for sink in self._sinks:
                sink.video(name, frames, step=step, rate=rate)

    def close(self) -> None:
        """See `Sink`."""
        with sink_faults(self._logdir), ExitStack() as each:
            for sink in self._sinks:
                each.callback(sink.close)
