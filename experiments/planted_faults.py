"""Which check names which fault? python -m experiments.planted_faults --logdir=<logdir>

Restores a trained run as `experiments.diagnose` does, and damages its parameters or its statistics
in one way after the other. For each way it prints the measure of the check that should notice,
before and after, and the sentence of the finding. Exit code 1 if one was not noticed. Takes one to
two minutes.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.main import complain
from dreamer_jax.outputs.checks import CHECKS
from dreamer_jax.outputs.findings import DIAGNOSIS
from experiments.diagnose import batches_of, findings, load

Damage = Callable[[DreamerState], DreamerState]
REPORTS = 8  # drawn for each fault; not every batch has rewards or ends
TIMES = 3  # reports that a finding takes


class Fault(NamedTuple):
    """Something that is wrong, and the check that should say so."""

    check: str
    plant: Damage


def edited(*path: str, change: Callable[[Any], Any]) -> Damage:
    """Changes the parameters at a path, all leaves below it."""

    def plant(state: DreamerState) -> DreamerState:
        return state.replace(params=within(state.params, path, change))

    return plant


def within(tree: Any, path: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    """`tree` with all arrays below `path` changed."""
    if not path:
        return jax.tree.map(change, tree)
    return {**tree, path[0]: within(tree[path[0]], path[1:], change)}


def constant(*, bins_above_0: int) -> Callable[[Any], Any]:
    """Makes the last layer of a two-hot head predict one bin, whatever it sees.

    The prediction is symexp(bins_above_0 · 40 / (L - 1)).
    """

    def change(x: Any) -> Any:
        if x.ndim > 1:
            return jnp.zeros_like(x)
        certain = jnp.arange(x.size) == x.size // 2 + bins_above_0
        return jnp.where(certain, 30.0, 0.0).astype(x.dtype)

    return change


def larger(bins: int) -> Callable[[Any], Any]:
    """Moves the outputs of a two-hot head away from 0 by some bins: larger predictions, same signs.

    Large predictions become exp(bins · 40 / (L - 1)) times as large.
    """

    def change(x: Any) -> Any:
        middle = x.shape[-1] // 2
        place = jnp.arange(x.shape[-1]) - middle
        source = middle + jnp.sign(place) * jnp.maximum(jnp.abs(place) - bins, 0)
        between = (jnp.abs(place) <= bins) & (place != 0)
        return jnp.where(between, 0.0 if x.ndim > 1 else -30.0, x[..., source]).astype(x.dtype)

    return change


def noise(x: Any) -> Any:
    """Large random numbers instead of what was learned."""
    return jnp.asarray(5 * np.random.default_rng(0).normal(size=x.shape), x.dtype)


def zero(x: Any) -> Any:
    """Nothing of what was learned."""
    return jnp.zeros_like(x)


def both(*damages: Damage) -> Damage:
    """One after the other."""

    def plant(state: DreamerState) -> DreamerState:
        for damage in damages:
            state = damage(state)
        return state

    return plant


def slow_value_larger(state: DreamerState) -> DreamerState:
    """The slow critic with predictions of another size."""
    return state.replace(slow_value=within(state.slow_value, ("logits",), larger(17)))


def range_blown_up(state: DreamerState) -> DreamerState:
    """A return range a hundred times as wide, and wider."""
    range_ = state.return_range
    width = 100 * (1 + range_.high - range_.low)
    return state.replace(return_range=range_.replace(high=range_.low + width))


# 17 bins further from 0, a value is about 14 times as large.
FAULTS = {
    "rewards are never predicted": Fault(
        "missed_rewards", edited("reward", "logits", change=constant(bins_above_0=0))
    ),
    "rewards are never imagined": Fault(
        "imagined_order", edited("reward", "logits", change=constant(bins_above_0=0))
    ),
    "every step is rewarded": Fault(
        "false_rewards", edited("reward", "logits", change=constant(bins_above_0=10))
    ),
    "every step earns ten, in dreams": Fault(
        "imagined_return", edited("reward", "logits", change=constant(bins_above_0=15))
    ),
    "predicted rewards are twice as large": Fault(
        "inflated_rewards", edited("reward", "logits", change=larger(3))
    ),
    "continue is a constant": Fault(
        "missed_ends", edited("continue", "logit", "kernel", change=zero)
    ),
    "continue is a coin": Fault("false_ends", edited("continue", "logit", change=zero)),
    "the decoder is frozen": Fault("stuck_reconstruction", edited("decoder", change=zero)),
    "the prior is noise": Fault(
        "useless_prior", edited("rssm", "prior_logits", "kernel", change=noise)
    ),
    "the recurrence is noise": Fault(
        "open_loop_5", edited("rssm", "gates", "kernel", change=noise)
    ),
    "the recurrence is noise, further ahead": Fault(
        "open_loop_15", edited("rssm", "gates", "kernel", change=noise)
    ),
    "the recurrence ignores actions": Fault(
        "actions_without_effect", edited("rssm", "from_action", change=zero)
    ),
    "latents without logits": Fault(
        "dead_latents", edited("rssm", "posterior_logits", change=zero)
    ),
    "prior and posterior without logits": Fault(
        "free_nats",
        both(
            edited("rssm", "posterior_logits", change=zero),
            edited("rssm", "prior_logits", change=zero),
        ),
    ),
    "a policy of huge logits": Fault(
        "entropy_collapse", edited("policy", change=lambda x: 100 * x)
    ),
    "a critic of larger values": Fault("critic_gap", edited("value", "logits", change=larger(17))),
    "values that no return explains": Fault(
        "value_drift", edited("value", "logits", change=larger(17))
    ),
    "critic and slow critic of larger values": Fault(
        "value_size", both(edited("value", "logits", change=larger(17)), slow_value_larger)
    ),
    "a return range that grew": Fault("return_range", range_blown_up),
}


def main() -> int:
    """Prints a row for each fault."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("planted_faults", description=__doc__, formatter_class=form)
    parser.add_argument("--logdir", type=Path, required=True, help="of a trained run")
    args = parser.parse_args()
    try:
        with ExitStack() as opened:
            saved = load(args.logdir, step=None, opened=opened)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    healthy = list(batches_of(saved, batches=REPORTS))
    said = findings(healthy)
    print("healthy:", *(f"{x.check}: {x.sentence}" for x in said) if said else ["no finding"])
    missed = 0
    for name, fault in FAULTS.items():
        damaged = list(batches_of(saved._replace(state=fault.plant(saved.state)), batches=REPORTS))
        metric = next(check.metric for check in CHECKS if check.name == fault.check)
        row = f"{name:40} {fault.check:24} {middle(healthy, metric)} -> {middle(damaged, metric)}"
        named = [x for x in findings(damaged) if x.check.split("/")[0] == fault.check]
        told = sum(middle([each], metric) != "-" for each in damaged) >= TIMES
        missed += told and not named
        silent = "NOT NOTICED" if told else "not in enough of these batches"
        print(row, *(f"{x.check}: {x.sentence}" for x in named[:1]) if named else [silent])
        others = sorted({x.check for x in findings(damaged)} - {x.check for x in named})
        print(f"{'':40} also: {', '.join(others) or 'nothing'}")
    return int(missed > 0)


def middle(values: list[dict[str, float]], metric: str) -> str:
    """The median of the first metric with this name, or with names that begin so."""
    name = f"{DIAGNOSIS}{metric}"
    names = [key for key in values[0] if key == name or (metric.endswith("/") and name in key)]
    for key in names:
        if found := [each[key] for each in values if np.isfinite(each[key])]:
            return f"{np.median(found):.4g}"
    return "-"


if __name__ == "__main__":
    sys.exit(main())
