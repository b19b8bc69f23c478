"""Programs are compiled once a process: JAX keeps them for its other tests and its children."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Begun first: the last files to begin should be short ones, so that both processes end together.
LONGEST = ("faults", "mesh", "bench", "contract", "convs", "modes", "runs", "dreamer_gradients")

pytest.register_assert_rewrite("contract")  # its asserts tell what differs, as those of tests do

FOLDER = pytest.StashKey[tempfile.TemporaryDirectory]()
CACHE = "JAX_COMPILATION_CACHE_DIR"

# How long an example takes says more about what else the machine does than about the code.
SLOW = hypothesis.HealthCheck.too_slow
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[SLOW])
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module imports JAX, and before any process starts that shares the tests."""
    if CACHE not in os.environ:
        config.stash[FOLDER] = tempfile.TemporaryDirectory()
        os.environ[CACHE] = config.stash[FOLDER].name
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        # JAX does not write at one stroke: what one process writes, no other one may read.
        os.environ[CACHE] = str(Path(os.environ[CACHE]) / worker)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leaves nothing behind."""
    if FOLDER in config.stash:
        config.stash[FOLDER].cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; all else stays in order."""
    ranks = {f"test_{name}": rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture(scope="module")
def quick_compiler() -> Iterator[None]:
    """Compiles without most optimizations: half of the time, for networks that compute little."""
    from command import hastily  # it imports JAX, which reads the environment of `pytest_configure`

    with hastily():
        yield
