"""Compiled programs: keep them for the next run."""

import hashlib
import os
import platform
from pathlib import Path

import jax


def keep_compiled_programs() -> None:
    """Has JAX keep what it compiles in the user's cache folder; a setting of the user's own wins.

    What is compiled for one processor may not run on another, and a home may be shared by several:
    each kind of processor has a folder of its own.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "dreamer_jax" / hashlib.sha256(processor().encode()).hexdigest()[:12]
        jax.config.update("jax_compilation_cache_dir", str(folder))


def processor() -> str:
    """The kind of processor and what it can do, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    told = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(told)])
