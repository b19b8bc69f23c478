"""What a sweep consists of: settings, seeds, and one run for each pair of them."""

import argparse
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from dreamer_jax.commands.flags import parse

BRACKETS = {"(": ")", "[": "]", "{": "}"}
RANGE = re.compile(r"([^.]\S*?)\.\.(\S+)")
LONGEST_NAME = 100  # characters of a folder
OF_SWEEPS = ("name", "seeds", "search", "jobs", "metric", "minimize", "ray")
ALONE = ("mode", "logdir", "seed", "dry_run", "gif", "episodes", "help")  # flags of single runs


class Range(NamedTuple):
    """Numbers between two bounds, both included, for a search."""

    low: float
    high: float
    whole: bool  # integers alone

    @property
    def log(self) -> bool:
        """Whether each factor is as likely as the next: for numbers above 0 that are not whole."""
        return self.low > 0 and not self.whole


Choices = tuple[str, ...] | Range


class Setting(NamedTuple):
    """One choice of values; all its runs differ by their seed alone."""

    name: str  # of its folder
    values: Mapping[str, str]  # path -> value, as --set takes them


class SweptRun(NamedTuple):
    """One run of a sweep."""

    setting: Setting
    seed: int
    logdir: Path
    flags: tuple[str, ...]  # of dreamer_jax.main

    @property
    def output(self) -> Path:
        """Where its terminal's lines go."""
        return self.logdir.with_name(f"{self.logdir.name}.txt")


class Sweep(NamedTuple):
    """Everything that the command line decides."""

    folder: Path
    choices: Mapping[str, Choices]  # path -> what it may be
    fixed: tuple[str, ...]  # flags of every run
    steps: str  # of --steps, empty if not given
    seeds: tuple[int, ...]
    search: int  # settings to try; 0: all of a grid
    jobs: int | None  # runs side by side; None: what the machine suits
    metric: str | None
    minimize: bool
    ray: str | None  # address of a cluster; None without one


class _Parser(argparse.ArgumentParser):
    """Raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read(argv: Sequence[str]) -> Sweep:
    """The sweep of a command line, without the name of the program.

    Raises:
      ValueError: a flag is unknown or wrong, in one line.
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    for name in ("name", "metric", "logdir", "steps"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--seeds", default="0")
    for name in ("search", "jobs"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--minimize", action="store_true")
    parser.add_argument("--ray", nargs="?", const="local")
    parser.add_argument("--set", action="append", default=[])
    known, others = parser.parse_known_args(list(argv))
    for name in ALONE:
        if any(re.match(rf"--?(no)?{name}(=|$)", text) for text in others):
            raise ValueError(f"--{name} is for single runs; a sweep has --seeds and --logdir")
    flags = parse(["sweep", *others], ["train"])  # finds mistakes
    if not flags.env:
        raise ValueError("--env is needed, such as --env=cartpole")
    search = known.search or 0
    choices, single = dict[str, Choices](), list[str]()
    for assignment in known.set:
        path, equals, text = assignment.partition("=")
        first, *more = split(text)
        if not equals:
            raise ValueError(f"--set {assignment}: expected path=value, or path=value,value")
        found = range_of(text) if search else None
        if found or more:
            choices[path] = found or tuple(dict.fromkeys((first, *more)))
        else:
            single.append(f"--set={path}={first}")
    for name, number in (("search", known.search), ("jobs", known.jobs)):
        if number is not None and number < 1:
            raise ValueError(f"--{name}={number}: must be at least 1")
    if search and not choices:
        raise ValueError("--search needs something to choose: --set path=1e-5..1e-3, or values")
    fixed = (*others, *single)
    name = known.name or default_name(flags.env, choices, fixed)
    return Sweep(
        folder=Path(known.logdir) if known.logdir else Path("logdir") / "sweeps" / slug(name),
        choices=choices,
        fixed=fixed,
        steps=known.steps or "",
        seeds=seeds(known.seeds),
        search=search,
        jobs=known.jobs,
        metric=known.metric,
        minimize=known.minimize,
        ray=known.ray,
    )


def split(text: str) -> tuple[str, ...]:
    """The values of a list with commas, except for those within brackets and quotes.

    A value within quotes loses them: 'a,b',c is the list of a,b and c. An empty list has one
    value, the empty one.
    """
    values, closing, start = list[str](), list[str](), 0
    for i, character in enumerate(text):
        if closing and character == closing[-1]:
            closing.pop()
        elif closing and closing[-1] in "'\"":
            continue
        elif character in "'\"":
            closing.append(character)
        elif character in BRACKETS:
            closing.append(BRACKETS[character])
        elif character == "," and not closing:
            values.append(text[start:i])
            start = i + 1
    return tuple(unquoted(value.strip()) for value in (*values, text[start:]))


def unquoted(text: str) -> str:
    """The text within quotes, where there are any around all of it."""
    quoted = (
        len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in text[1:-1]
    )
    return text[1:-1] if quoted else text


def range_of(text: str) -> Range | None:
    """The numbers of such a text as 1e-5..1e-3; None where it is no range.

    ValueError where the bounds are in the wrong order.
    """
    match = RANGE.fullmatch(text)
    if not match:
        return None
    try:
        low, high = (float(part) for part in match.groups())
    except ValueError:
        return None
    if not low < high:
        raise ValueError(f"{text}: the lower bound comes first")
    return Range(low, high, whole=all(re.fullmatch(r"[-+]?\d+", part) for part in match.groups()))


def seeds(text: str) -> tuple[int, ...]:
    """The seeds of 0:5, which are 0 to 4, or of 0,3,7; ValueError for another text."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match:
        found = tuple(range(int(match[1]), int(match[2])))
    elif re.fullmatch(r"\d+(,\d+)*", text):
        found = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    else:
        found = ()
    if not found:
        raise ValueError(f"--seeds={text}: expected seeds such as 0:5, which are 0 to 4, or 0,3,7")
    return found


def grid(choices: Mapping[str, Choices]) -> Iterator[Setting]:
    """Every combination of the values; one empty setting if there is nothing to choose."""
    lists = [values for values in choices.values() if not isinstance(values, Range)]
    for combination in itertools.product(*lists):
        values = dict(zip(choices, combination, strict=True))
        name = "_".join(f"{path}={value}" for path, value in values.items())
        yield Setting(slug(name) or "default", values)


def runs(sweep: Sweep, setting: Setting) -> list[SweptRun]:
    """The runs of a setting, one for each seed."""
    found = list[SweptRun]()
    for seed in sweep.seeds:
        logdir = sweep.folder / setting.name / f"seed{seed}"
        flags = [*sweep.fixed, f"--seed={seed}", f"--logdir={logdir}"]
        flags += [f"--set={path}={value}" for path, value in setting.values.items()]
        flags += [f"--steps={sweep.steps}"] if sweep.steps else []
        found.append(SweptRun(setting, seed, logdir, tuple(flags)))
    return found


def default_name(env: str, choices: Mapping[str, Choices], fixed: Sequence[str]) -> str:
    """A name that only the same environment, choices and flags have."""
    return f"{env}-{digest(repr((dict(choices), sorted(fixed))))}"


def slug(name: str) -> str:
    """The name as that of a folder: unlike for unlike names."""
    text = re.sub(r"[^\w.=,+-]+", "-", name).strip("-")
    if text == name and len(name) <= LONGEST_NAME:
        return name
    return f"{text[:LONGEST_NAME]}-{digest(name)}"


def digest(text: str) -> str:
    """Eight characters that hardly any other text has."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
