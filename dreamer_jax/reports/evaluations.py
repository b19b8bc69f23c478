"""Evaluations of a run: those of --mode=eval, and those that training made."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_jax.reports import files
from dreamer_jax.reports.curves import Curve
from dreamer_jax.statistics import t_quantile

FOLDER = "evaluations"
TRAINING = "training"
MOST = 500  # evaluations of a run that are read
WHICH = ("best", "median", "worst")  # films of an evaluation, in this order


class Evaluation(NamedTuple):
    """The scores of one policy at one step; None for what is not known."""

    name: str  # of its file, or TRAINING
    step: int
    policy: str  # greedy or sampled
    mean: float
    checkpoint: str = ""
    episodes: int | None = None
    std: float | None = None
    low: float | None = None  # 95 % interval of the mean
    high: float | None = None
    lowest: float | None = None
    highest: float | None = None
    iqm: float | None = None  # mean of the middle half
    iqm_low: float | None = None
    iqm_high: float | None = None
    success: float | None = None
    success_low: float | None = None
    success_high: float | None = None
    normalized: float | None = None  # 0: random play, 1: a human
    films: tuple[tuple[str, str], ...] = ()  # which episode, name of the file beside the JSON


def read(logdir: Path) -> tuple[list[Evaluation], list[str]]:
    """The evaluations of --mode=eval, by step, and what is wrong with their files."""
    found, notes = list[Evaluation](), list[str]()
    for name in files.names(logdir, FOLDER, suffix=".json")[:MOST]:
        try:
            path = f"{FOLDER}/{name}"
            evaluation = parsed(files.document(logdir, path), name=name.removesuffix(".json"))
        except (files.Unreadable, FileNotFoundError) as error:
            notes.append(str(error))
            continue
        if evaluation:
            found.append(evaluation)
        else:
            notes.append(f"{path} has no step or no mean")
    return sorted(found, key=lambda each: each.step), notes


def parsed(found: Mapping[str, Any], *, name: str) -> Evaluation | None:
    """An evaluation from the content of its file; None without a step or a mean."""
    summary = files.section(found, "summary")
    step, mean = files.number(found.get("step")), files.number(summary.get("mean"))
    if step is None or mean is None:
        return None
    numbers: dict[str, Any] = {
        field: files.number(summary.get(key))
        for field, key in {
            **{"std": "std", "low": "mean_low", "high": "mean_high"},
            **{"lowest": "min", "highest": "max", "normalized": "human_normalized"},
            **{x: x for x in ("iqm", "iqm_low", "iqm_high")},
            **{x: x for x in ("success", "success_low", "success_high")},
        }.items()
    }
    films = files.section(found, "videos")
    episodes = files.number(found.get("episodes"))
    return Evaluation(
        name=name,
        step=int(step),
        policy=files.text(found, "policy"),
        mean=mean,
        checkpoint=str(found.get("checkpoint", "")),
        episodes=None if episodes is None else int(episodes),
        films=tuple((x, file) for x in WHICH if is_name(file := files.text(films, x))),
        **numbers,
    )


def is_name(text: str) -> bool:
    """Whether a text names a file in the same folder."""
    return bool(text) and text == Path(text).name


def of_training(curves: Mapping[str, Curve], *, episodes: int | None) -> list[Evaluation]:
    """The evaluations among the metrics of a run, by step.

    episodes: of each; the interval of the mean by Student's t needs them.
    """
    if "evaluation/mean" not in curves:
        return []
    fields = {
        **{"std": "std", "lowest": "min", "highest": "max", "iqm": "iqm"},
        **{x: x for x in ("success", "success_low", "success_high")},
    }
    by_step = {
        field: dict(zip(curve.step.tolist(), curve.value.tolist(), strict=True))
        for field, key in fields.items()
        if (curve := curves.get(f"evaluation/{key}"))
    }
    found = list[Evaluation]()
    mean_curve = curves["evaluation/mean"]
    for step, mean in zip(mean_curve.step.tolist(), mean_curve.value.tolist(), strict=True):
        numbers: dict[str, Any] = {field: values.get(step) for field, values in by_step.items()}
        low, high = interval(mean, std=numbers.get("std"), episodes=episodes)
        found.append(
            Evaluation(
                name=TRAINING,
                step=int(step),
                policy="greedy",
                mean=mean,
                episodes=episodes,
                low=low,
                high=high,
                **numbers,
            )
        )
    return found


def interval(
    mean: float, *, std: float | None, episodes: int | None
) -> tuple[float | None, float | None]:
    """The 95 % interval of a mean by Student's t, from the deviation of all its episodes.

    mean ± t(0.975, N - 1) std / √(N - 1), where std divides by N as NumPy's does.
    """
    if std is None or episodes is None or episodes < 2:
        return None, None
    half = float(t_quantile(episodes)) * std / math.sqrt(episodes - 1)
    return mean - half, mean + half


def best(found: list[Evaluation]) -> Evaluation | None:
    """That with the highest mean; of equal ones the newest. None if there is none."""
    return max(found, key=lambda each: (each.mean, each.step), default=None)
