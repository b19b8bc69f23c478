"""Marks for tests that need an optional package."""

from importlib.util import find_spec
from shutil import which

import pytest

MARIO = pytest.mark.skipif(
    not (find_spec("nes_py") and find_spec("gym_super_mario_bros")),
    reason='needs pip install -e ".[mario]"',
)
POKEMON = pytest.mark.skipif(not find_spec("pyboy"), reason='needs pip install -e ".[pokemon]"')
PLAY = pytest.mark.skipif(not find_spec("pygame"), reason='needs pip install -e ".[play]"')
EXPORT = pytest.mark.skipif(
    not (find_spec("jax2onnx") and find_spec("onnxruntime")),
    reason='needs pip install -e ".[export]"',
)
CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
BROWSER = pytest.mark.skipif(
    not (find_spec("playwright") and CHROMIUM),
    reason="needs Chromium and pip install playwright",
)
