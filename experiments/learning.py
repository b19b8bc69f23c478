"""Does an agent learn a task and keep it? python -m experiments.learning --task=cartpole --again

For each seed: the preset's own training, fresh episodes, and with --again training for as long
again and as many more. Prints the scores of these episodes, writes one JSON line per evaluation to
experiments/results/<name>/ and draws the curves of all seeds there. An interrupted run resumes.
Results without a run in --runs, such as those of the checkout, are replaced.

A preset without evaluations has the scores of its training episodes in the curve. --steps=N takes
the place of the preset's own length.

Curves of others are drawn dashed, where experiments/results/compared.json has some of that name.

--name keeps the results of an option apart from those without it:
--task=gameboy_demo --seeds=0,1,2 --jobs=2 --name=gameboy_demo_blind --set=env.hide_text=true

One seed of cartpole takes 4 to 7 minutes on one core, and twice as long with --again;
gym:Pendulum-v1 6 to 12, cartpole_pixels 10, gameboy_demo 14 to 20 minutes.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import matplotlib

import configs
import envs
from dreamer_jax.run import checkpoint

RESULTS = Path(__file__).parent / "results"
COMPARED = RESULTS / "compared.json"  # name -> curves: label, and scores by steps or a file
# Lines of --mode=eval: policy and how many episodes, or neither for events; names and numbers.
EVALUATED = re.compile(r"^(\w*) +(?:(\d+) episodes|events, on average)  (.*)$", re.MULTILINE)
# Metrics that a curve may show -> what they are.
SCORES = {"evaluation/mean": "greedy score", "episode/mean_score": "score of training episodes"}
OTHERS = ("gray", "tab:orange")  # of curves of others


def main() -> None:
    """Runs the seeds, writes the evaluations of each, and draws all of the task's results."""
    args = flags().parse_args()
    family = envs.family(args.task)
    default = configs.default(args.task, family, platform=jax.default_backend(), agent=args.agent)
    preset = configs.load(default, family=family, options=envs.default_options(args.task))
    length = args.steps or preset.train.steps
    steps = [length * (i + 1) for i in range(1 + args.again)]
    name = args.name or re.sub(r"[^\w.-]+", "_", f"{args.task} {args.agent}".strip())
    folder = args.results / name
    folder.mkdir(parents=True, exist_ok=True)

    cores = sorted(os.sched_getaffinity(0))

    def work(job: int) -> None:
        if args.jobs > 1:  # of this thread, and so of what it starts
            os.sched_setaffinity(0, {cores[job]})
        for seed in args.seeds.split(",")[job :: args.jobs]:
            logdir = args.runs / f"{name}-seed{seed}"
            command = [sys.executable, "-m", "dreamer_jax.main", f"--env={args.task}"]
            command += [f"--seed={seed}", f"--logdir={logdir}"]
            command += [f"--agent={args.agent}"] if args.agent else []
            command += [f"--set={assignment}" for assignment in args.set]
            file = folder / f"seed{seed}.jsonl"
            run(command, logdir, steps=steps, episodes=args.episodes, file=file)

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(work, range(args.jobs)))
    draw(folder, steps)


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("learning", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--task", default="cartpole", help="environment to train (cartpole)")
    add("--agent", default="", help="such as ppo (the task's own)")
    add("--seeds", default="0,1,2,3,4", help="seeds to run (0,1,2,3,4)")
    add("--jobs", type=int, default=1, help="runs side by side, each on one core (1)")
    add("--steps", type=int, help="of each run (the preset's)")
    add("--again", action="store_true", help="train for as long again")
    add("--episodes", type=int, default=100, help="after training, of each policy (100)")
    add("--set", action="append", default=[], help="passed on, as path=value")
    add("--name", help="of the folder of the results (task and agent, such as cartpole_ppo)")
    add("--runs", type=Path, default=Path("logdir/experiments"), help="where the runs live")
    add("--results", type=Path, default=RESULTS, help="where the results are filed")
    return parser


def run(
    command: list[str],
    logdir: Path,
    *,
    steps: Sequence[int],
    episodes: int,
    file: Path,
) -> None:
    """Trains one seed to each of `steps`, evaluates after each, and writes all evaluations.

    What `file` has of the same run is not done again. Raises RuntimeError if it was interrupted.
    """
    if checkpoint.latest(logdir / "checkpoints") is None:
        file.unlink(missing_ok=True)  # of another run
    before = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    final = [line for line in before if "policy" in line]
    for until in steps:
        if any(line["step"] >= until for line in final):
            continue
        call([*command, f"--steps={until}"])
        if (checkpoint.latest(logdir / "checkpoints") or 0) < until:
            raise RuntimeError(f"the run in {logdir} was interrupted")
        shown = call([*command, "--mode=eval", f"--episodes={episodes}"])
        final += [{"step": until, **scores} for scores in read_scores(shown)]
        lines = [*evaluations(logdir), *final]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        print(f"{file.stem}, {until} steps\n{shown}", flush=True)


def call(command: list[str]) -> str:
    """Runs a command: what it prints; CalledProcessError if it fails."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def read_scores(shown: str) -> list[dict[str, Any]]:
    """The scores that --mode=eval prints, and the mean events: one dictionary for each policy."""
    scores = list[dict[str, Any]]()
    for policy, episodes, numbers in EVALUATED.findall(shown):
        values = {name: float(x) for name, x in re.findall(r"(\S+) (\S+)", numbers)}
        if policy:
            scores.append({"policy": policy, "episodes": int(episodes), **values})
        else:
            scores[-1]["events"] = values
    if not scores:
        raise ValueError(f"no scores in {shown!r}")
    return scores


def evaluations(logdir: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl that hold an evaluation, or else mean scores of training."""
    lines = [json.loads(line) for line in (logdir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if metric_of(lines) in line]


def metric_of(lines: Sequence[dict[str, Any]]) -> str:
    """The first of SCORES that any line has; empty if there is none."""
    return next((name for name in SCORES if any(name in line for line in lines)), "")


def curve(file: Path) -> tuple[list[tuple[int, float]], str]:
    """Steps and scores of the results of one seed, and what these scores are."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    metric = metric_of(lines)
    return [(line["step"], line[metric]) for line in lines if metric in line], SCORES[metric]


def compared(name: str) -> dict[str, list[tuple[int, float]]]:
    """Curves of others for the results of this name, by label."""
    others = json.loads(COMPARED.read_text(encoding="utf-8")).get(name, [])
    return {
        other["label"]: other.get("scores") or curve(RESULTS / other["results"])[0]
        for other in others
    }


def draw(folder: Path, steps: Sequence[int]) -> None:
    """One curve per seed in `folder`: its scores against environment steps."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for path in sorted(folder.glob("seed*.jsonl")):
        points, kind = curve(path)
        axes.plot(*zip(*points, strict=True), marker=".", label=path.stem.replace("seed", "seed "))
        axes.set(ylabel=kind)
    for (label, points), color in zip(compared(folder.name).items(), OTHERS, strict=False):
        axes.plot(*zip(*points, strict=True), color=color, linestyle="--", marker=".", label=label)
    for end in steps[:-1]:
        axes.axvline(end, color="gray", linestyle=":", label="length of the preset")
    axes.set(xlabel="environment steps", title=folder.name)
    axes.legend()
    figure.savefig(folder / "curves.png", dpi=120)


if __name__ == "__main__":
    main()
