"""Everything a page shows of one run, read from its logdir."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamer_jax.reports import evaluations, event_files, files, metric_names
from dreamer_jax.reports.curves import Curve
from dreamer_jax.reports.evaluations import Evaluation
from dreamer_jax.reports.event_files import Picture
from dreamer_jax.reports.files import CONFIG, METRICS

EPISODES = "episodes.jsonl"
MILESTONES, FINDINGS = "milestones.jsonl", "diagnosis.jsonl"
DREAMS = "dreams"
MOST_METRICS = 400
MOMENTS = 5  # pictures of each kind
NO_METRICS = ("step", "frames", "seconds", "unfinished")


class Episodes(NamedTuple):
    """Training episodes from the beginning of the game, by step; each array is [N]."""

    step: np.ndarray
    seconds: np.ndarray
    score: np.ndarray
    length: np.ndarray


class Dream(NamedTuple):
    """What --mode=dream left of one step."""

    folder: str  # below the logdir
    content: dict[str, Any]
    films: tuple[tuple[str, str], ...]  # name of the file, caption
    pictures: tuple[Picture, ...]


class RunRecord(NamedTuple):
    """One run as its files tell it. Texts in it are not to be trusted."""

    logdir: Path
    config: dict[str, Any]
    curves: dict[str, Curve]
    episodes: Episodes
    step: int
    frames: int
    seconds: float
    age: float | None  # s since the record was written last
    milestones: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    evaluations: list[Evaluation]
    dreams: list[Dream]
    pictures: list[Picture]
    notes: list[str]

    @property
    def settings(self) -> dict[str, Any]:
        """The config proper."""
        return files.section(self.config, "config")

    @property
    def env(self) -> str:
        """The name of the environment; '' if it is not known."""
        return files.text(self.config, "env")

    @property
    def stage(self) -> str:
        """What was learned from recordings alone; '' for a run that acts."""
        return files.text(self.config, "stage")

    @property
    def subject(self) -> str:
        """What the run is about: its environment, or its stage and its recordings."""
        if not self.stage:
            return self.env
        return f"{self.stage} of {', '.join(Path(name).name for name in self.env.split(','))}"

    @property
    def seed(self) -> int | None:
        """The seed; None if it is not known."""
        seed = files.number(self.config.get("seed"))
        return None if seed is None else int(seed)

    @property
    def planned(self) -> int | None:
        """Steps, or updates of a stage, at which the run ends; None if that is not known."""
        section, name = ("fit", "updates") if self.stage else ("train", "steps")
        steps = files.number(files.section(self.settings, section).get(name))
        return None if steps is None else int(steps)


def read(logdir: Path, *, now: float) -> RunRecord:
    """Reads the run in `logdir`. What is missing or damaged becomes a note.

    now: s since 1970.
    """
    notes = list[str]()
    try:
        config = files.document(logdir, CONFIG)
    except FileNotFoundError:
        config, notes = {}, [f"{CONFIG} is missing, so nothing is known of the configuration"]
    except files.Unreadable as error:
        config, notes = {}, [str(error)]
    found = {name: files.lines(logdir, name) for name in (METRICS, EPISODES, MILESTONES, FINDINGS)}
    notes += [note for each in found.values() for note in each.notes]
    rows = found[METRICS].rows
    curves = read_curves(rows)
    if len(curves) == MOST_METRICS:
        notes.append(f"only {MOST_METRICS} metrics are shown")
    evaluated, wrong = evaluations.read(logdir)
    count = files.number(
        files.section(files.section(config, "config"), "train").get("eval_episodes")
    )
    of_training = evaluations.of_training(curves, episodes=None if count is None else int(count))
    dreams, wrong_dreams = read_dreams(logdir)
    times = [now - path.stat().st_mtime for path in [logdir / METRICS] if path.is_file()]
    return RunRecord(
        logdir=logdir,
        config=config,
        curves=curves,
        episodes=read_episodes(found[EPISODES].rows, rows),
        step=int(largest(rows + found[EPISODES].rows, "step")),
        frames=int(largest(rows, "frames")),
        seconds=largest(rows, "seconds"),
        age=max(0.0, times[0]) if times else None,
        milestones=found[MILESTONES].rows,
        findings=found[FINDINGS].rows,
        evaluations=of_training + evaluated,
        dreams=dreams,
        pictures=event_files.pictures(logdir, each=MOMENTS),
        notes=notes + wrong + wrong_dreams,
    )


def read_curves(rows: Sequence[dict[str, Any]]) -> dict[str, Curve]:
    """The metrics of a run by the names of today; values that are no numbers are left out."""
    points = defaultdict[str, list[tuple[float, float, float]]](list)
    known = dict[str, str]()
    for row in rows:
        step, seconds = files.number(row.get("step")), files.number(row.get("seconds"))
        if step is None or step < 0:
            continue
        for name, value in row.items():
            number = files.number(value)
            if number is None or name in NO_METRICS:
                continue
            if name not in known:
                if len(known) == MOST_METRICS:
                    continue
                known[name] = metric_names.current(name)
            points[known[name]].append((step, math.nan if seconds is None else seconds, number))
    sorted_points = {name: sorted(x, key=lambda point: point[0]) for name, x in points.items()}
    return {name: Curve(*np.array(x).T) for name, x in sorted_points.items()}


def read_episodes(rows: Sequence[dict[str, Any]], metrics: Sequence[dict[str, Any]]) -> Episodes:
    """The episodes of a run that began where the game does; only theirs are scores of the task.

    metrics: rows that tell how many seconds each step took.
    """
    found = [
        numbers
        for row in rows
        if not row.get("start")
        and None not in (numbers := [files.number(row.get(k)) for k in ("step", "score", "length")])
    ]
    step, score, length = np.array(found, float).reshape(-1, 3).T
    order = np.argsort(step, kind="stable")
    times = [(files.number(row.get("step")), files.number(row.get("seconds"))) for row in metrics]
    known = sorted((s, t) for s, t in times if s is not None and t is not None)
    at, seconds = np.array([(0.0, 0.0), *known]).T
    return Episodes(step[order], np.interp(step[order], at, seconds), score[order], length[order])


def read_dreams(logdir: Path) -> tuple[list[Dream], list[str]]:
    """What --mode=dream left, the newest step last, and what is wrong with it."""
    found, notes = list[Dream](), list[str]()
    for name in sorted(files.folders(logdir, DREAMS), key=lambda each: (len(each), each)):
        folder = f"{DREAMS}/{name}"
        try:
            content = files.document(logdir, f"{folder}/dream.json")
        except FileNotFoundError:
            content = {}
        except files.Unreadable as error:
            content = {}
            notes.append(str(error))
        captions = dict(captioned(content, "videos"))
        films = [
            (file, captions.get(file, "")) for file in files.names(logdir, folder, suffix=".mp4")
        ]
        captions, pictures = dict(captioned(content, "pictures")), list[Picture]()
        for file in files.names(logdir, folder, suffix=".png"):
            tag = f"{event_files.DREAM}{captions.get(file) or file.removesuffix('.png')}"
            step = int(files.number(content.get("step")) or 0)
            pictures += event_files.still(logdir, f"{folder}/{file}", tag=tag, step=step)
        found.append(Dream(folder, content, tuple(films), tuple(pictures)))
    return found, notes


def captioned(content: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """Name and caption of each file of a kind that a dream.json lists."""
    listed = files.items(content, kind)
    names = [(files.text(each, "file") or files.text(each, "name"), each) for each in listed]
    return [(name, files.text(each, "caption")) for name, each in names if name]


def largest(rows: Sequence[dict[str, Any]], name: str) -> float:
    """The largest number under a name; 0 where there is none."""
    return max((x for row in rows if (x := files.number(row.get(name))) is not None), default=0.0)
