"""What a run has saved, as one number for each array, to be compared with another run's."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_jax.host import array_files
from dreamer_jax.run import checkpoint


def digests(logdir: Path) -> dict[str, str]:
    """SHA-256 of each array in the newest checkpoint and in the ring's blocks."""
    directory = logdir / "checkpoints"
    step = checkpoint.steps(directory)[-1]
    found: dict[str, Any] = {}
    for name, tree in checkpoint.read_arrays(directory, step).items():
        found |= {f"{name}/{path}": x for path, x in array_files.named(tree).items()}
    for file in [*directory.glob(f"{step}/*.npz"), *(logdir / "replay").glob("*.npz")]:
        found |= {f"{file.stem}/{path}": x for path, x in array_files.read_all(file).items()}
    return {name: hashlib.sha256(np.asarray(x).tobytes()).hexdigest() for name, x in found.items()}
