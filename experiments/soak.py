"""Does memory stay flat, and what do checkpoints cost? python -m experiments.soak

Fills the ring of an Atari game, plays on for half as long again, saving all the while, and samples
the resident memory of the process (and its children). Prints what grew after the ring was full, and
the share of the time that training stood still for checkpoints; draws memory against steps.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import psutil
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("task", "atari_breakout", "Environment to train.")
flags.DEFINE_integer("capacity", 100_000, "Steps that the ring holds.", lower_bound=1)
flags.DEFINE_integer("beyond", 50_000, "Steps after the ring was full.", lower_bound=1)
flags.DEFINE_integer("save_every", 10_000, "Steps between two checkpoints.", lower_bound=1)
flags.DEFINE_multi_string("set", ["train.ratio=1"], "Passed on, as path=value.")
flags.DEFINE_string("size", "nano", "Passed on.")
flags.DEFINE_string("logdir", "logdir/soak", "Where the run lives; must be new.")
RESULTS = Path(__file__).parent / "results" / "soak"


def main(_: Sequence[str]) -> None:
    """Runs, then writes and prints what came out."""
    logdir, steps = Path(FLAGS.logdir), FLAGS.capacity + FLAGS.beyond
    numbers = {"replay.capacity": FLAGS.capacity, "train.save_every": FLAGS.save_every}
    settings = [*FLAGS.set, "train.log_every=1000", *(f"{k}={x}" for k, x in numbers.items())]
    command = [sys.executable, "-m", "dreamer_jax.main", f"--env={FLAGS.task}", f"--steps={steps}"]
    command += [f"--logdir={logdir}", f"--size={FLAGS.size}", *(f"--set={x}" for x in settings)]
    with subprocess.Popen(command) as process:
        samples = watch(psutil.Process(process.pid), logdir / "metrics.jsonl")
    assert process.returncode == 0, f"the run ended with {process.returncode}"
    before = [memory for step, memory in samples if step <= FLAGS.capacity]
    after = [memory for step, memory in samples if step > FLAGS.capacity]
    found = {
        "bytes when the ring was full": before[-1],
        f"bytes {FLAGS.beyond} steps later": after[-1],
        "most bytes until the ring was full": max(before),
        f"most bytes in the {FLAGS.beyond} steps after": max(after),
        **checkpoints(logdir / "metrics.jsonl"),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"command": command[1:], "found": found, "samples": samples}
    (RESULTS / f"{FLAGS.task}.json").write_text(json.dumps(record) + "\n")
    draw(samples)
    print(json.dumps(found, indent=2))


def watch(process: psutil.Process, metrics: Path) -> list[tuple[int, int]]:
    """(step, resident bytes) every second until the process ends."""
    samples = []
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        if lines:
            family = [process, *process.children(recursive=True)]
            memory = sum(member.memory_info().rss for member in family)
            if memory:  # none is left of a process that is just ending
                samples.append((json.loads(lines[-1])["step"], memory))
        time.sleep(1)
    return samples


def checkpoints(metrics: Path) -> dict[str, float]:
    """Share of the time that training stood still, and the bytes of the last checkpoint."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    saves = [line for line in lines if "checkpoint/pause_seconds" in line]
    pauses = sum(line["checkpoint/pause_seconds"] for line in saves)
    return {
        "checkpoints": len(saves),
        "share of time in pauses": pauses / lines[-1]["seconds"],
        "bytes of a checkpoint": saves[-1]["checkpoint/bytes_before"],
    }


def draw(samples: list[tuple[int, int]]) -> None:
    """Resident memory against steps."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    steps, memory = zip(*samples, strict=True)
    axes.plot(steps, [x / 1e9 for x in memory])
    axes.axvline(FLAGS.capacity, color="gray", linestyle=":", label="the ring is full")
    axes.set(xlabel="environment steps", ylabel="resident memory, GB", ylim=(0, None))
    axes.legend()
    figure.savefig(RESULTS / f"{FLAGS.task}.png", dpi=120)


if __name__ == "__main__":
    app.run(main)
