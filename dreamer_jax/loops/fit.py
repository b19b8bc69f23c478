"""The loop of `--mode=fit`: learns from recordings alone, measured on runs that are held out."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.faults import Damaged
from dreamer_jax.host import array_files
from dreamer_jax.loops import fit_programs
from dreamer_jax.loops.fit_programs import FitPrograms
from dreamer_jax.loops.train import stop_signals
from dreamer_jax.outputs import averages
from dreamer_jax.outputs.fit_progress import FitProgress
from dreamer_jax.outputs.sink import AllSinks, Sink
from dreamer_jax.pretraining.config import Schedule
from dreamer_jax.run import checkpoint, programs, resume
from dreamer_jax.run.background_save import Saver, Snapshot
from dreamer_jax.types import Clips, Draw, Fit, Metrics

FILM_RATE = 10.0  # steps in each second
HELD_OUT = "held_out"  # group of the metrics that are measured
STATE, SUMS = "agent", "sums"  # items of a checkpoint, named as those of an agent are


class Batches(Protocol):
    """Batches without an end."""

    def __next__(self) -> Clips:
        """The next one; waits for it."""
        ...

    def close(self) -> None:
        """Ends what reads them."""
        ...


class Runs(Protocol):
    """Recorded runs to draw from. Clips are NumPy arrays [T, B, ...]."""

    def clips(self, draw: Draw, index: int) -> Clips:
        """Batch `index`, from 0: the same one whenever it is asked for."""
        ...

    def ahead(self, draw: Draw, *, start: int) -> Batches:
        """The batches from `start` on, read before they are asked for."""
        ...


@dataclass(frozen=True, kw_only=True)
class FitRun:
    """Everything that the loop is given; it knows neither which stage nor whose recordings."""

    fit: Fit[Any]
    training: Runs
    held_out: Runs
    config: Schedule
    seed: int
    logdir: Path
    begin: Callable[[Any], Any] = lambda state: state
    """(fresh state) -> the state that learning begins with"""


@dataclass(frozen=True)
class Counters:
    """What the loop counts, since the beginning of the run."""

    updates: int = 0
    seconds: float = 0.0  # spent learning
    logged: int = 0  # updates until the last line of metrics


class Now(NamedTuple):
    """A run between two updates."""

    state: Any
    sums: Metrics  # of the metrics since they were last logged
    counters: Counters


class Outlets(NamedTuple):
    """Who is told what the run does."""

    sinks: Sink
    progress: FitProgress


def fit(
    run: FitRun,
    compiled: FitPrograms,
    *,
    make_sinks: Callable[[Path, int], Sequence[Sink]],
) -> Any:
    """Learns until `updates`, or until a signal asks to stop; saves before it returns.

    Batches are functions of the seed and of their number, and so are random keys: a run that was
    resumed equals one that was not, to the last bit.

    Args:
      run: starts, or resumes where its newest checkpoint is.
      compiled: the programs of this run.
      make_sinks: (logdir, update that the run continues after) -> the outputs of the run.

    Returns:
      The state after the last update.

    Raises:
      Fault: the run cannot continue. Damaged and Diverged are faults. Saved checkpoints stay.
    """
    config, draw = run.config, run.fit.draw
    with stop_signals() as stopped, ExitStack() as opened:
        now, notes = start(run, compiled)
        begun = now.counters.updates
        sinks = AllSinks(make_sinks(run.logdir, begun), run.logdir)
        opened.callback(sinks.close)
        progress = FitProgress(config.updates, begun=begun)
        outlets = Outlets(sinks, progress)
        saver = Saver(run.logdir, keep=config.keep, keep_every=config.keep_every)
        opened.enter_context(saver)
        batches = opened.enter_context(closing(run.training.ahead(draw, start=begun)))
        for note in notes:
            progress.write(note)
        while now.counters.updates < config.updates and not stopped():
            began, counters = time.monotonic(), now.counters
            now = advance(run, compiled, now, next(batches))
            now = periodic(run, compiled, now, outlets)
            seconds = counters.seconds + time.monotonic() - began
            now = now._replace(counters=replace(now.counters, seconds=seconds))
            if now.counters.updates % config.save_every == 0:
                save(now, saver)
        save(now, saver)
        saver.wait()
    return now.state


def start(run: FitRun, compiled: FitPrograms) -> tuple[Now, list[str]]:
    """The run at its newest checkpoint that is whole, or before its first update; and notes.

    Raises:
      Damaged: there are checkpoints, but none is whole.
    """
    directory = run.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        state = run.begin(compiled.init(compiled.seed(run.seed)))
        return Now(state, programs.zeros(compiled.sums), Counters()), []
    found = checkpoint.newest(directory, lambda step: restore(compiled, directory, step=step))
    checkpoint.set_aside(directory, after=found.step)
    return found.loaded, [*found.notes, f"resumes from update {found.step}"]


def restore(compiled: FitPrograms, directory: Path, *, step: int) -> Now:
    """The run as the checkpoint of `step` has it; Damaged where a file was changed."""
    saved = checkpoint.read_counters(directory, step)
    try:
        counters = Counters(
            updates=int(saved["updates"]),
            seconds=float(saved["seconds"]),
            logged=int(saved["logged"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Damaged(f"the counters of checkpoint {step} are not those of such a run") from None
    wanted = {STATE: compiled.state, SUMS: compiled.sums}
    items = checkpoint.restore(directory, step, wanted)
    return Now(items[STATE], items[SUMS], counters)


def advance(run: FitRun, compiled: FitPrograms, now: Now, clips: Clips) -> Now:
    """One update from clips [T, B, ...] of the host; `now` is consumed.

    It may still be computed when this returns.
    """
    moved = fit_programs.on_devices(clips, compiled.clips)
    state, sums = compiled.learn(compiled.seed(run.seed), now.state, now.sums, moved)
    return Now(state, sums, replace(now.counters, updates=now.counters.updates + 1))


def periodic(run: FitRun, compiled: FitPrograms, now: Now, outlets: Outlets) -> Now:
    """Logs, measures and draws pictures, each if it is due; nothing that is learned changes."""
    config, counters, metrics = run.config, now.counters, dict[str, float]()
    last = counters.updates == config.updates

    def due(interval: int) -> bool:
        return interval > 0 and (last or counters.updates % interval == 0)

    if due(config.log_every):
        metrics = averages.average(now.sums, counters.updates - counters.logged)
        outlets.progress.losses(metrics)
        now = now._replace(
            sums=programs.zeros(compiled.sums),
            counters=replace(counters, logged=counters.updates),
        )
    if due(config.measure_every):
        measured = measure(run, compiled, now.state)
        outlets.progress.measured(measured, step=counters.updates)
        metrics |= measured
    if metrics:
        frames = counters.updates * run.fit.draw.batch * run.fit.draw.length
        outlets.sinks.scalars(
            metrics,
            step=counters.updates,
            frames=frames,
            seconds=counters.seconds,
            unfinished=False,
        )
    if due(config.pictures_every):
        for name, pixels in pictures(run, compiled, now.state).items():
            if pixels.ndim == 3:
                outlets.sinks.image(name, pixels, step=counters.updates)
            else:
                outlets.sinks.video(name, pixels, step=counters.updates, rate=FILM_RATE)
    outlets.progress.tick(counters.updates)
    return now


def measure(run: FitRun, compiled: FitPrograms, state: Any) -> dict[str, float]:
    """The metrics of `state` on runs that are held out: means over batches, which stay the same."""
    found = list[Metrics]()
    for index in range(run.config.measure_batches):
        clips = fit_programs.on_devices(examined(run, index), compiled.clips)
        found.append(compiled.measure(compiled.seed(run.seed), state, jnp.int32(index), clips))
    fetched = jax.device_get(found)
    return {
        f"{HELD_OUT}/{name.partition('/')[2]}": float(np.mean([each[name] for each in fetched]))
        for name in fetched[0]
    }


def pictures(run: FitRun, compiled: FitPrograms, state: Any) -> dict[str, np.ndarray]:
    """Pictures [h, w, 3] and films [N, h, w, 3] of clips that are held out, uint8."""
    clips = fit_programs.on_devices(examined(run, 0), compiled.clips)
    drawn = jax.device_get(compiled.pictures(compiled.seed(run.seed), state, clips))
    return {name: np.asarray(x) for name, x in drawn.items()}


def examined(run: FitRun, index: int) -> Clips:
    """Batch `index` of the clips that are held out."""
    return run.held_out.clips(run.fit.examined or run.fit.draw, index)


def save(now: Now, saver: Saver) -> None:
    """Starts to write a checkpoint, unless this update has one; returns before it is written.

    Raises Diverged if a loss or a learned parameter is not finite.
    """
    saver.wait()
    counters = now.counters
    if checkpoint.latest(saver.checkpoints) == counters.updates:
        return
    # On a CPU, device_get returns views of memory that the next update overwrites, so copy them.
    items = jax.tree.map(np.array, jax.device_get({STATE: now.state, SUMS: now.sums}))
    losses = {name: x for name, x in items[SUMS].items() if averages.is_loss(name)}
    learned = array_files.named(losses) | array_files.named(items[STATE])
    resume.require_finite(learned, since=counters.logged, step=counters.updates)
    saver.save(
        Snapshot(
            step=counters.updates,
            items=items,
            counters={**asdict(counters), "first_block": 0},
            files={},
            blocks={},
        )
    )
