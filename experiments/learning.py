"""Is a task learnt, and does it stay learnt? python -m experiments.learning --task=cartpole --again

For each seed: the preset's own training, 100 fresh episodes, and with --again training for as long
again and 100 more. Writes one JSON line per evaluation to experiments/results/<name>/ and draws the
curves of all seeds that are there. A run that was interrupted goes on where it was; results whose
run is not in --runs, such as those that came with the checkout, are made anew.

What an option is worth is seen beside a run without it, under a name of its own:
--task=gameboy_demo --name=gameboy_demo_blind --set=env.hide_text=true
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

import matplotlib
from absl import app, flags

import configs
import envs
from dreamer_jax.run import checkpoint

FLAGS = flags.FLAGS
flags.DEFINE_string("task", "cartpole", "Environment to train.")
flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "Seeds to run.")
flags.DEFINE_integer("jobs", 1, "Runs side by side, each on a core of its own.", lower_bound=1)
flags.DEFINE_bool("again", False, "Train for as long again.")
flags.DEFINE_multi_string("set", [], "Changes to the preset, as for training.")
flags.DEFINE_string("name", "", "What the results are filed under; empty: the task.")
flags.DEFINE_string("runs", "logdir/experiments", "Where the runs live.")
flags.DEFINE_string("results", str(Path(__file__).parent / "results"), "Where results are filed.")


def main(_: Sequence[str]) -> None:
    """Runs the seeds, writes what came out of each, and draws all of the task's results."""
    family = envs.family(FLAGS.task)
    preset = configs.load(
        configs.default(FLAGS.task, family), family, envs.default_options(FLAGS.task)
    )
    steps = [preset.train.steps * (i + 1) for i in range(1 + FLAGS.again)]
    folder = Path(FLAGS.results) / name()
    folder.mkdir(parents=True, exist_ok=True)

    def work(job: int) -> None:
        cores = {sorted(os.sched_getaffinity(0))[job]} if FLAGS.jobs > 1 else None
        for seed in FLAGS.seeds[job :: FLAGS.jobs]:
            run(int(seed), steps, cores, folder / f"seed{seed}.jsonl")

    with ThreadPoolExecutor(FLAGS.jobs) as pool:
        list(pool.map(work, range(FLAGS.jobs)))
    draw(folder, steps)


def run(seed: int, steps: Sequence[int], cores: set[int] | None, file: Path) -> None:
    """Trains one seed to each of `steps`, evaluates after each, and writes all evaluations.

    What `file` has of the same run is not done again. Raises RuntimeError if it was interrupted.
    """
    logdir = Path(FLAGS.runs) / f"{name()}-seed{seed}"
    if checkpoint.latest(logdir / "checkpoints") is None:
        file.unlink(missing_ok=True)  # of another run
    command = [sys.executable, "-m", "dreamer_jax.main", f"--env={FLAGS.task}", f"--seed={seed}"]
    command += [f"--logdir={logdir}", *(f"--set={change}" for change in FLAGS.set)]
    before = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    final = [line for line in before if "policy" in line]
    for until in steps:
        if any(line["step"] >= until for line in final):
            continue
        call([*command, f"--steps={until}"], cores)
        if (checkpoint.latest(logdir / "checkpoints") or 0) < until:
            raise RuntimeError(f"the run in {logdir} was interrupted")
        shown = call([*command, "--mode=eval", "--episodes=100"], cores)
        final += [{"step": until, **scores} for scores in read_scores(shown)]
        lines = [*evaluations(logdir), *final]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        print(f"seed {seed}, {until} steps\n{shown}", flush=True)


def name() -> str:
    """What the results are filed under: `gym:Pendulum-v1` -> `gym_Pendulum-v1`."""
    return FLAGS.name or re.sub(r"[^\w.-]+", "_", FLAGS.task)


def call(command: list[str], cores: set[int] | None) -> str:
    """Runs a command, on the given cores only; CalledProcessError if it fails."""
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: cores and os.sched_setaffinity(0, cores),
    )
    return done.stdout


def read_scores(shown: str) -> list[dict[str, Any]]:
    """The scores that --mode=eval prints, one dictionary for each policy."""
    scores = []
    for line in shown.splitlines():
        if line.startswith(" "):  # of events
            continue
        policy, episodes, _, *pairs = line.split()
        values = dict(zip(pairs[::2], map(float, pairs[1::2]), strict=True))
        scores.append({"policy": policy, "episodes": int(episodes), **values})
    return scores


def evaluations(logdir: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl that hold an evaluation."""
    lines = [json.loads(line) for line in (logdir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "evaluation/mean" in line]


def draw(folder: Path, steps: Sequence[int]) -> None:
    """One curve per seed in `folder`: greedy mean of each evaluation against environment steps."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for path in sorted(folder.glob("seed*.jsonl")):
        lines = map(json.loads, path.read_text().splitlines())
        curve = [line for line in lines if "evaluation/mean" in line]
        axes.plot(
            [line["step"] for line in curve],
            [line["evaluation/mean"] for line in curve],
            marker=".",
            label=path.stem.replace("seed", "seed "),
        )
    for end in steps[:-1]:
        axes.axvline(end, color="gray", linestyle=":", label="length of the preset")
    axes.set(xlabel="environment steps", ylabel="greedy score", title=name())
    axes.legend()
    figure.savefig(folder / "curves.png", dpi=120)


if __name__ == "__main__":
    app.run(main)
