"""The training loop: act, remember, learn. The device works while the environments step."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dreamer_jax.config import Config
from dreamer_jax.counters import BEGINNING, Counters
from dreamer_jax.environment import Timestep
from dreamer_jax.faults import Fault
from dreamer_jax.outputs.journal import Journal
from dreamer_jax.outputs.sink import Sink
from dreamer_jax.outputs.sinks import default_sinks
from dreamer_jax.run import best, checkpoint, programs, resume, stored_ring
from dreamer_jax.run.background_save import Saver
from dreamer_jax.run.layout import count_on_device
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run, RunState
from dreamer_jax.types import AgentState, Step


def train(
    run: Run,
    compiled: Programs,
    *,
    make_sinks: Callable[[Path, int], Sequence[Sink]] = default_sinks,
) -> AgentState:
    """Trains until `train.steps`, or until a signal asks to stop; saves before it returns.

    Each turn of the loop advances by one step of every environment, then does the periodic work,
    then saves if a checkpoint is due. Work after the loop happens also on a signal.

    Args:
      run: starts, or resumes where its newest checkpoint is.
      compiled: the programs of this run, from `preflight`.
      make_sinks: (logdir, step that the run continues after) -> the outputs of the run.

    Returns:
      The state of the agent after the last update.

    Raises:
      Fault: the run cannot continue. Damaged and Diverged are faults. Saved checkpoints stay.
    """
    config = run.config.train
    with stop_signals() as stopped:
        begun = resume.start(run, compiled)
        now = begun.now
        journal = Journal(
            run.logdir,
            run.env,
            counters=now.counters,
            past=begun.past,
            steps=config.steps,
            prefill=prefill(run.config),
            sinks=make_sinks(run.logdir, now.counters.step),
        )
        saver = Saver(
            run.logdir,
            keep=config.keep,
            keep_every=config.keep_every,
            blocks=stored_ring.full_blocks(run, now.counters).stop,
        )
        with journal, saver, jax.transfer_guard("disallow"):
            for note in begun.notes:
                journal.say(note)
            if journal.owes_evaluation:
                evaluate(run, now, journal=journal, stopped=stopped, saver=saver)
            while now.counters.step < config.steps and not (stopped() or run.failure()):
                before, began = now.counters, time.monotonic()
                now = advance(run, compiled, now, journal=journal)
                now = periodic(run, compiled, now, journal=journal, before=before)
                if crossed(config.eval_every, before=before.step, now=now.counters.step):
                    evaluate(run, now, journal=journal, stopped=stopped, saver=saver)
                seconds = before.seconds + time.monotonic() - began
                now = replace(now, counters=replace(now.counters, seconds=seconds))
                if crossed(config.save_every, before=before.step, now=now.counters.step):
                    save(run, compiled, now, journal=journal, saver=saver)
            save(run, compiled, now, journal=journal, saver=saver)
            saver.wait()
            journal.unfinished(now.device.sums, now.seen, counters=now.counters, env=run.env)
            journal.end(counters=now.counters)
            if failure := run.failure():
                raise Fault(failure)
    return now.device.state


def advance(run: Run, compiled: Programs, now: RunState, *, journal: Journal) -> RunState:
    """One step of every environment, and the updates that it owes.

    The order hides the device behind the environments. The policy is dispatched first, then the
    updates; both return at once, before they are computed. Fetching the action waits for the policy
    alone, which stands before the updates in the device's queue. While the environments step on the
    host, the device works on the updates. The number of updates is a function of step counts, never
    of the clock, so that a run does the same on every machine.

    Args:
      run: its environments take one step.
      compiled: `act` and `learn` are called, each at most once.
      now: consumed. Its replay state and carry are donated, and if updates are due its agent state
        and sums as well; they must not be used again.
      journal: is told of ended episodes and reached milestones.

    Returns:
      The run E steps later. Its arrays may still be computed when it returns.
    """
    device, counters, seen = now.device, now.counters, now.seen
    index = counters.step // run.env.num_envs
    with jax.transfer_guard_host_to_device("allow"):  # the timestep moves with the call itself
        memory, carry, action = compiled.act(
            device.seed,
            run.agent.player.actor(device.state),
            device.memory,
            device.carry,
            as_step(seen),
            np.int32(index),
        )
    device = device.replace(memory=memory, carry=carry)
    step = counters.step + run.env.num_envs
    owed = updates_owed(step, updates=counters.updates, config=run.config, since=run.since)
    if owed:
        count = count_on_device(run.layout, owed)
        state, memory, sums = compiled.learn(
            device.seed, device.state, device.memory, device.sums, count, run.recordings
        )
        device = device.replace(state=state, memory=memory, sums=sums)
    journal.timestep(seen, step=counters.step, starts=run.env.starts)
    # Dispatch is asynchronous: this waits for the action, while the device continues learning.
    chosen = {key: np.asarray(value) for key, value in jax.device_get(action).items()}
    seen = run.env.step(chosen)
    counters = replace(counters, step=step, updates=counters.updates + owed)
    journal.milestones(run.env.milestones, counters=counters)
    return RunState(device=device, counters=counters, seen=seen)


def periodic(
    run: Run,
    compiled: Programs,
    now: RunState,
    *,
    journal: Journal,
    before: Counters,
) -> RunState:
    """Logs and draws pictures, each if its interval has passed since `before`.

    Metrics and pictures also come by time, so that a slow machine is heard of. Neither changes what
    is learned: a report draws with separate keys and leaves replay as it was.
    """
    config, device, counters = run.config.train, now.device, now.counters

    def due(interval: int) -> bool:
        return crossed(interval, before=before.step, now=counters.step)

    journal.tick(counters)
    late = overdue(config.log_seconds, since=journal.rated.time)
    if (late or due(config.log_every)) and counters.updates:
        journal.metrics(device.sums, counters=counters, restarts=run.env.restarts)
        device = device.replace(sums=programs.zeros(compiled.sums))
    late = config.report_every > 0 and overdue(config.report_seconds, since=journal.drawn)
    if (late or due(config.report_every)) and counters.updates:
        if journal.drawn == journal.begun:
            journal.say("compiling the report; training continues afterwards")
        metrics, views = compiled.report(device.seed, device.state, device.memory, run.recordings)
        journal.report(metrics, views, counters=counters)
    return replace(now, device=device)


def evaluate(
    run: Run, now: RunState, *, journal: Journal, stopped: Callable[[], bool], saver: Saver
) -> None:
    """Evaluates the policy, and keeps the state that was evaluated if it is the best so far."""
    scores = run.evaluate(now.device.state, stopped, journal.say)
    journal.evaluation(scores, counters=now.counters)
    if run.config.train.keep_best:
        saver.wait()  # one checkpoint is written at a time
        best.keep(run.logdir, now.device.state, scores=scores, counters=now.counters)


def save(run: Run, compiled: Programs, now: RunState, *, journal: Journal, saver: Saver) -> None:
    """Starts to write a checkpoint, unless this step has one; returns before it is written."""
    began = time.monotonic()
    saver.wait()
    if checkpoint.latest(saver.checkpoints) == now.counters.step:
        return
    journal.flush()
    snapshot = resume.snapshot(run, compiled, now, journal=journal.state(), written=saver.blocks)
    saver.save(snapshot)
    seconds = time.monotonic() - began
    journal.checkpoint(counters=now.counters, seconds=seconds, bytes_before=saver.bytes)


def crossed(interval: int, *, before: int, now: int) -> bool:
    """Whether a multiple of `interval` lies in (before, now]; steps come in strides of E."""
    return interval > 0 and now // interval > before // interval


def overdue(seconds: int, *, since: float) -> bool:
    """Whether `seconds` have passed since a moment of `time.monotonic`; never, if they are 0."""
    return 0 < seconds <= time.monotonic() - since


def updates_owed(step: int, *, updates: int, config: Config, since: Counters = BEGINNING) -> int:
    """Updates to do now, so that `ratio` steps are replayed for each step taken since the prefill.

    It is a function of integers, so a run does the same updates at the same steps on every machine.
    Where the pace was changed, steps and updates count from there.

    Args:
      step: steps taken, over all environments.
      updates: done so far.
      since: the counters when the pace was changed last.

    Returns:
      max(0, floor((step - start) * ratio / (B * T)) - (updates - since.updates)), where start is
      the later one of prefill and since.step. On-policy, the first update is due at the prefill
      itself: no later update would learn from the steps before it.
    """
    batch = config.replay.batch * config.replay.length
    start = prefill(config)
    if learns_each_window_once(config):
        start -= batch
    counted = step - max(start, since.step)
    return max(0, counted * config.train.ratio // batch - (updates - since.updates))


def prefill(config: Config) -> int:
    """Steps before the first update: at least one window in every row of the ring."""
    return max(config.train.prefill, config.train.envs * (config.replay.length + 1))


def learns_each_window_once(config: Config) -> bool:
    """Whether every update learns from all that was done since the one before it: on-policy."""
    newest, whole = config.replay.sampler == "newest", config.replay.batch == config.train.envs
    return newest and whole and config.train.ratio == 1


def as_step(seen: Timestep) -> Step:
    """A timestep [E, ...] as a step without an action; its arrays are still on the host."""
    arrays: dict[str, Any] = {
        "obs": seen.obs,
        "reward": seen.reward,
        "is_first": seen.is_first,
        "is_last": seen.is_last,
        "is_terminal": seen.is_terminal,
        "events": seen.events,
    }
    return Step(action={}, **arrays)


@contextmanager
def stop_signals() -> Generator[Callable[[], bool]]:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a request to stop; a second one kills.

    Python has signals in the main thread alone. In another one, nothing asks to stop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)

    def remember(number: int, _: Any) -> None:
        received.append(number)
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)

    previous = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
