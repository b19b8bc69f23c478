"""The trackers that --trackers names."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dreamer_jax.outputs import run_ids
from dreamer_jax.outputs.guarded import Guarded
from dreamer_jax.outputs.mlflow import Mlflow
from dreamer_jax.outputs.run_ids import Place
from dreamer_jax.outputs.sink import Sink
from dreamer_jax.outputs.wandb_shaped import trackio, wandb

RECORD = "jsonl"  # every run has it: reports, sweeps and checks read it
BOARD = "tensorboard"
DEFAULT = (RECORD, BOARD)
# Tracker -> its sink. The library is imported when the sink is opened; an extra has its name.
OPTIONAL: dict[str, Callable[[Place], Sink]] = {
    "wandb": wandb,
    "trackio": trackio,
    "mlflow": Mlflow,
}
NAMES = (*DEFAULT, *OPTIONAL)


def chosen(text: str | None, logdir: Path) -> tuple[str, ...]:
    """The trackers of a run, `RECORD` among them.

    Args:
      text: of the flag, such as 'jsonl,wandb'; None for those that the run had before.
      logdir: of the run.

    Raises:
      ValueError: a name is unknown, or its library is not installed; in one line.
    """
    before = run_ids.read(logdir)
    if text is None:
        names = before.trackers if before else DEFAULT
    else:
        names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        _require(name)
    if not names:
        raise ValueError(f"--trackers= names none; known are {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in names or name == RECORD)


def _require(name: str) -> None:
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"--trackers={name}: {hint}known are {', '.join(NAMES)}")
    if name in OPTIONAL and find_spec(name) is None:
        raise ValueError(f'--trackers={name} needs its library: pip install -e ".[{name}]"')


def opened(
    names: Sequence[str], logdir: Path, *, configuration: Mapping[str, Any]
) -> list[Guarded]:
    """The optional ones among `names`, each behind a guard; writes trackers.json.

    configuration: path -> value of the run's configuration.
    """
    optional = [name for name in names if name in OPTIONAL]
    if not optional and tuple(names) == DEFAULT and run_ids.read(logdir) is None:
        return []
    runs = run_ids.claim(logdir, names, named=optional).runs
    return [
        Guarded(name, lambda name=name: OPTIONAL[name](Place(logdir, runs[name], configuration)))
        for name in optional
    ]
