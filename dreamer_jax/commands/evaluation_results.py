"""The result of an evaluation: printed, and kept as JSON in the logdir."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import envs
from dreamer_jax.commands.changes import Changes, that_matter
from dreamer_jax.host import text_files
from dreamer_jax.loops import evaluate
from dreamer_jax.run import manifest
from dreamer_jax.statistics import bootstrap

FOLDER = "evaluations"  # in the logdir


def scored(results: evaluate.Results, *, env: str) -> dict[str, float]:
    """What the scores say: `evaluate.summary` and `statistics.bootstrap`, and for Atari the mean
    as a human would have it: 0 is random play, 1 a human."""
    scores = evaluate.summary(results) | bootstrap(results["score"])
    normalized = envs.human_normalized(env, scores["mean"])
    return scores if normalized is None else {**scores, "human_normalized": normalized}


def show(results: evaluate.Results, scores: Mapping[str, float], *, policy: str) -> None:
    """Prints the scores of a policy, and the events of its episodes."""
    for name, numbers in ((policy, scores), ("", evaluate.events(results))):
        text = "  ".join(f"{key} {value:.2f}" for key, value in numbers.items())
        what = f"{len(results['score'])} episodes" if name else "events, on average"
        if numbers:
            print(f"{name:8} {what}  {text}", flush=True)


def stem(*, step: int, policy: str, episodes: int, seed: int, changes: Changes) -> str:
    """The name of a result and of its films, without a suffix.

    The same evaluation has the same name. Changes of the run that numbers depend on make another.

    seed: of the run.
    """
    name = f"step{step}-{policy}-{episodes}episodes-seed{seed}"
    if changed := that_matter(changes):
        text = json.dumps({path: values[1] for path, values in sorted(changed.items())})
        name += f"-changed-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return name


def record(
    results: evaluate.Results,
    scores: Mapping[str, float],
    *,
    step: int,
    checkpoint: str,
    policy: str,
    seed: int,
    env: str,
    seconds: float,
    changes: Changes,
) -> dict[str, Any]:
    """The JSON of an evaluation, without its films.

    Args:
      results: of the episodes.
      scores: from `scored`.
      step: of the checkpoint.
      checkpoint: as the user named it.
      policy: greedy or sampled.
      seed: of the episodes.
      env: the environment's name.
      seconds: that the episodes took.
      changes: of the run, by this command.
    """
    return {
        "step": step,
        "checkpoint": checkpoint,
        "policy": policy,
        "episodes": len(results["score"]),
        "seed": seed,
        "env": env,
        "scores": [float(x) for x in results["score"]],
        "lengths": [int(x) for x in results["length"]],
        "events": evaluate.events(results),
        "summary": dict(scores),
        "videos": {},
        "seconds": round(seconds, 3),
        "changes": {path: values[1] for path, values in that_matter(changes).items()},
        "versions": manifest.versions(),
    }


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Writes a result; the file is complete or as it was before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text_files.write(path, json.dumps(result, indent=1) + "\n")
