"""Moments as JSON: what is observed, what the model says of it, and what it remembers."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np


def array_to_json(array: Any) -> dict[str, Any]:
    """An array as its type, its shape and its bytes in base64, little-endian."""
    found = np.asarray(array)
    ordered = found.astype(found.dtype.newbyteorder("<"), copy=False)
    text = base64.b64encode(ordered.tobytes()).decode()
    return {"type": str(found.dtype), "shape": list(found.shape), "data": text}


def array_from_json(value: Mapping[str, Any]) -> np.ndarray:
    """The inverse of `array_to_json`."""
    data = np.frombuffer(base64.b64decode(value["data"]), np.dtype(value["type"]).newbyteorder("<"))
    return data.reshape(value["shape"]).astype(value["type"])


def moment_to_json(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a model says of a moment, see `graphs.said`, of one environment.

    Returns: `obs` and `policy`, arrays by their names within them, and the numbers `reward`,
      `continue` and `value`.
    """
    found: dict[str, Any] = {"obs": {}, "policy": {}}
    for name, x in said.items():
        group, _, rest = name.partition("/")
        if rest:
            found[group][rest] = array_to_json(x)
        else:
            found[name] = float(np.asarray(x)[0])
    return found
