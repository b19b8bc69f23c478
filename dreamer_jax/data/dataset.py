"""A data set over one or more recordings."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium

from dreamer_jax.data.clips import Hosts, Side
from dreamer_jax.data.runs import Run, split
from dreamer_jax.data.source import Source
from dreamer_jax.data.unpacked import default_cache, unpacked

SpaceDict = Mapping[str, gymnasium.Space[Any]]


class Dataset(NamedTuple):
    """Runs of recordings, in two sides that have no run in common."""

    training: Side
    held_out: Side
    spaces: tuple[SpaceDict, SpaceDict]  # of observations and of actions; see `spaces.of`
    digest: str  # of all recordings, whatever their order; for the manifest of a run
    names: tuple[str, ...]  # of the recordings


def join(
    sources: Sequence[Source],
    *,
    seed: int,
    held_out: float = 0.1,
    hosts: tuple[int, int] = (0, 1),
    cache: Path | None = None,
    observations: Sequence[str] = (),
    actions: bool = True,
) -> Dataset:
    """Unpacks recordings where they are not yet, and joins their runs.

    The order of the sources does not matter. The split depends on the runs alone, and not on the
    seed.

    Args:
        sources: recordings with the same spaces.
        seed: of the order of clips.
        held_out: share of the runs that are not trained on.
        hosts: number of this host, and how many there are.
        cache: where unpacked recordings are; None for the user's cache folder.
        observations: keys that clips have; () for all. Recordings may differ in the others.
        actions: whether clips have them. Without them, recordings may differ in those as well.

    Raises:
        ValueError: recordings are damaged, contradict each other or lack an observation, or an
            argument is out of range; in one line.
    """
    if not sources:
        raise ValueError("a data set needs a recording")
    if not 0 <= held_out < 1:
        raise ValueError(f"the share that is held out must be from 0 to below 1, not {held_out}")
    here = Hosts(*hosts)
    if not 0 <= here.index < here.count:
        raise ValueError(f"host {here.index} of {here.count}: expected a number below the count")
    ordered = sorted(sources, key=lambda source: source.digest)
    for one, other in pairwise(ordered):
        if one.digest == other.digest:
            raise ValueError(f"{one.name} and {other.name} are the same recording")
    spaces = _spaces(sources, observations, actions=actions)
    events = set.intersection(*({k for k in x.columns if k.startswith("event/")} for x in sources))
    kept = {f"obs/{key}" for key in spaces[0]} | {f"action/{key}" for key in spaces[1]} | events
    chosen = ("obs/", "action/", "event/")
    keys = tuple(key for key in ordered[0].columns if not key.startswith(chosen) or key in kept)
    runs = [run for source in ordered for run in _runs(source, cache or default_cache())]
    sides = split(runs, held_out=held_out)
    training, apart = (
        Side(side, keys=keys, seed=seed, hosts=here, name=name)
        for side, name in zip(sides, ("training", "held-out"), strict=True)
    )
    digests = "\n".join(source.digest for source in ordered)
    return Dataset(
        training=training,
        held_out=apart,
        spaces=spaces,
        digest=hashlib.sha256(digests.encode()).hexdigest(),
        names=tuple(source.name for source in sources),
    )


def _spaces(
    sources: Sequence[Source], observations: Sequence[str], *, actions: bool
) -> tuple[SpaceDict, SpaceDict]:
    """The spaces that all recordings have; ValueError names the first difference."""
    found: list[tuple[SpaceDict, SpaceDict]] = []
    for source in sources:
        known = source.obs_space
        if missing := [key for key in observations if key not in known]:
            text = f"{source.name} has no observation {missing[0]!r}; it has"
            raise ValueError(f"{text} {', '.join(sorted(known))}")
        keys = [key for key in known if not observations or key in observations]
        acted = dict(source.act_space) if actions else {}
        found.append(({key: known[key] for key in keys}, acted))
    first = found[0]
    for source, other in zip(sources[1:], found[1:], strict=True):
        for part, ours, theirs in zip(("observation", "action"), first, other, strict=True):
            for key in sorted(ours.keys() | theirs.keys()):
                one, two = ours.get(key), theirs.get(key)
                if one != two or getattr(one, "kind", "") != getattr(two, "kind", ""):
                    text = f"the {part} {key!r} is {_shown(two)} in {source.name} and"
                    raise ValueError(f"{text} {_shown(one)} in {sources[0].name}")
    return first


def _shown(space: gymnasium.Space[Any] | None) -> str:
    if space is None:
        return "absent"
    text = f"{getattr(space, 'kind', '')} {list(space.shape or ())}".strip()
    return f"{text} of {space.dtype}"


def _runs(source: Source, cache: Path) -> list[Run]:
    arrays, start, found = unpacked(source, cache), 0, list[Run]()
    for run in source.runs:
        found.append(Run(run.name, arrays, start, run.steps))
        start += run.steps
    return found
