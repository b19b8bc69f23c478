"""Planted faults are named, and healthy agents are not accused."""

import json
import math
from contextlib import ExitStack
from pathlib import Path

import pytest
import walk
from command import SMALL, call

from dreamer_jax.outputs.checks import CHECKS
from dreamer_jax.outputs.findings import Watched, judge, measured
from experiments import diagnose
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


def test_a_run_without_diagnosis_is_measured_and_a_damaged_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--set=train.diagnosis=false", "--steps=20", f"--logdir={tmp_path}")
    assert call(*SMALL, *flags).code == 0
    with ExitStack() as opened:
        saved = diagnose.load(tmp_path, step=None, opened=opened)
        assert saved.run.config.train.diagnosis and saved.counters.step == 20
    assert not json.loads((tmp_path / "config.json").read_text())["config"]["train"]["diagnosis"]
    (tmp_path / "checkpoints" / "20" / "checksums.json").write_text("{}")
    monkeypatch.setattr("sys.argv", ["diagnose", f"--logdir={tmp_path}"])
    capsys.readouterr()
    assert diagnose.main() == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "checkpoints/20" in error
