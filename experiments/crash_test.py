"""Is a run the same after it was killed? python -m experiments.crash_test --task=cartpole

Trains once without a break, and once killed (SIGKILL) again and again: at random moments, and every
third time in the middle of a save. Then compares the SHA-256 of every array that the two runs have
saved last: parameters, optimiser, statistics, replay ring, latents and the state of the episodes.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from dreamer_jax.run import checkpoint
from experiments.digests import digests

FLAGS = flags.FLAGS
flags.DEFINE_string("task", "cartpole", "Environment to train.")
flags.DEFINE_integer("length", 6000, "Steps of a run.", lower_bound=1)
flags.DEFINE_integer("save_every", 400, "Steps between two checkpoints.", lower_bound=1)
flags.DEFINE_integer("kills", 10, "How often the second run is killed.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Decides when.", lower_bound=0)
flags.DEFINE_multi_string("set", [], "Passed on, as path=value.")
flags.DEFINE_string("size", None, "Passed on.")


def main(_: Sequence[str]) -> int:
    """Exit code 0 if the two runs are the same to the last bit, 1 if not."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(root / "compiled")
        whole, broken = root / "whole", root / "broken"
        subprocess.run(command(whole), check=True)
        kills = kill_again_and_again(broken, random.Random(FLAGS.seed))
        expected, found = digests(whole), digests(broken)
    differ = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    print(f"{FLAGS.task}: {FLAGS.length} steps, killed at steps {kills}: {len(expected)} arrays")
    print(f"different: {', '.join(differ)}" if differ else "all the same")
    return bool(differ)


def command(logdir: Path) -> list[str]:
    """Trains in `logdir`, or goes on there."""
    numbers = [*FLAGS.set, f"train.save_every={FLAGS.save_every}"]
    return [
        *(sys.executable, "-m", "dreamer_jax.main", f"--env={FLAGS.task}", f"--logdir={logdir}"),
        *([f"--size={FLAGS.size}"] if FLAGS.size else []),
        *(f"--steps={FLAGS.length}", *(f"--set={number}" for number in numbers)),
    ]


def kill_again_and_again(logdir: Path, chance: random.Random) -> list[int]:
    """Runs to the end in spite of `kills` kills; returns the newest checkpoint at each of them."""
    killed: list[int] = []
    while True:
        before = checkpoint.latest(logdir / "checkpoints") or 0
        with subprocess.Popen(command(logdir)) as process:
            while process.poll() is None:
                time.sleep(0.001)
                if len(killed) < FLAGS.kills and moment_has_come(logdir, before, len(killed)):
                    time.sleep(chance.uniform(0, 0.05 if len(killed) % 3 == 2 else 4))
                    process.kill()
                    killed.append(checkpoint.latest(logdir / "checkpoints") or 0)
        if process.returncode == 0:
            return killed
        assert process.returncode < 0, f"the run ended by itself with {process.returncode}"


def moment_has_come(logdir: Path, before: int, kill: int) -> bool:
    """Every third time while a checkpoint is written, else soon after one was."""
    directory = logdir / "checkpoints"
    newest = checkpoint.latest(directory) or 0
    if kill % 3 == 2:
        return newest > before and any(directory.glob("*.new*"))
    return newest > before


if __name__ == "__main__":
    app.run(main)
