"""How far a run is, in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dreamer_jax.reports import curves, evaluations, files
from dreamer_jax.reports.groups import Group
from dreamer_jax.reports.references import Scale
from dreamer_jax.reports.run_record import RunRecord

SOLVED = 0.95  # of the largest score, or of the episodes
RECENT = 120  # s since the last line of a run that trains, and a few times its interval
TRENDS = {1: "Training scores still rise.", -1: "Training scores fall at the end.", 0: ""}
DONE = "Solved: "
LAST = 20  # episodes, where there was no evaluation


def state(run: RunRecord) -> str:
    """Whether a run is done, trains, or was stopped."""
    if not run.step:
        return "has not begun" if run.age is None or run.age > RECENT else "begins"
    if run.planned and run.step >= run.planned:
        return "finished"
    seconds = files.number(files.section(run.settings, "train").get("log_seconds")) or 0
    if run.age is not None and run.age < max(RECENT, 4 * seconds):
        return "in training"
    return "stopped"


def latest_score(run: RunRecord) -> float | None:
    """The newest evaluation by training; without one the mean of the last training episodes."""
    if found := [x for x in run.evaluations if x.name == evaluations.TRAINING]:
        return found[-1].mean
    return float(run.episodes.score[-LAST:].mean()) if len(run.episodes.score) else None


def across_seeds(group: Group) -> tuple[float, float, float] | None:
    """Mean and 95 % interval over the runs of a group of their latest scores; None without any."""
    scores = [x for run in group.runs if (x := latest_score(run)) is not None]
    return curves.mean_interval(np.array(scores)) if scores else None


def verdict(run: RunRecord, scale: Scale) -> str:
    """What a run has reached, in a sentence or three."""
    if run.stage:
        return "It learns from recordings alone; held-out metrics are of runs that it never sees."
    found = evaluations.best(run.evaluations)
    recent = latest_score(run)
    if found is None and recent is None:
        return "No episode has ended yet, so there is no score."
    score = found.mean if found else float(recent or 0)
    who = f"the {found.policy or 'evaluated'} policy" if found else "training"
    level = rank(score, success=found.success if found else None, who=who, scale=scale)
    if len(of_training := [x for x in run.evaluations if x.name == evaluations.TRAINING]) > 1:
        newest, highest = of_training[-1], evaluations.best(of_training)
        assert highest is not None
        if newest.high is not None and highest.low is not None and newest.high < highest.low:
            text = f"The newest evaluation ({newest.mean:.4g}) is clearly below the best one."
            return f"{level} {text}"
    end = "" if level.startswith(DONE) else TRENDS[curves.trend(run.episodes.score)]
    return f"{level} {end}".strip()


def rank(score: float, *, success: float | None, who: str, scale: Scale) -> str:
    """How good a mean score is, next to those that are known.

    success: share of the episodes that solved the task; None if it cannot be solved.
    """
    solved = (success or 0) >= SOLVED or (
        scale.largest is not None and score >= SOLVED * scale.largest
    )
    who = who if solved else who[0].upper() + who[1:]
    if success is not None:
        word = DONE if solved else ""
        chance = f"; random actions do in {scale.success:.0%}" if scale.success is not None else ""
        return f"{word}{who} solves the task in {success:.0%} of the episodes{chance}."
    if scale.largest is not None and solved:
        return f"{DONE}{who} reaches {score:.4g} of {scale.largest:.4g}."
    normalized = scale.normalized(score)
    if normalized is not None:
        if normalized >= 1:
            return (
                f"{who} reaches {score:.4g}, {normalized:.1f} times as far from random as a human."
            )
        if normalized <= 0.02:
            return f"{who} reaches {score:.4g}, which is what random actions reach."
        return f"{who} reaches {score:.4g}: {normalized:.0%} of the way from random to human play."
    if scale.largest is not None and scale.random is not None:
        share = (score - scale.random) / (scale.largest - scale.random)
        return (
            f"{who} reaches {score:.4g}: {share:.0%} of the way from random to the largest score."
        )
    return f"{who} reaches {score:.4g}."


def open_findings(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings of a diagnosis that have begun and not ended, the newest of each check."""
    current = dict[str, dict[str, Any]]()
    for each in found:
        check = files.text(each, "check")
        current.pop(check, None)
        if files.text(each, "state") == "begins":
            current[check] = each
    return list(current.values())
