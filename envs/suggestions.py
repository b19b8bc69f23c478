"""What a wrong name of an environment may stand for."""

import difflib
import importlib
import re
from collections.abc import Iterable
from contextlib import suppress

import gymnasium
from ale_py import roms

from envs import plugins
from envs.extras import install

SHOWN = 3  # most suggestions
CUTOFF = 0.75  # of the similarity of two names, from 0 to 1
# Suffixes of the names that Gymnasium gives to Atari games: versions, and kinds of frames.
VARIANT = re.compile(r"(-?ram)?(noframeskip|deterministic)?(-v\d+)?$")
STAGE = re.compile(r"(?:super)?mario(?:bros)?\D*([1-8])\D*([1-4])\b.*")
# Common names, without dashes and underscores -> ours.
OTHER_NAMES = {
    **dict.fromkeys(("supermariobros", "supermario", "smb", "nes"), "mario"),
    **dict.fromkeys(("pokemon", "pokemonblue", "pokered", "pokémon", "pokémonred"), "pokemon_red"),
    **dict.fromkeys(("gameboy", "demo"), "gameboy_demo"),
}


def hint(name: str, ours: Iterable[str]) -> str:
    """'did you mean' and up to three names of environments; '' if none is similar.

    Args:
        name: as the user gave it, with or without 'gym:'.
        ours: names of environments that need no rest, such as 'cartpole'.
    """
    env_id = name.removeprefix("gym:")
    module = plugins.module_of(env_id)
    if module and not plugins.is_installed(module):
        meant = "dm_control/<domain>-<task>-v0" if env_id.startswith("dmc_") else env_id
        return f"{install(module.partition('.')[0])}, then --env=gym:{meant}"
    if module:
        with suppress(Exception, SystemExit):  # it is told when the environment is made
            importlib.import_module(module)
    if ":" in name and not name.startswith("gym:"):
        own = similar(name.replace(":", "_"), ours)
        if plugins.is_installed(name.partition(":")[0]) or not own:
            return f"did you mean gym:{name}?"
        name = own[0]
    found = similar(name, ours)
    return f"did you mean {' or '.join(found)}?" if found else ""


def similar(name: str, ours: Iterable[str]) -> list[str]:
    """Up to three names of environments that `name` may stand for, the likeliest first."""
    module, colon, env_id = name.removeprefix("gym:").rpartition(":")
    ids = _gymnasium_ids()
    if colon:
        ids = {key: f"gym:{module}:{known.removeprefix('gym:')}" for key, known in ids.items()}
        return _closest(env_id, ids)
    if stage := STAGE.fullmatch(env_id.lower()):
        return [f"mario_{stage[1]}_{stage[2]}"]
    atari = {rom.replace("_", ""): f"atari_{rom}" for rom in roms.get_all_rom_ids()}
    own = {_simple(known): known for known in ours} | OTHER_NAMES
    first, second = (ids, own) if name.startswith("gym:") else (own, ids)
    return _closest(env_id, atari | second | first)


def _closest(name: str, known: dict[str, str]) -> list[str]:
    simple = _simple(name)
    asked = name in gymnasium.registry and not plugins.is_placeholder(name)
    if asked and known.get(simple, "").startswith("gym:"):
        return [f"gym:{name}"]  # not the newest version, but the one that was asked for
    keys = [simple] if simple in known else difflib.get_close_matches(simple, known, SHOWN, CUTOFF)
    return list(dict.fromkeys(known[key] for key in keys))


def _simple(name: str) -> str:
    """`name` without what is often written in another way: case, dashes, versions, variants."""
    plain = name.lower().removeprefix("ale/").removeprefix("atari")
    return re.sub(r"[\W_]", "", VARIANT.sub("", plain, count=1))


def _gymnasium_ids() -> dict[str, str]:
    """Simple name -> 'gym:<id>' of the newest version, for what is not an Atari game."""
    found = [x for x in gymnasium.registry.values() if "ale_py" not in str(x.entry_point)]
    return {_simple(x.id): f"gym:{x.id}" for x in sorted(found, key=lambda x: x.version or 0)}
