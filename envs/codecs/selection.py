"""Which keys of an observation are read, and as which kind: what the user says about them."""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from envs.codecs.leaves import Path, joined
from envs.codecs.reading import KINDS

WHOLE = "observation"  # the name of an observation without keys
SHOWN = 20  # most keys in a message


def selected(paths: Sequence[Path], *, ignore: str, only: str) -> list[Path]:
    """The paths that are left, in the same order.

    Args:
        paths: of all leaves.
        ignore: keys that are left out, with commas between them. A key covers all keys below it;
            `*`, `?` and `[...]` stand for anything, one character, one of several.
        only: the keys that stay; '' for all.

    Raises:
        ValueError: a key is unknown, or no path is left.
    """
    stay = _covered(paths, only.split(","), "only") if only else set(paths)
    leave = _covered(paths, ignore.split(","), "ignore") if ignore else set[Path]()
    left = [path for path in paths if path in stay and path not in leave]
    if paths and not left:
        used = [f"env.{name}={x}" for name, x in (("only", only), ("ignore", ignore)) if x]
        raise ValueError(f"{' '.join(used)} leaves nothing to observe of {_listed(paths)}")
    return left


def asked_kinds(paths: Sequence[Path], kinds: str) -> dict[Path, str]:
    """The kind of each path that the user wants to be read as another one.

    Args:
        paths: of all leaves.
        kinds: `key=kind` with commas between them, keys as for `selected`. A later one wins.

    Raises:
        ValueError: a key or a kind is unknown.
    """
    found = dict[Path, str]()
    for part in kinds.split(",") if kinds else []:
        key, equals, kind = (x.strip() for x in part.rpartition("="))
        if not key or not equals or kind not in KINDS:
            text = f"env.kinds={kinds}: {part.strip()!r} is not key=kind"
            raise ValueError(f"{text} with a kind of {', '.join(KINDS)}")
        found |= dict.fromkeys(_covered(paths, [key], "kinds"), kind)
    return found


def _covered(paths: Sequence[Path], keys: Sequence[str], option: str) -> set[Path]:
    """The paths that one of the keys covers; ValueError for a key that covers none."""
    found = set[Path]()
    for key in (x.strip() for x in keys if x.strip()):
        covered = {path for path in paths if any(_matches(x, key) for x in _names(path))}
        if not covered:
            known = sorted({name for path in paths for name in _names(path)})
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(f"env.{option}: no key {key!r}; {hint}valid are {_listed(paths)}")
        found |= covered
    return found


def _matches(name: str, key: str) -> bool:
    return name == key or fnmatchcase(name, key)


def _names(path: Path) -> list[str]:
    """The key of a leaf, and those of its parents."""
    if not path:
        # What the agent calls it depends on how it is read.
        return [WHOLE, "discrete", *KINDS]
    parts = joined(path, whole=WHOLE).split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _listed(paths: Sequence[Path]) -> str:
    shown = ", ".join(joined(path, whole=WHOLE) for path in paths[:SHOWN])
    return shown + f" and {len(paths) - SHOWN} more" * (len(paths) > SHOWN)
