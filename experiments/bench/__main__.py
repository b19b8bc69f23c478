"""How fast is it? Measures parts of a run, each case in a process that does nothing else.

    python -m experiments.bench --out=bench.json                       # all but profiles, 3 sizes
    python -m experiments.bench --kinds=update,act --sizes=1m --against=../before

Prints one row of a table per case: the median and the quartiles of a call's wall time, its CPU
time, compile time, memory, and what the machine's own rates allow. The JSON has every repeat.
--against measures another checkout in turn with this one, repeat by repeat, and prints the ratios
of its time and memory to those here. docs/performance.md says what each kind is.

A case of nano takes 15 to 60 seconds of CPU time, mostly for compiling; larger sizes take longer.
"""

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, get_type_hints

from dreamer_jax.agents.dreamer.config import SIZES
from envs.settings import parse
from experiments.bench.case import OBSERVATIONS, Case
from experiments.bench.table import Found, comparison, heading, line, record
from experiments.bench.worker import KINDS

HERE = Path(__file__).parents[2]
WORKER = "experiments/bench/worker.py"
ENVIRON = {
    "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.45",  # of a GPU: there may be two processes
    **os.environ,
    "JAX_ENABLE_COMPILATION_CACHE": "false",  # compiling is measured
}


def main() -> None:
    """Measures what the flags ask for; prints each case when it is done."""
    parser = flags()
    args = parser.parse_args()
    checkouts = [HERE, *([args.against.resolve()] if args.against else [])]
    for checkout in checkouts:
        if not (checkout / WORKER).exists():
            parser.error(f"{checkout} has no {WORKER}: copy the folder experiments/bench there")
    found: list[list[Found]] = [[] for _ in checkouts]
    print(heading(), flush=True)
    for case in plan(args):
        for past, new in zip(found, measure(case, checkouts, args.repeats), strict=True):
            past.append(new)
            print(line(new, past), flush=True)
        if args.against:
            print(comparison(*(past[-1] for past in found)), flush=True)
        if args.out:
            args.out.write_text(json.dumps(record(checkouts, found), indent=1) + "\n")


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        "experiments.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    usual = [kind for kind in KINDS if kind != "profile"]
    add("--kinds", type=some_of(KINDS), default=usual, help=", ".join(KINDS))
    add("--sizes", type=some_of(SIZES), default=["nano", "1m", "12m"], help=", ".join(SIZES))
    kinds = "image (64x64x3), vector (24 numbers)"
    add("--observations", type=some_of(OBSERVATIONS), default=list(OBSERVATIONS), help=kinds)
    example = "replaces a field of all cases, e.g. dtype=bfloat16"
    add("--set", type=assignment, action="append", default=[], help=example)
    add("--repeats", type=int, default=5, help="repeats of each case (5)")
    add("--against", type=Path, help=f"another checkout, with {WORKER}")
    add("--out", type=Path, help="file for the JSON")
    return parser


def some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """What reads a list such as `update,act` of known names."""

    def read(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {name!r}; there are {', '.join(known)}")
        return text.split(",")

    return read


def assignment(text: str) -> tuple[str, Any]:
    """A field of a case and its value, from `field=value`."""
    name, _, value = text.partition("=")
    kinds = get_type_hints(Case)
    if name not in kinds:
        raise argparse.ArgumentTypeError(f"no {name!r}; there are {', '.join(kinds)}")
    return name, parse(value, kinds[name], name)


def plan(args: argparse.Namespace) -> list[Case]:
    """The cases, in order and without repetitions."""
    values = {
        "size": args.sizes,
        "observation": args.observations,
        "envs": [1, 16],
        "cache": ["cold", "warm"],
    }
    cases = []
    for name in args.kinds:
        kind = KINDS[name]
        for choice in itertools.product(*(values[axis] for axis in kind.axes)):
            chosen = zip(kind.axes, choice, strict=True)
            cases.append(Case(name, **dict([*kind.fields, *chosen, *args.set])))
    return list(dict.fromkeys(cases))


def measure(case: Case, checkouts: Sequence[Path], repeats: int) -> list[Found]:
    """One case in each checkout; where there are two, they take turns."""
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(Worker(case, path))) for path in checkouts]
        done = [[] for _ in workers]
        for index in range(repeats):
            turn = list(zip(workers, done, strict=True))
            for worker, past in turn if index % 2 == 0 else reversed(turn):
                past.append(worker.again())
        return [
            Found(case, worker.facts, past, worker.end())
            for worker, past in zip(workers, done, strict=True)
        ]


class Worker:
    """A process that measures one case with the code of one checkout."""

    def __init__(self, case: Case, checkout: Path):
        self.name = f"{case.kind} in {checkout}"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "experiments.bench.worker"),
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
        """Ends the process; what it has needed."""
        assert self.process.stdin
        self.process.stdin.close()
        needs = self._read()
        self.process.wait()
        return needs

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.name} has failed; its own message stands above")
        return json.loads(text)


if __name__ == "__main__":
    main()
