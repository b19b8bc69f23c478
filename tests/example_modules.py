"""The examples as modules, while a test runs."""

import contextlib
import sys
from collections.abc import Iterator

import gymnasium
import pytest
from command import ROOT

from dreamer_jax.agents.by_name import AGENTS

EXAMPLES = ROOT / "examples"


@contextlib.contextmanager
def importable() -> Iterator[None]:
    """Examples can be imported; what they register is forgotten afterwards."""
    agents = dict(AGENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield
    AGENTS.clear()
    AGENTS.update(agents)
    for name in ("Corridor-v0", "Catch-v0"):
        gymnasium.registry.pop(name, None)
    for name in ("own_environment", "own_agent", "own_network", "catch"):
        sys.modules.pop(name, None)
