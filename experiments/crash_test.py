"""Is a run the same after it was killed? python -m experiments.crash_test --task=cartpole

Trains once without a break, and once killed (SIGKILL) again and again: at random moments, and every
third time in the middle of a save. Compares the SHA-256 of every array that the two runs have saved
last: parameters, optimizer, statistics, replay ring, latents and the state of the episodes. Prints
the steps of the kills, and `all the same` or the names of the arrays that differ (exit code 1).

Most of the time is spent on starting again. A short test takes one to two minutes of CPU time, with
--task=cartpole, gym:Pendulum-v1 or atari_breakout (mario_1_1 and gameboy_demo take the same flags):

    python -m experiments.crash_test --task=atari_breakout --size=nano --kills=3 --length=1200 \\
        --save_every=200 --set=train.envs=4 --set=train.prefill=200 --set=train.ratio=8 \\
        --set=replay.capacity=1000 --set=replay.batch=4 --set=replay.length=16

A stage takes --stage and --data instead of --task; its length and --save_every are updates:

    python -m experiments.crash_test --stage=tokenizer --data=recordings/cartridge --length=900 \\
        --save_every=100 --kills=3 --set=data.image=screen --set=tokenizer.channels="8 16 16"
"""

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_jax.host import array_files
from dreamer_jax.run import checkpoint


def main() -> int:
    """Exit code 0 if the two runs are the same to the last bit, 1 if not."""
    args = flags().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(root / "compiled")
        whole, broken = root / "whole", root / "broken"
        subprocess.run(command(args, whole), check=True)
        kills = kill_again_and_again(args, broken)
        expected, found = digests(whole), digests(broken)
    differ = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    what = f"{args.stage or args.task}: {args.length} {'updates' if args.stage else 'steps'}"
    print(f"{what}, killed at {kills}: {len(expected)} arrays")
    print(f"different: {', '.join(differ)}" if differ else "all the same")
    return bool(differ)


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("crash_test", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--task", default="cartpole", help="environment to train (cartpole)")
    add("--stage", help="of --mode=fit, instead of --task")
    add("--data", help="recordings of the stage")
    add("--init_from", help="passed on")
    add("--length", type=int, default=6000, help="steps of a run (6000)")
    add("--save_every", type=int, default=400, help="steps between two checkpoints (400)")
    add("--kills", type=int, default=10, help="how often the second run is killed (10)")
    add("--seed", type=int, default=0, help="of the moments (0)")
    add("--set", action="append", default=[], help="passed on, as path=value")
    add("--size", help="passed on")
    return parser


def command(args: argparse.Namespace, logdir: Path) -> list[str]:
    """Trains in `logdir`, or resumes there."""
    if args.stage:
        every = f"--set=fit.save_every={args.save_every}"
        own = ["--mode=fit", f"--stage={args.stage}", f"--data={args.data}", every]
    else:
        # Sums of metrics over seconds would begin at other steps.
        every = f"--set=train.save_every={args.save_every}"
        own = [f"--env={args.task}", every, "--set=train.log_seconds=0"]
    return [
        *(sys.executable, "-m", "dreamer_jax.main", *own, f"--logdir={logdir}"),
        *([f"--size={args.size}"] if args.size else []),
        *([f"--init_from={args.init_from}"] if args.init_from else []),
        f"--steps={args.length}",
        *(f"--set={assignment}" for assignment in args.set),
    ]


def kill_again_and_again(args: argparse.Namespace, logdir: Path) -> list[int]:
    """Runs to the end in spite of `kills` kills; the newest checkpoint at each of them."""
    directory, chance = logdir / "checkpoints", random.Random(args.seed)
    killed: list[int] = []
    while True:
        before = newest(directory)
        with subprocess.Popen(command(args, logdir)) as process:
            while process.poll() is None:
                time.sleep(0.001)
                saving = len(killed) % 3 == 2  # every third kill comes while it saves
                if len(killed) == args.kills or newest(directory) == before:
                    continue
                if not saving or any(directory.glob("*.new*")):
                    time.sleep(chance.uniform(0, 0.05 if saving else 4))
                    if process.poll() is None:  # else it was done before
                        process.kill()
                        killed.append(newest(directory))
        if process.returncode == 0:
            return killed
        assert process.returncode < 0, f"the run ended with {process.returncode}"


def newest(directory: Path) -> int:
    """The step of the newest checkpoint, 0 without any."""
    return checkpoint.latest(directory) or 0


def digests(logdir: Path) -> dict[str, str]:
    """SHA-256 of each array in the newest checkpoint and in the ring's blocks, by name."""
    directory = logdir / "checkpoints"
    step = checkpoint.steps(directory)[-1]
    found: dict[str, Any] = {}
    for name, tree in checkpoint.read_arrays(directory, step).items():
        found |= {f"{name}/{path}": x for path, x in array_files.named(tree).items()}
    for file in [*directory.glob(f"{step}/*.npz"), *(logdir / "replay").glob("*.npz")]:
        found |= {f"{file.stem}/{path}": x for path, x in array_files.read_all(file).items()}
    return {name: hashlib.sha256(np.asarray(x).tobytes()).hexdigest() for name, x in found.items()}


if __name__ == "__main__":
    sys.exit(main())
