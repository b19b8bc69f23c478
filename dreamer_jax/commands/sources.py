"""Where the weights, rewards and files of a run came from, and whether they are still the same."""

from collections.abc import Mapping
from typing import Any

import envs
from dreamer_jax.commands.changes import Changes
from dreamer_jax.commands.flags import Flags
from dreamer_jax.config import Config
from dreamer_jax.run import initial_weights
from dreamer_jax.run.initial_weights import INIT_FROM, REWARD, WORLD_MODEL, Source
from envs.settings import flatten


def other_files(env: str, files: Mapping[str, str], *, before: Config, config: Config) -> Changes:
    """The files of the game that are not those that the run was started with, by their option.

    Args:
      env: name of the environment.
      files: option -> SHA-1, of those that it was started with.
      before: the config of the run so far.
      config: its config from now on.

    Raises ValueError if one is gone.
    """
    if not files:
        return {}
    found, old, new = (
        envs.files(env, config.env),
        flatten(before, ""),
        flatten(config, ""),
    )
    return {
        path: (f"{old.get(path)} (SHA-1 {sha1})", f"{new.get(path)} (SHA-1 {found.get(path)})")
        for path, sha1 in files.items()
        if found.get(path) != sha1
    }


def same_sources(
    before: Mapping[str, Source], flags: Flags, changes: Changes
) -> tuple[dict[str, Source], dict[str, tuple[Any, Any]]]:
    """Where the weights are that a run began with, and the contradictions to that.

    A source may have moved: what counts is the checkpoint in it. A run that began without one never
    gets one.
    """
    sources, others = dict(before), dict[str, tuple[Any, Any]]()
    asked = dict[str, str]()
    if flags.init_from is not None:
        asked[INIT_FROM] = flags.init_from
    for name in (WORLD_MODEL, REWARD):
        old, new = changes.get(name, ("", ""))
        if old != new and (name in sources or not old):  # earlier versions kept no checksum
            asked[name] = new
    for name, text in asked.items():
        known, given = sources.get(name), initial_weights.source(text)
        if known is None:
            others[name] = ("", text)
        elif initial_weights.is_same(known, given):
            sources[name] = known._replace(logdir=given.logdir)
        else:
            others[name] = (f"{known.logdir}@{known.step}", text)
    return sources, others
