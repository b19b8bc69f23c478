"""Whole runs in environments made at random: python -m experiments.fuzz --draws=40

Each draw is another environment of `experiments.random_environments`, with nested spaces and with
misbehavior of any method, and also with what only a separate process survives: crashes, hangs.
It is trained, resumed and evaluated by the command line, one fourth also without the break. Then:

* no command hangs, prints a traceback, or ends with another exit code than 0, 1 or 2;
* a command that fails says why in one line, which begins with `error:`;
* every array on disk is finite;
* a run with a break equals the one without to the last bit, if its environment repeats itself.

Prints a line for each draw, and what was wrong at the end (exit code 1). A draw takes about half a
minute of CPU time.
"""

import argparse
import collections
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamer_jax.host import array_files
from dreamer_jax.run import checkpoint
from experiments.crash_test import digests
from experiments.random_environments import RandomEnv

NAME = "gym:experiments.random_environments:Random-v0"
PATIENCE = 600  # seconds after which a command hangs
STEPS, LONGER = 120, 200  # of a run, and after it was resumed
UNBROKEN = 4  # one of so many draws is also trained without a break
FLAGS = (
    *(
        "--config=debug",
        "--set=train.envs=2",
        "--set=train.prefill=60",
        "--set=replay.capacity=400",
    ),
    *("--set=replay.batch=4", "--set=replay.length=8", "--set=train.ratio=16"),
    *("--set=train.log_seconds=0", "--set=train.log_every=50", "--set=env.timeout=5"),
)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    said: str  # on stderr


def main() -> int:
    """Exit code 0 if nothing was wrong."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("fuzz", description=__doc__, formatter_class=form)
    parser.add_argument("--draws", type=int, default=40, help="how many (40)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (0)")
    args = parser.parse_args()
    wrong, codes = list[str](), collections.Counter[tuple[int, ...]]()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{folder}/compiled")
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        for draw in range(args.first, args.first + args.draws):
            found = list[str]()
            ended = played(draw, Path(folder) / str(draw), found)
            codes[tuple(x.code for x in ended)] += 1
            harms = RandomEnv(draw, deadly=True).harms
            last = ended[-1].said.strip().splitlines() if ended[-1].code else [""]
            print(draw, [x.code for x in ended], harms, last[-1], *found, flush=True)
            wrong += [f"draw {draw}: {text}" for text in found]
    print(f"exit codes: {dict(codes)}", *wrong, sep="\n")
    return bool(wrong)


def played(draw: int, folder: Path, wrong: list[str]) -> list[Ended]:
    """Trains, resumes and evaluates; adds to `wrong` what should not be."""
    broken, whole = folder / "broken", folder / "whole"
    ended = [train(draw, broken, steps=STEPS)]
    if not ended[0].code:
        ended += [train(draw, broken, steps=LONGER), evaluate(broken)]
    wrong += [text for each in ended for text in faults(each)]
    for logdir in (broken, whole):
        wrong += poison(logdir)
    repeats = "wilful" not in RandomEnv(draw, deadly=True).harms
    if draw % UNBROKEN == 0 and repeats and not any(x.code for x in ended):
        if train(draw, whole, steps=LONGER).code:
            wrong.append("the run without a break failed")
        elif digests(whole) != digests(broken):
            wrong.append("the resumed run differs from the one without a break")
    return ended


def train(draw: int, logdir: Path, *, steps: int) -> Ended:
    """Trains, or resumes."""
    given = f'--set=env.kwargs={{"draw": {draw}, "deadly": true}}'
    new = () if (logdir / "config.json").exists() else (*FLAGS, given)
    return command(f"--env={NAME}", f"--logdir={logdir}", f"--steps={steps}", *new)


def evaluate(logdir: Path) -> Ended:
    """Plays two episodes greedily and two sampled."""
    return command("--mode=eval", f"--env={NAME}", f"--logdir={logdir}", "--episodes=2")


def command(*flags: str) -> Ended:
    """Runs the command line; a command that hangs is killed, with exit code 124."""
    line = [sys.executable, "-m", "dreamer_jax.main", *flags]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        return Ended(124, f"{error.stderr}")
    return Ended(done.returncode, done.stderr)


def faults(ended: Ended) -> list[str]:
    """What should not be in the end of a command."""
    found = list[str]()
    if "Traceback" in ended.said:
        found.append(f"a traceback: {ended.said[-2000:]}")
    if ended.code not in (0, 1, 2):
        found.append(f"exit code {ended.code}: {ended.said[-500:]}")
    last = ended.said.strip().splitlines()[-1:] or [""]
    if ended.code and not last[0].startswith("error: "):
        found.append(f"no reason for exit code {ended.code}: {last[0]}")
    return found


def poison(logdir: Path) -> list[str]:
    """Arrays on disk that are not finite."""
    files = [*(logdir / "replay").glob("*.npz"), *(logdir / "checkpoints").glob("*/*.npz")]
    arrays = {f"{x.name}/{k}": a for x in files for k, a in array_files.read_all(x).items()}
    for step in checkpoint.steps(logdir / "checkpoints"):
        for name, tree in checkpoint.read_arrays(logdir / "checkpoints", step).items():
            arrays |= {f"{name}/{k}": np.asarray(a) for k, a in array_files.named(tree).items()}
    numbers = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
    return [f"{name} is not finite" for name, a in numbers.items() if not np.isfinite(a).all()]


if __name__ == "__main__":
    sys.exit(main())
