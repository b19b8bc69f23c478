"""Installs the packages `dreamer_jax`, `envs` and `configs`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "dreamer_jax/__init__.py").read_text())
assert VERSION, "dreamer_jax/__init__.py must define __version__"
README = HERE / "README.md"
PYBOY = "pyboy>=2.8.1,<3"
PYGAME = "pygame-ce>=2.5"
MLFLOW, TRACKIO, WANDB = "mlflow>=3", "trackio>=0.10", "wandb>=0.20"
DOCS = ["furo>=2025.9", "myst-parser>=4", "sphinx>=8.1"]

setup(
    name="dreamer-jax",
    version=VERSION[1],
    description="DreamerV3 in JAX and Flax, for the games people love",
    long_description=README.read_text() if README.exists() else "",
    long_description_content_type="text/markdown",
    author="The Dreamer JAX authors",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(
        include=["dreamer_jax", "dreamer_jax.*", "envs", "envs.*", "configs", "configs.*"]
    ),
    package_data={
        **{package: ["py.typed"] for package in ("dreamer_jax", "envs", "configs")},
        "dreamer_jax.playable": ["web/*"],
        "dreamer_jax.reports": ["web/*.css", "web/*.js"],
        "envs.pokemon.cartridge": ["asm/*.asm", "art/*.txt"],
    },
    entry_points={
        "console_scripts": [
            "dreamer-jax = dreamer_jax.main:run",
            "dreamer-jax-play = dreamer_jax.play:run",
            "dreamer-jax-sweep = dreamer_jax.sweep:run",
        ]
    },
    install_requires=[
        "absl-py>=2",
        "ale-py>=0.12",
        "av>=14",
        "chex>=0.1.92",
        "flax>=0.12.8",
        "gymnasium>=1.4",
        "jax>=0.10",
        "numpy>=2",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12.8",
        "pillow",  # tensorboardX encodes images with it, too, but does not ask for it
        "psutil>=7",
        "scipy>=1.13",
        "tensorboardX>=2.6.5",
    ],
    extras_require={
        "box2d": ["gymnasium[box2d]"],
        "cuda12": ["jax[cuda12]"],
        "cuda13": ["jax[cuda13]"],
        "dm-control": ["mujoco<4", "shimmy[dm-control]>=2"],  # dm-control 1.0.50 needs 3
        "docs": DOCS,
        "export": ["jax2onnx>=0.13", "onnx>=1.20", "onnxruntime>=1.24"],
        "mario": [  # the first pair is the last one that installs before Python 3.13
            'gym-super-mario-bros==7.4.0; python_version < "3.13"',
            'nes-py==8.2.1; python_version < "3.13"',
            'gym-super-mario-bros>=9.1,<10; python_version >= "3.13"',
            'nes-py>=9.0.1,<10; python_version >= "3.13"',
        ],
        "minigrid": ["minigrid>=3"],
        "mlflow": [MLFLOW],
        "mujoco": ["gymnasium[mujoco]"],
        "play": [PYGAME],
        "pokemon": [PYBOY],
        "ray": ["ray>=2.40"],
        "robotics": ["gymnasium-robotics>=1.4", "mujoco<3.11"],  # 1.4.2 fails from 3.13 on
        "sweep": ["matplotlib", "optuna>=4"],
        "trackio": [TRACKIO],
        "wandb": [WANDB],
        "test": [
            *("hypothesis", "matplotlib", PYBOY, PYGAME, "pyright>=1.1.414"),
            *("pytest>=9", "pytest-xdist>=3.8", "ruff>=0.17", "setuptools>=65", *DOCS),
            *(TRACKIO, WANDB, "optuna>=4"),
        ],
    },
)
