"""Runs of the same configuration but the seed belong together."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from dreamer_jax.reports import files
from dreamer_jax.reports.run_record import RunRecord
from dreamer_jax.run.manifest import CHANGEABLE

# Sections of an agent or a stage are written without these, as --set has them.
INLINE = ("agent.", "stage.")
MOST_NAMED = 3  # differences in the name of a group
MISSING = "—"


class Group(NamedTuple):
    """Runs that differ by nothing but the seed, and by what no number depends on."""

    name: str
    runs: tuple[RunRecord, ...]
    names: tuple[str, ...]  # of the runs


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Path -> value of a config, such as 'model.units' -> 64."""
    found = dict[str, Any]()
    for name, value in settings.items():
        if isinstance(value, dict) and value and len(prefix) < 200:
            found |= flat(cast(dict[str, Any], value), f"{prefix}{name}.")
        else:
            path = f"{prefix}{name}"
            found[next((path.removeprefix(x) for x in INLINE if path.startswith(x)), path)] = value
    return found


def identity(run: RunRecord) -> dict[str, Any]:
    """Path -> value of everything that the numbers of a run depend on, without its seed."""
    found = {name: files.text(run.config, name) for name in ("env", "agent", "stage")}
    found |= {k: v for k, v in flat(run.settings).items() if matters(k)}
    for each in files.items(run.config, "history"):
        for path, values in files.section(each, "changes").items():
            if path not in CHANGEABLE:
                found[f"history.{path}"] = values
    for name in files.section(run.config, "weights"):
        found[name] = "weights of another run"
    return found


def matters(path: str) -> bool:
    """Whether numbers depend on a setting."""
    return path not in CHANGEABLE and not path.startswith("fit.")


def grouped(runs: Sequence[RunRecord]) -> list[Group]:
    """The groups, in the order of their first runs. A run without a config is alone."""
    sets = defaultdict[str, list[RunRecord]](list)
    for i, run in enumerate(runs):
        alone = "" if run.config else f" {i}"
        sets[json.dumps(identity(run), sort_keys=True, default=str) + alone].append(run)
    names = dict(zip(map(id, runs), run_names(runs), strict=True))
    titles = group_names([each[0] for each in sets.values()])
    return [
        Group(
            names[id(each[0])] if len(each) == 1 and len(sets) == len(runs) else title,
            tuple(each),
            tuple(names[id(run)] for run in each),
        )
        for title, each in zip(titles, sets.values(), strict=True)
    ]


def run_names(runs: Sequence[RunRecord]) -> list[str]:
    """Short names of runs: the ends of their paths, as long as they need to be to differ."""
    parts = [run.logdir.absolute().parts for run in runs]
    for length in range(1, max(map(len, parts), default=1) + 1):
        found = ["/".join(each[-length:]) for each in parts]
        if len(set(found)) == len(found):
            return found
    return [str(run.logdir) for run in runs]


def group_names(firsts: Sequence[RunRecord]) -> list[str]:
    """Names of groups by what differs between them, from the first run of each."""
    differing = differences(firsts)
    several = len({run.env for run in firsts}) > 1
    found = list[str]()
    for i, run in enumerate(firsts):
        named = {} if several else {p: v for p, v in differing.items() if p != "env"}
        words = [f"{path}={shown(values[i])}" for path, values in list(named.items())[:MOST_NAMED]]
        found.append(" ".join([run.env or "unknown"] if several or not words else words))
    repeated = {name for name in found if found.count(name) > 1}
    return [f"{x} ({chr(65 + i % 26)})" if x in repeated else x for i, x in enumerate(found)]


def differences(runs: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """Path -> the value of each run, for everything in which runs differ."""
    each = [identity(run) for run in runs]
    paths = dict.fromkeys(path for values in each for path in values)
    rows = {path: [values.get(path, MISSING) for values in each] for path in paths}
    return {path: row for path, row in rows.items() if any(x != row[0] for x in row)}


def shown(value: Any) -> str:
    """A value of a config as a text."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
