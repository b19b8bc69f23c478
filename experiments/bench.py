"""How fast is it? python -m experiments.bench --sizes=nano,1m --out=bench.json

Measures each case in a process of its own: a line of a table, and everything as JSON. With
--against=<another checkout> both are measured in turn, repeat by repeat, and their ratios printed.
Time is that of one call: an update, an action for all environments, a step of all environments.
"""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, get_type_hints

from absl import app, flags

from dreamer_jax.agents.dreamer.config import SIZES
from envs.settings import parse
from experiments.bench_cases import OBSERVATIONS, Case
from experiments.bench_table import Found, comparison, heading, line, record

FLAGS = flags.FLAGS
flags.DEFINE_enum("suite", "cpu", ["cpu", "gpu"], "What is measured where nothing else is said.")
flags.DEFINE_list("kinds", None, "Kinds of cases.")
flags.DEFINE_list("sizes", None, "Sizes of the model.")
flags.DEFINE_list("dtypes", None, "Numbers to compute in.")
flags.DEFINE_list("observations", None, "image (64x64x3), vector (24 numbers).")
flags.DEFINE_multi_string("set", [], "Replaces a field of all cases, e.g. updates=4.")
flags.DEFINE_integer("repeats", 5, "Repeats of each case; whole runs have one.", lower_bound=1)
flags.DEFINE_string("against", None, "Another checkout, with experiments/bench_worker.py in it.")
flags.DEFINE_string("out", None, "File for the JSON.")
HERE = Path(__file__).parents[1]
ENVIRON = {
    "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.45",  # of a GPU: there may be two processes
    **os.environ,
    "JAX_ENABLE_COMPILATION_CACHE": "false",  # compiling is measured
}

SUITES: dict[str, dict[str, Any]] = {
    "cpu": {
        "kinds": ["matmul", "copy", "update", "policy", "add", "env", "idle", "loop", "start"],
        "sizes": ["nano", "1m", "12m"],
        "dtypes": ["float32"],
        "fields": {},
    },
    "gpu": {
        "kinds": [
            *("matmul", "copy", "update", "policy", "add", "env", "idle", "loop", "start"),
            *("profile", "loop_profile", "whole"),
        ],
        "sizes": ["1m", "12m", "50m", "200m"],
        "dtypes": ["bfloat16"],
        "fields": {"width": 8_192, "updates": 200, "least": 1.0},
    },
}
# The fields that each kind of case is repeated for; it has the others from FIXED.
AXES: dict[str, tuple[str, ...]] = {
    "matmul": ("dtype",),
    "copy": (),
    "update": ("size", "dtype", "observation"),
    "profile": ("size", "dtype", "observation"),
    "policy": ("size", "dtype", "observation", "envs"),
    "add": ("size", "observation"),
    "env": ("task",),
    "idle": ("size", "dtype"),
    "loop": ("size", "dtype"),
    "loop_profile": ("size", "dtype"),
    "start": ("size", "dtype", "cache"),
    "whole": ("dtype",),
}
FIXED: dict[str, dict[str, Any]] = {
    "profile": {"updates": 5},
    "loop_profile": {"updates": 20},
    "env": {"least": 2.0},
    "start": {"capacity": 100_000},
    "whole": {
        "size": "12m",
        "envs": 1,
        "task": "atari_pong",
        "preset": "atari100k",
        "capacity": 100_000,
    },
}
REPEATS = {"profile": 1, "loop_profile": 1, "whole": 1}  # where it is not the flag that says so


def main(_: Sequence[str]) -> None:
    """Measures what the flags ask for; prints each case when it is done."""
    checkouts = [HERE, *([Path(FLAGS.against).resolve()] if FLAGS.against else [])]
    for checkout in checkouts:
        if not (checkout / "experiments/bench_worker.py").exists():
            raise app.UsageError(f"{checkout} has no experiments/bench_worker.py: copy it there")
    found: list[list[Found]] = [[] for _ in checkouts]
    print(heading(), flush=True)
    for case in plan():
        for past, new in zip(found, measure(case, checkouts), strict=True):
            past.append(new)
            print(line(new, past), flush=True)
        if FLAGS.against:
            print(comparison(*(past[-1] for past in found)), flush=True)
        if FLAGS.out:
            Path(FLAGS.out).write_text(json.dumps(record(checkouts, found), indent=1) + "\n")


def plan() -> list[Case]:
    """The cases, in order and without repetitions."""
    suite = SUITES[FLAGS.suite]
    values = {
        "size": chosen("sizes", SIZES) or suite["sizes"],
        "dtype": FLAGS.dtypes or suite["dtypes"],
        "observation": chosen("observations", OBSERVATIONS) or list(OBSERVATIONS),
        "envs": [1, 16],
        "task": ["atari_breakout"],
        "cache": ["cold", "warm"],
    }
    kinds = get_type_hints(Case)
    given = dict(assignment.split("=", 1) for assignment in FLAGS.set)
    given = {name: parse(text, kinds[name], name) for name, text in given.items()}
    cases = []
    for kind in chosen("kinds", AXES) or suite["kinds"]:
        fixed = suite["fields"] | FIXED.get(kind, {})
        for choice in itertools.product(*(values[axis] for axis in AXES[kind])):
            cases.append(Case(kind, **fixed | dict(zip(AXES[kind], choice, strict=True)) | given))
    return list(dict.fromkeys(cases))


def chosen(flag: str, known: Collection[str]) -> Sequence[str]:
    """What a list flag names, if anything; UsageError for what is not known."""
    for name in FLAGS[flag].value or ():
        if name not in known:
            raise app.UsageError(f"--{flag}: no {name!r}; there are {', '.join(known)}")
    return FLAGS[flag].value or ()


def measure(case: Case, checkouts: Sequence[Path]) -> list[Found]:
    """One case in each checkout; where there are two, they take turns."""
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(Worker(case, path))) for path in checkouts]
        repeats = [[] for _ in workers]
        for index in range(REPEATS.get(case.kind) or FLAGS.repeats):
            turn = list(zip(workers, repeats, strict=True))
            for worker, past in turn if index % 2 == 0 else reversed(turn):
                past.append(worker.again())
        return [
            Found(case, worker.facts, past, worker.end())
            for worker, past in zip(workers, repeats, strict=True)
        ]


class Worker:
    """A process that measures one case with the code of one checkout."""

    def __init__(self, case: Case, checkout: Path):
        self.name = f"{case.kind} in {checkout}"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "experiments.bench_worker"),
                json.dumps(dataclasses.asdict(case)),
            ],
            cwd=checkout,
            env=ENVIRON | {"PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts = self._read()

    def again(self) -> dict[str, Any]:
        """One more repeat."""
        assert self.process.stdin
        print("again", file=self.process.stdin, flush=True)
        return self._read()

    def end(self) -> dict[str, Any]:
        """What the process has needed; it is over then."""
        assert self.process.stdin
        self.process.stdin.close()
        needs = self._read()
        self.process.wait()
        return needs

    def close(self) -> None:
        """Ends the process, wherever it is."""
        self.process.kill()
        self.process.wait()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.name} has failed; what it said stands above")
        return json.loads(text)


if __name__ == "__main__":
    app.run(main)
