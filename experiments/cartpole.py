"""Does CartPole stay learnt? python -m experiments.cartpole --seeds=5 --jobs=2

For each seed: the preset's own training, 100 fresh greedy episodes, training for as long again, and
100 more. Writes one JSON line per evaluation to experiments/results/cartpole/ and draws the curves.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from absl import app, flags

import configs
import envs

FLAGS = flags.FLAGS
flags.DEFINE_string("task", "cartpole", "Environment to train.")
flags.DEFINE_integer("seeds", 5, "Seeds 0 to this, exclusively.", lower_bound=1)
flags.DEFINE_integer("jobs", 2, "Runs side by side, each on a core of its own.", lower_bound=1)
flags.DEFINE_integer("again", 1, "1: train for as long again, 0: do not.")
flags.DEFINE_string("runs", "logdir/experiments", "Where the runs live.")
RESULTS = Path(__file__).parent / "results"


def main(_: Sequence[str]) -> None:
    """Runs all seeds, then writes and draws what came out."""
    family = envs.family(FLAGS.task)
    preset = configs.load(
        configs.default(FLAGS.task, family), family, envs.default_options(FLAGS.task)
    )
    steps = [preset.train.steps * (i + 1) for i in range(1 + FLAGS.again)]
    seeds = range(FLAGS.seeds)
    with ThreadPoolExecutor(FLAGS.jobs) as pool:
        results = dict(zip(seeds, pool.map(lambda seed: run(seed, steps), seeds), strict=True))
    folder = RESULTS / re.sub(r"[^\w.-]+", "_", FLAGS.task)
    folder.mkdir(parents=True, exist_ok=True)
    for seed, lines in results.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"seed{seed}.jsonl").write_text(text)
    draw(results, steps, folder / "curves.png")


def run(seed: int, steps: Sequence[int]) -> list[dict[str, Any]]:
    """Trains one seed to each of `steps`, evaluating after each; returns all evaluations."""
    logdir = Path(FLAGS.runs) / f"{FLAGS.task}-seed{seed}"
    command = [sys.executable, "-m", "dreamer_jax.main", f"--env={FLAGS.task}", f"--seed={seed}"]
    command.append(f"--logdir={logdir}")
    core = {seed % FLAGS.jobs} if FLAGS.jobs > 1 else os.sched_getaffinity(0)
    final = []
    for until in steps:
        call([*command, f"--steps={until}"], core)
        shown = call([*command, "--mode=eval", "--episodes=100"], core)
        final += [{"step": until, **scores} for scores in read_scores(shown)]
        print(f"seed {seed}, {until} steps\n{shown}", flush=True)
    return [*evaluations(logdir), *final]


def call(command: list[str], core: set[int]) -> str:
    """Runs a command on the given cores; CalledProcessError if it fails."""
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    return done.stdout


def read_scores(shown: str) -> list[dict[str, Any]]:
    """What --mode=eval prints, one dictionary for each of its lines."""
    scores = []
    for line in shown.strip().splitlines():
        policy, episodes, _, *pairs = line.split()
        values = dict(zip(pairs[::2], map(float, pairs[1::2]), strict=True))
        scores.append({"policy": policy, "episodes": int(episodes), **values})
    return scores


def evaluations(logdir: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl that hold an evaluation."""
    lines = [json.loads(line) for line in (logdir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "evaluation/mean" in line]


def draw(results: dict[int, list[dict[str, Any]]], steps: Sequence[int], path: Path) -> None:
    """One curve per seed: greedy mean of each evaluation against environment steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for seed, lines in results.items():
        curve = [line for line in lines if "evaluation/mean" in line]
        axes.plot(
            [line["step"] for line in curve],
            [line["evaluation/mean"] for line in curve],
            marker=".",
            label=f"seed {seed}",
        )
    for end in steps[:-1]:
        axes.axvline(end, color="gray", linestyle=":", label="length of the preset")
    axes.set(xlabel="environment steps", ylabel="greedy score", title=FLAGS.task)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    app.run(main)
