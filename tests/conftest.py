"""Programs are compiled once a session: JAX keeps them for the other tests and processes."""

import os
import tempfile

import pytest

FOLDER = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module imports JAX."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        config.stash[FOLDER] = tempfile.TemporaryDirectory()
        os.environ["JAX_COMPILATION_CACHE_DIR"] = config.stash[FOLDER].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leaves nothing behind."""
    if FOLDER in config.stash:
        config.stash[FOLDER].cleanup()
