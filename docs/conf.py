"""Builds the documentation: sphinx-build -W --keep-going -b html docs docs/_build"""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "dreamer_jax/__init__.py"
FOUND = re.search(r'__version__ = "(.+)"', SOURCE.read_text())
assert FOUND, "dreamer_jax/__init__.py must define __version__"

project = "Dreamer JAX"
author = "The Dreamer JAX authors"
copyright = f"2026 {author}"
release = FOUND[1]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # a link may end in #the-words-of-a-heading
nitpicky = True

html_theme = "furo"
html_title = f"Dreamer JAX {release}"
