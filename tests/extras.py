"""Marks for tests that need an optional package."""

from importlib.util import find_spec

import pytest

MARIO = pytest.mark.skipif(
    not (find_spec("nes_py") and find_spec("gym_super_mario_bros")),
    reason='needs pip install -e ".[mario]"',
)
POKEMON = pytest.mark.skipif(not find_spec("pyboy"), reason='needs pip install -e ".[pokemon]"')
PLAY = pytest.mark.skipif(not find_spec("pygame"), reason='needs pip install -e ".[play]"')
