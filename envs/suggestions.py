"""What a wrong name of an environment may stand for."""

import difflib
import importlib.util
import re
from collections.abc import Iterable

import gymnasium
from ale_py import roms

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
# Start of the ids of a package -> its module, which has to be imported first.
PACKAGES = {"MiniGrid-": "minigrid", "BabyAI-": "minigrid"}


def hint(name: str, ours: Iterable[str]) -> str:
    """'did you mean' and up to three names of environments; '' if none is similar.

    Args:
        name: as the user gave it, with or without 'gym:'.
        ours: names of environments that need no rest, such as 'cartpole'.
    """
    for start, module in PACKAGES.items():
        if name.removeprefix("gym:").startswith(start):
            full = f"gym:{module}:{name.removeprefix('gym:')}"
            there = importlib.util.find_spec(module)
            return f"did you mean {full}?" if there else f"{install(module)}, then --env={full}"
    if ":" in name and not name.startswith("gym:"):
        return f"did you mean gym:{name}?"
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
