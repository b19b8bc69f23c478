"""Planted faults are named, and healthy agents are not accused."""

import math

import pytest
import walk

from dreamer_jax.outputs.checks import CHECKS
from dreamer_jax.outputs.findings import Watched, judge, measured
from experiments.diagnose import findings
from experiments.planted_faults import FAULTS


def test_a_healthy_agent_is_not_accused() -> None:
    """Neither while it learns nor afterwards, by many batches."""
    watch = dict[str, Watched]()
    for state in [*walk.learned().states, walk.learned().states[-1]]:
        for values in walk.measures(state):
            watch, found = judge(CHECKS, watch, measured(values))
            assert not found
    assert {name.split("/")[0] for name in watch} >= {fault.check for fault in FAULTS.values()}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(name: str) -> None:
    fault, state = FAULTS[name], walk.learned().states[-1]
    said = {x.check.split("/")[0]: x for x in findings(walk.measures(fault.plant(state)))}
    assert fault.check in said
    finding = said[fault.check]
    assert (
        math.isfinite(finding.value) and "--set" in finding.advice and "{" not in finding.sentence
    )
