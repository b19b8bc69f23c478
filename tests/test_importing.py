"""Importing the package does nothing: a host program keeps its flags, and its terminal."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import ENVIRON, ROOT

PACKAGE = ROOT / "dreamer_jax"
HOST = """
import importlib
import os
import sys

# Libraries that define flags when imported.
import chex
import orbax.checkpoint
from absl import flags

for name in ("seed", "env", "steps"):
    flags.DEFINE_string(name, "of the host", "A flag of the host.")
before = {name: flags.FLAGS[name] for name in flags.FLAGS}
for name in sys.argv[1:]:
    importlib.import_module(name)
after = {name: flags.FLAGS[name] for name in flags.FLAGS}
assert before.keys() == after.keys(), sorted(after.keys() - before.keys())
assert all(before[name] is after[name] for name in before)
flags.FLAGS(["host", "--seed=mine"])
assert flags.FLAGS.seed == "mine" and flags.FLAGS.env == "of the host"

assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3"  # XLA says what it says

from dreamer_jax.commands.flags import parse

assert parse(["main", "--seed=3"], ["train"]).seed == 3 and flags.FLAGS.seed == "mine"
"""
PROGRAM = """
import os
import runpy
import sys

sys.argv = [sys.argv[0], "--config=help"]
try:
    runpy.run_module("dreamer_jax.main", run_name="__main__")
finally:
    print("level", os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""


def module(path: Path) -> str:
    """The name that a file of the package is imported under."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_a_host_program_keeps_its_flags() -> None:
    modules = [module(path) for path in sorted(PACKAGE.rglob("*.py")) if path.stem != "__main__"]
    assert {"dreamer_jax", "dreamer_jax.main", "dreamer_jax.commands.options"} <= set(modules)
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", HOST, *modules],
        cwd=ROOT,
        env=ENVIRON,
        text=True,
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("given", "level"), [({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")])
def test_the_program_keeps_the_alarm_of_slow_compiles_away(
    given: dict[str, str], level: str
) -> None:
    """Unless the user asks for it: seen with compiles of two minutes, which no test waits for."""
    environ = {k: x for k, x in ENVIRON.items() if k != "TF_CPP_MIN_LOG_LEVEL"} | given
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, env=environ, text=True, capture_output=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"level {level}"), done.stderr
