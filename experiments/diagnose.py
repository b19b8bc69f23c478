"""What does a saved run believe? python -m experiments.diagnose --logdir=logdir/cartpole-seed0

Restores agent and replay of the newest checkpoint, measures `diagnosis/...` on batches drawn from
replay, and prints the mean of each number, its smallest and its largest value. Below them stands
every finding of the checks of `docs/diagnosis.md`. Nothing is written, and no step is played. The
environment is made, as for a resume, because its spaces are needed.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.commands.prepared import prepare
from dreamer_jax.counters import Counters
from dreamer_jax.faults import Fault
from dreamer_jax.main import COMMANDS, complain
from dreamer_jax.outputs.checks import CHECKS
from dreamer_jax.outputs.findings import DIAGNOSIS, Finding, Watched, judge, measured
from dreamer_jax.run import checkpoint, resume
from dreamer_jax.run.layout import count_on_device, seed_on_device
from dreamer_jax.run.preflight import uncompiled
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from dreamer_jax.run.stored_ring import stored_blocks
from dreamer_jax.types import ReplayState


class Saved(NamedTuple):
    """A run at a checkpoint, without its environments."""

    run: Run
    programs: Programs  # compiled when they are first called
    state: Any  # of the agent, an `AgentState`
    memory: ReplayState
    counters: Counters


def main() -> int:
    """Prints measures and findings; exit code 2 for a mistake of the user, 1 for a damaged run."""
    args = flags().parse_args()
    try:
        with ExitStack() as opened:
            saved = load(args.logdir, step=args.step, opened=opened)
            values = list(batches_of(saved, batches=args.batches))
    except (ValueError, OSError) as error:
        return complain(error, 2)
    except Fault as error:
        return complain(error, 1)
    print(f"{args.logdir} at step {saved.counters.step}, {saved.counters.updates} updates")
    for name in sorted(values[0]):
        numbers = np.array([each[name] for each in values])
        found = numbers[np.isfinite(numbers)]
        text = "not in these batches"
        if len(found):
            text = f"{found.mean():10.4f}   {found.min():10.4f} .. {found.max():.4f}"
        print(f"{name:48} {text}")
    for finding in findings(values):
        print(f"{finding.check}: {finding.sentence}. {finding.advice}")
    return 0


def findings(values: list[dict[str, float]]) -> list[Finding]:
    """What the checks say if these are the reports of a run."""
    watch, found = dict[str, Watched](), dict[str, Finding]()
    for each in values:
        watch, news = judge(CHECKS, watch, measured(each))
        found |= {finding.check: finding for finding in news}
    return [finding for name, finding in found.items() if watch[name].fails]


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("diagnose", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--logdir", type=Path, required=True, help="of the run")
    add("--step", type=int, help="of the checkpoint (the newest one)")
    add("--batches", type=int, default=5, help="how many batches to measure (5)")
    return parser


def load(logdir: Path, *, step: int | None, opened: ExitStack) -> Saved:
    """The run at a checkpoint, None for the newest one; `opened` closes its environments."""
    measuring = "--set=train.diagnosis=true"  # a run may have switched it off
    setup = decide(parse(["diagnose", f"--logdir={logdir}", measuring], COMMANDS))
    run = prepare(setup, opened).run
    directory = logdir / "checkpoints"
    at = step or checkpoint.latest(directory)
    if at is None:
        raise ValueError(f"no checkpoint in {logdir} yet")
    programs, _ = uncompiled(run)
    saved = checkpoint.read_counters(directory, at)
    counters, _ = resume.read_counters(run, saved, step=at)
    memory = resume.empty(run)
    items = checkpoint.restore(directory, at, resume.checkpoint_shapes(run, memory))
    for first, steps in stored_blocks(run, memory, counters=counters):
        place = count_on_device(run.layout, first)
        memory = programs.put(memory, place, jax.device_put(steps, run.layout.seen))
    memory = memory.replace(**items["replay"])
    return Saved(run, programs, items["agent"], memory, counters)


def batches_of(saved: Saved, *, batches: int) -> Iterator[dict[str, float]]:
    """The measures of each batch. The seed of the run gives that which training would draw."""
    for i in range(batches):
        seed = seed_on_device(saved.run.layout, saved.run.seed + i)
        metrics, _ = saved.programs.report(seed, saved.state, saved.memory, None)
        values = jax.device_get(metrics)
        yield {name: float(x) for name, x in values.items() if name.startswith(DIAGNOSIS)}


if __name__ == "__main__":
    sys.exit(main())
