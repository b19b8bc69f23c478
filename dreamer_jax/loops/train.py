"""The training loop: act, remember, learn; the device works while the environments step."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from dreamer_jax.config import Config
from dreamer_jax.faults import Fault
from dreamer_jax.outputs.journal import Journal
from dreamer_jax.run import checkpoint, programs, resume
from dreamer_jax.run.background_save import Saver
from dreamer_jax.run.layout import counted
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Counters, Run, RunState
from dreamer_jax.types import AgentState, Step


def train(run: Run, compiled: Programs) -> AgentState:
    """Trains until `train.steps`, or until a signal asks to stop; saves before it returns.

    Raises Fault where it cannot go on; what was saved before stays as it is.
    """
    config = run.config.train
    with stop_signals() as stopped:
        place, past, notes = resume.start(run, compiled)
        journal = Journal(run.logdir, config, run.env, place.counters, past)
        saver = Saver(run.logdir, config, resume.full_blocks(run, place.counters).stop)
        with journal, saver, jax.transfer_guard("disallow"):
            for note in notes:
                journal.say(note)
            if journal.owed:
                journal.evaluation(place.counters, run.evaluate(place.device.state, stopped))
            while place.counters.step < config.steps and not (stopped() or run.failure()):
                before, began = place.counters, time.monotonic()
                place = advance(run, compiled, journal, place)
                place = occasions(run, compiled, journal, before, place, stopped)
                seconds = before.seconds + time.monotonic() - began
                place = replace(place, counters=replace(place.counters, seconds=seconds))
                if crossed(before.step, place.counters.step, config.save_every):
                    save(run, compiled, journal, saver, place)
            save(run, compiled, journal, saver, place)
            saver.wait()
            journal.conclude(place.counters, place.seen, place.device.sums, run.env)
            journal.ended(place.counters)
            if failure := run.failure():
                journal.say(failure)
                reason = failure.splitlines()[-1]
                raise Fault(f"an environment fails again and again: {reason}")
    return place.device.state


def advance(run: Run, compiled: Programs, journal: Journal, place: RunState) -> RunState:
    """One step of every environment, and the updates that it owes.

    The order hides the device behind the environments. The policy is dispatched first, then the
    updates; both return at once, before they are computed. Fetching the action waits for the policy
    alone, which stands before the updates in the device's queue. While the environments step on the
    host, the device works on the updates. The number of updates is a function of step counts, never
    of the clock, so that a run does the same wherever it runs.

    `place` is consumed: its replay state and carry, and with updates due its agent state and sums,
    are donated and must not be used again.
    """
    device, counters, seen = place.device, place.counters, place.seen
    index = counters.step // run.env.num_envs
    with jax.transfer_guard_host_to_device("allow"):  # what was seen moves with the call itself
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
    owed = updates_owed(step, counters.updates, run.config)
    if owed:
        count = counted(run.layout, owed)
        state, memory, sums = compiled.learn(
            device.seed, device.state, device.memory, device.sums, count, run.recordings
        )
        device = device.replace(state=state, memory=memory, sums=sums)
    journal.saw(counters.step, seen, run.env.starts)
    # Dispatch is asynchronous: this waits for the action, while the device goes on learning.
    chosen = {key: np.asarray(value) for key, value in jax.device_get(action).items()}
    seen = run.env.step(chosen)
    counters = replace(counters, step=step, updates=counters.updates + owed)
    journal.passed(counters, run.env.milestones)
    return RunState(device, counters, seen)


def occasions(
    run: Run,
    compiled: Programs,
    journal: Journal,
    before: Counters,
    place: RunState,
    stopped: Callable[[], bool],
) -> RunState:
    """What is done now and then: logging, pictures, evaluation."""
    config, device, now = run.config.train, place.device, place.counters

    def due(interval: int) -> bool:
        return crossed(before.step, now.step, interval)

    journal.tick(now)
    if due(config.log_every) and now.updates:
        journal.metrics(now, device.sums, run.env.restarts)
        device = device.replace(sums=programs.zeros(compiled.sums))
    if due(config.report_every) and now.updates:
        inputs = (device.seed, device.state, device.memory, run.recordings)
        journal.report(now, *compiled.report(*inputs))
    if due(config.eval_every):
        journal.evaluation(now, run.evaluate(device.state, stopped))
    return replace(place, device=device)


def save(run: Run, compiled: Programs, journal: Journal, saver: Saver, place: RunState) -> None:
    """Has a checkpoint written, unless this step has one; training goes on while it is."""
    began = time.monotonic()
    saver.wait()
    if checkpoint.latest(saver.checkpoints) == place.counters.step:
        return
    journal.settle()
    snapshot = resume.snapshot(run, compiled, place, journal.state(), saver.blocks)
    saver.save(snapshot)
    journal.saved(place.counters, time.monotonic() - began, saver.bytes)


def crossed(before: int, now: int, interval: int) -> bool:
    """Whether a multiple of `interval` lies in (before, now]; steps come in strides of E."""
    return interval > 0 and now // interval > before // interval


def updates_owed(step: int, updates: int, config: Config) -> int:
    """Updates to do now, so that `ratio` steps are replayed for each step taken since the prefill.

    A pure function of integers: a run does the same updates at the same steps wherever it runs.
    """
    batch = config.replay.batch * config.replay.length
    return max(0, (step - prefill(config)) * config.train.ratio // batch - updates)


def prefill(config: Config) -> int:
    """Steps before the first update: at least one window in every row of the ring."""
    return max(config.train.prefill, config.train.envs * (config.replay.length + 1))


def as_step(seen: Any) -> Step:
    """What the environments showed, as a step without an action."""
    return Step(
        obs=seen.obs,
        action={},
        reward=seen.reward,
        is_first=seen.is_first,
        is_last=seen.is_last,
        is_terminal=seen.is_terminal,
        events=seen.events,
    )


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a request to stop; a second one is deadly."""
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
