"""DreamerV3 in JAX and Flax."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["LoadError", "load", "train"]

if TYPE_CHECKING:
    from dreamer_jax.api.loaded import load
    from dreamer_jax.api.training import train
    from dreamer_jax.faults import LoadError

# Name -> its module, imported when it is first asked for: importing JAX takes a second.
_PLACES = {
    "LoadError": "dreamer_jax.faults",
    "load": "dreamer_jax.api.loaded",
    "train": "dreamer_jax.api.training",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'dreamer_jax' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
