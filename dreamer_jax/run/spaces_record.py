"""The spaces of a run in config.json: enough to build its agent without its environment.

"spaces": {
  "observations": {
    "screen": {"kind": "image", "shape": [64, 64, 3], "dtype": "uint8"},
    "numbers": {"kind": "vector", "shape": [21], "dtype": "float32"},
    "types": {"kind": "choice", "shape": [2], "dtype": "uint8", "classes": [28, 28]},
    "badges": {"kind": "bits", "shape": [8], "dtype": "uint8"},
    "text": {"kind": "text", "shape": [360], "dtype": "uint8", "alphabet": 256},
    "board": {"kind": "symbols", "shape": [8, 8, 1], "dtype": "uint8", "classes": 13}
  },
  "actions": {"action": {"kind": "choice", "shape": [1], "dtype": "int32", "classes": [7]}}
}
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from gymnasium import spaces as gym

from dreamer_jax import spaces
from dreamer_jax.run import manifest
from dreamer_jax.spaces import Interface, Spaces

# Kind -> the dtypes its values may have.
INTEGERS = ("uint8", "int32")
OBSERVATIONS = {
    **{"image": ("uint8",), "vector": ("float32",)},
    **dict.fromkeys(("choice", "bits", "text", "symbols"), INTEGERS),
}
ACTIONS = {"vector": ("float32",), "choice": ("int32",)}
# Kind -> its fields beyond kind, shape and dtype.
FIELDS = {"choice": {"classes"}, "text": {"alphabet"}, "symbols": {"classes"}}
AXES = {"image": 3, "symbols": 3}  # of all other kinds: 1
LARGEST = 2**31 - 1  # of any number in it
LONGEST_DESCRIPTION = 100  # characters of a description in a message


def spaces_to_json(
    obs_space: Mapping[str, gym.Space[Any]], act_space: Mapping[str, gym.Space[Any]]
) -> dict[str, Any]:
    """The spaces of an environment as JSON; ValueError names a space of unknown kind."""
    obs, act = spaces.observations(obs_space), spaces.actions(act_space)
    return {
        "observations": {k: _entry(obs, k, str(obs_space[k].dtype)) for k in sorted(obs.keys)},
        "actions": {
            k: _entry(act, k, "float32" if k in act.vectors else "int32") for k in sorted(act.keys)
        },
    }


def spaces_of(run: Mapping[str, Any]) -> Interface:
    """Observations and actions in what `manifest.read` returned; the inverse of `spaces_to_json`.

    Videos have no actions. Raises ValueError with the path of an entry that is not a valid space.
    """
    parts, wanted = run["spaces"], {"observations", "actions"}
    if not isinstance(parts, dict) or parts.keys() != wanted:
        raise ValueError(f"spaces: expected the fields {sorted(wanted)}, not {_short(parts)}")
    return Interface(
        obs=_read(parts["observations"], "spaces.observations", OBSERVATIONS),
        act=_read(parts["actions"], "spaces.actions", ACTIONS),
    )


def require_same(
    logdir: Path,
    *,
    obs_space: Mapping[str, gym.Space[Any]],
    act_space: Mapping[str, gym.Space[Any]],
) -> None:
    """ValueError, naming the difference, if the run in `logdir` was started with other spaces."""
    if not manifest.exists(logdir):
        return
    run = manifest.read(logdir)
    spaces_of(run)
    for part, now in spaces_to_json(obs_space, act_space).items():
        before = run["spaces"][part]
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                have, want = (_short(x.get(key, "none")) for x in (before, now))
                text = f"{logdir} was started with {key!r} of the {part} as {have}"
                raise ValueError(f"{text}, the environment now has {want}; use another --logdir")


def _entry(known: Spaces, key: str, dtype: str) -> dict[str, Any]:
    """One space as JSON."""
    if key in known.images:
        return {"kind": "image", "shape": list(known.images[key]), "dtype": dtype}
    if key in known.vectors:
        return {"kind": "vector", "shape": [known.vectors[key]], "dtype": dtype}
    if key in known.bits:
        return {"kind": "bits", "shape": [known.bits[key]], "dtype": dtype}
    if key in known.texts:
        length, alphabet = known.texts[key]
        return {"kind": "text", "shape": [length], "dtype": dtype, "alphabet": alphabet}
    if key in known.symbols:
        *shape, symbols = known.symbols[key]
        return {"kind": "symbols", "shape": shape, "dtype": dtype, "classes": symbols}
    classes = list(known.choices[key])
    return {"kind": "choice", "shape": [len(classes)], "dtype": dtype, "classes": classes}


def _read(entries: Any, path: str, dtypes: Mapping[str, tuple[str, ...]]) -> Spaces:
    """The inverse of `_entry` for all spaces of a part. Videos may have no actions."""
    if not isinstance(entries, dict) or not (entries or dtypes is ACTIONS):
        raise ValueError(f"{path}: expected spaces by their keys, not {_short(entries)}")
    images, vectors = dict[str, tuple[int, int, int]](), dict[str, int]()
    choices, bits = dict[str, tuple[int, ...]](), dict[str, int]()
    texts, symbols = dict[str, tuple[int, int]](), dict[str, tuple[int, int, int, int]]()
    # Networks read spaces in the order of their keys, whichever order the file has.
    for key, entry in sorted(cast(dict[str, Any], entries).items()):
        if not _is_right(entry, dtypes):
            raise ValueError(f"{path}.{key}: {_short(entry)} describes no space")
        kind, shape = entry["kind"], entry["shape"]
        if kind == "image":
            images[key] = (shape[0], shape[1], shape[2])
        elif kind == "vector":
            vectors[key] = shape[0]
        elif kind == "bits":
            bits[key] = shape[0]
        elif kind == "text":
            texts[key] = (shape[0], entry["alphabet"])
        elif kind == "symbols":
            symbols[key] = (shape[0], shape[1], shape[2], entry["classes"])
        else:
            choices[key] = tuple(entry["classes"])
    return Spaces(
        images=images, vectors=vectors, choices=choices, bits=bits, texts=texts, symbols=symbols
    )


def _is_right(entry: Any, dtypes: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether an entry has exactly the fields of its kind, all with valid values."""
    if not isinstance(entry, dict):
        return False
    entry = cast(dict[str, Any], entry)
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in dtypes:
        return False
    if entry.keys() != {"kind", "shape", "dtype"} | FIELDS.get(kind, set()):
        return False
    if entry["dtype"] not in dtypes[kind] or not _counts(entry["shape"], AXES.get(kind, 1)):
        return False
    if kind == "choice":
        return _counts(entry["classes"], entry["shape"][0])
    return all(_counts([entry[name]], 1) for name in FIELDS.get(kind, ()))


def _counts(values: Any, length: int) -> bool:
    """Whether this is a list of `length` positive integers."""
    if not isinstance(values, list) or len(values := cast(list[Any], values)) != length:
        return False
    return all(type(n) is int and 0 < n <= LARGEST for n in values)


def _short(value: Any) -> str:
    """JSON, cut to the length of a line."""
    text = json.dumps(value)
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[:LONGEST_DESCRIPTION]}..."
