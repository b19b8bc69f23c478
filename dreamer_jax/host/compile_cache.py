"""Keeps compiled programs for the next run."""

import hashlib
import os
import platform
from pathlib import Path

import jax


def keep_compiled_programs() -> None:
    """Makes JAX cache compiled programs in the user's cache folder.

    JAX_COMPILATION_CACHE_DIR, if it is set, wins. A program compiled for one processor may not run
    on another, and machines may share a home folder, so each kind of processor has its own cache.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "dreamer_jax" / hashlib.sha256(processor().encode()).hexdigest()[:12]
        jax.config.update("jax_compilation_cache_dir", str(folder))


def processor() -> str:
    """The processor's model and features, as far as the system reports them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    known = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(known)])
