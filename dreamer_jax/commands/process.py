"""What a command needs of its process: set once, before JAX computes anything."""

import os

from dreamer_jax.commands import options
from dreamer_jax.commands.flags import Flags
from dreamer_jax.host import compile_cache, host_memory


def prepare(flags: Flags) -> None:
    """Sets up repeatability, memory and the cache of compiled programs for a command.

    ValueError where the logdir that decides about repeatability cannot be read.
    """
    if options.deterministic(flags):
        flag = "--xla_gpu_deterministic_ops=true"
        known = os.environ.get("XLA_FLAGS", "")
        if flag not in known.split():
            os.environ["XLA_FLAGS"] = f"{known} {flag}"
    host_memory.keep_freed_memory()
    compile_cache.keep_compiled_programs()
