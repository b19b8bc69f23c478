"""Does memory stay flat, and what do checkpoints cost? python -m experiments.soak

Fills the ring of an Atari game, plays for half as long again, saves regularly, and samples the
resident memory of the process and its children once a second. Prints the memory when the ring was
full and at the end, and the share of the time that training stood still for checkpoints. Writes
the samples and a curve to experiments/results/soak/. The default took four and a half minutes on
two cores; --task=cartpole --capacity=20000 --save_every=5000 took 20 seconds.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import psutil

BEYOND = 50_000  # steps after the ring was full
RESULTS = Path(__file__).parent / "results" / "soak"


def main() -> None:
    """Runs, then writes and prints the measurements."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("soak", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--task", default="atari_breakout", help="environment to train (atari_breakout)")
    add("--capacity", type=int, default=100_000, help="steps that the ring holds (100000)")
    add("--save_every", type=int, default=10_000, help="steps between two checkpoints (10000)")
    add("--logdir", default="logdir/soak", help="where the run lives; must be new (logdir/soak)")
    args = parser.parse_args()
    command = [sys.executable, "-m", "dreamer_jax.main", f"--env={args.task}", "--size=nano"]
    command += [f"--steps={args.capacity + BEYOND}", f"--logdir={args.logdir}"]
    command += ["--set=train.ratio=1", "--set=train.log_every=1000"]
    command += [f"--set=replay.capacity={args.capacity}"]
    command += [f"--set=train.save_every={args.save_every}"]
    metrics = Path(args.logdir) / "metrics.jsonl"
    with subprocess.Popen(command) as process:
        samples = watch(psutil.Process(process.pid), metrics)
    assert process.returncode == 0, f"the run ended with {process.returncode}"
    before = [memory for step, memory in samples if step <= args.capacity]
    after = [memory for step, memory in samples if step > args.capacity]
    found = {
        "bytes when the ring was full": before[-1],
        f"bytes {BEYOND} steps later": after[-1],
        "most bytes until the ring was full": max(before),
        f"most bytes in the {BEYOND} steps after": max(after),
        **checkpoints(metrics),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"command": command[1:], "found": found, "samples": samples}
    (RESULTS / f"{args.task}.json").write_text(json.dumps(record) + "\n")
    draw(samples, args.capacity, RESULTS / f"{args.task}.png")
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
    saves = [line for line in lines if "speed/checkpoint_seconds" in line]
    pauses = sum(line["speed/checkpoint_seconds"] for line in saves)
    return {
        "checkpoints": len(saves),
        "share of time in pauses": pauses / lines[-1]["seconds"],
        "bytes of a checkpoint": saves[-1]["speed/checkpoint_bytes"],
    }


def draw(samples: list[tuple[int, int]], capacity: int, file: Path) -> None:
    """Resident memory against steps."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    steps, memory = zip(*samples, strict=True)
    axes.plot(steps, [x / 1e9 for x in memory])
    axes.axvline(capacity, color="gray", linestyle=":", label="the ring is full")
    axes.set(xlabel="environment steps", ylabel="resident memory, GB", ylim=(0, None))
    axes.legend()
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
