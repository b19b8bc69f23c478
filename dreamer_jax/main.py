"""Trains or evaluates: python -m dreamer_jax.main --env=cartpole"""

import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

# While libraries are imported, Ctrl-C ends the program at once: some of them would swallow it.
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# XLA's alarm about a compile of two minutes asks the user to file a bug. It is logged as an error
# of C++, and only level 3 keeps it away. Errors that matter arrive as Python exceptions. The
# level is read when JAX is imported, so the program alone sets it here; its console script imports
# this module.
if __name__ == "__main__" or os.path.basename(sys.argv[0]) == "dreamer-jax":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
from absl import flags
from absl import logging as absl_logging

from dreamer_jax import own_packages
from dreamer_jax.faults import Fault, one_line, quiet_unraisable

# Before the imports below. Only the program itself ends the process.
if __name__ != "__main__":
    own_packages.claim()
elif not own_packages.found():
    sys.exit(2)

import configs
from dreamer_jax.commands import flags as command_line
from dreamer_jax.commands import process
from dreamer_jax.commands.dream import dreaming
from dreamer_jax.commands.dry_run import dry_run
from dreamer_jax.commands.evaluate import evaluation
from dreamer_jax.commands.export import exporting
from dreamer_jax.commands.fit import fitting
from dreamer_jax.commands.play import playing
from dreamer_jax.commands.record import recording
from dreamer_jax.commands.report import reporting
from dreamer_jax.commands.train import training
from dreamer_jax.outputs.guarded import Guarded
from envs.vector.failures import EnvironmentFailed

# --mode -> its command. It checks for mistakes of the user and returns the remaining work.
COMMANDS = {
    "train": training,
    "eval": evaluation,
    "dream": dreaming,
    "report": reporting,
    "play": playing,
    "export": exporting,
    "fit": fitting,
    "record": recording,
}
SIGNALS = {number: number.name for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
NO_MEMORY = "RESOURCE_EXHAUSTED"  # in the message of XLA's error
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # a full disk is no mistake of the user


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, 1 for a fault; both explained in one line."""
    try:
        given = command_line.parse(argv, COMMANDS)
        if given.help:
            print(f"{__doc__}\n{command_line.usage(COMMANDS)}")
            return 0
        if given.config == "help":
            print(configs.describe())
            return 0
        # Orbax logs the errors that it raises, and those of other tasks that failed with them.
        absl_logging.set_verbosity(absl_logging.FATAL)
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        process.prepare(given)
        command = dry_run if given.dry_run and given.mode == "train" else COMMANDS[given.mode]
        task = command(given)
    except (flags.Error, ValueError, OSError) as error:
        return complain(error, 1 if getattr(error, "errno", None) in NO_SPACE else 2)
    except (Fault, EnvironmentFailed) as error:
        return complain(error, 1)
    try:
        task()
    except (Fault, EnvironmentFailed, OSError) as error:
        return complain(error, 1)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and NO_MEMORY not in str(error):
            raise
        return complain(Fault(f"out of memory: {error}; saved checkpoints stay as they are"), 1)
    return 0


def complain(error: Exception, code: int) -> int:
    """Explains an error in one line; returns the exit code."""
    print(f"error: {one_line(error)}", file=sys.stderr)
    return code


def interruptible(argv: Sequence[str]) -> int:
    """`main`, with one line instead of a traceback for a signal outside of training.

    Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt with their number, so that the logdir is left
    as it was: without the lock.
    """
    sys.unraisablehook = quiet_unraisable
    usual = (signal.SIG_DFL, signal.default_int_handler)  # others belong to nohup or to the host
    numbers = [number for number in SIGNALS if signal.getsignal(number) in usual]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        return main(argv)
    except KeyboardInterrupt as error:
        number = next(iter(error.args), signal.SIGINT)
        with suppress(OSError):  # the terminal may be gone
            ended = "interrupted" if number == signal.SIGINT else f"ended by {SIGNALS[number]}"
            print(ended, file=sys.stderr)
        return 128 + number  # the exit code that shells use
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(number: int, _: object) -> None:
    """A handler of signals; the next signal ends the process at once."""
    for each in SIGNALS:
        if signal.getsignal(each) is interrupt:
            signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt(number)


def show_warnings_plainly(name: str) -> None:
    """Warnings of the package `name` are lines for the user, without the name of a module."""
    lines = logging.StreamHandler()
    lines.setFormatter(logging.Formatter("warning: %(message)s"))
    logging.getLogger(name).addHandler(lines)
    logging.getLogger(name).propagate = False


def run() -> int:
    """The console script `dreamer-jax`; returns the exit code, or ends the process with it."""
    own_packages.search_current_folder()
    show_warnings_plainly("envs")
    code = interruptible(sys.argv)
    if code or Guarded.stuck:
        # Python would wait for threads that may compile for minutes, and for a tracker that hangs.
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(run())
