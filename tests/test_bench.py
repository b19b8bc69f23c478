"""The measurements: real, and complete."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import command
import pytest

from experiments.bench import loop, profile, table
from experiments.bench.case import Case
from experiments.bench.profile import Event
from experiments.bench.table import Found

SMALL: dict[str, Any] = {
    **{"preset": "debug", "batch": 2, "length": 4, "capacity": 64, "envs": 2},
    **{"width": 64, "least": 0.0, "updates": 2},
}


def bench(*arguments: str) -> str:
    """What the command prints, on the smallest of everything."""
    sets = [f"--set={name}={value}" for name, value in SMALL.items()]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.bench", "--repeats=2", *sets, *arguments],
        cwd=command.ROOT,
        env=command.ENVIRON,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_update_and_act_from_the_command_to_the_json(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    kinds = ("--kinds=matmul,update,act", "--sizes=nano", "--observations=vector")
    shown = bench(*kinds, f"--out={out}").splitlines()
    assert [row.split(" | ")[0] for row in shown[2:]] == [
        "| matmul float32",
        "| update nano float32 vector",
        "| act nano float32 vector 2 env",
    ]
    (checkout,) = json.loads(out.read_text())["checkouts"]
    _, update, act = checkout["cases"]
    assert update["case"]["batch"] == SMALL["batch"]
    assert len(update["repeats"]) == 2
    for repeat in update["repeats"] + act["repeats"]:
        assert 0 < repeat["seconds"] < 60 and 0 < repeat["cpu_seconds"] < 60
    facts = update["facts"]
    assert facts["flops"] > act["facts"]["flops"] > 0
    assert facts["temporary_bytes"] > 0 and facts["compile_seconds"] > 0
    assert update["needs"]["peak_bytes"] > 1e8


def test_two_checkouts_in_turn() -> None:
    *_, row, other, ratios = bench("--kinds=copy", f"--against={command.ROOT}").splitlines()
    assert row.split(" | ")[0] == other.split(" | ")[0]
    found = re.search(r"seconds [\d.]+ .* peak_bytes ([\d.]+)$", ratios)
    assert found and float(found[1]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("flag", ["--kinds=polcy", "--sizes=tiny", "--set=sizes=1m"])
def test_what_is_not_known_is_said_before_anything_is_measured(flag: str) -> None:
    command_line = [sys.executable, "-m", "experiments.bench", flag]
    done = subprocess.run(command_line, cwd=command.ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    name, value, *_ = flag.split("=")
    assert f"{name}: no {value!r}; there are " in done.stderr


def test_a_loop_is_as_fast_as_its_pulse() -> None:
    with command.hastily():
        facts, repeat = loop.loop(Case("loop", "nano", task="counting", ratio=8, **SMALL))
        found = repeat()
    assert facts["flops"] > 0
    assert found["overhead"] == pytest.approx(found["seconds"] / found["bare_seconds"])
    assert math.isfinite(found["overhead"]) and found["seconds"] > 0


def test_a_loop_without_updates_is_compared_with_random_play() -> None:
    with command.hastily():
        case = Case("idle", "nano", task="counting", **SMALL)
        facts, repeat = loop.idle(case)
        found = repeat()
    assert facts["steps"] == case.envs
    assert found["share"] == pytest.approx(found["bare_seconds"] / found["seconds"])
    assert 0 < found["share"] < 1  # counting leaves the agent little to do


def test_a_profile_has_the_operations_of_an_update() -> None:
    with command.hastily():
        _, repeat = profile.profile(Case("profile", "nano", observation="vector", **SMALL))
        found: dict[str, Any] = repeat()
    assert 0 < found["busy"] <= 1
    shares = [operation["share"] for operation in found["operations"]]
    assert shares == sorted(shares, reverse=True) and 0.3 < sum(shares) <= 1.001
    assert any("RSSM" in operation["where"] for operation in found["operations"])


def test_time_that_overlaps_is_covered_once() -> None:
    found = [Event("a", 0, 4), Event("b", 1, 2), Event("c", 3, 6), Event("d", 10, 11)]
    assert profile.covered(found) == 7


def test_rates_and_shares_are_those_of_the_machine() -> None:
    matmul = Found(Case("matmul"), {"flops": 1e9}, [{"seconds": 0.01}], {"peak_bytes": 1})
    copy = Found(Case("copy"), {"bytes": 1e9}, [{"seconds": 0.05}], {"peak_bytes": 1})
    update = Found(
        Case("update", "1m"),
        {"flops": 1e9, "bytes": 5e8, "compile_seconds": 2.0},
        [{"seconds": x, "cpu_seconds": 2 * x} for x in (0.1, 0.2, 0.3)],
        {"peak_bytes": 2.5e9},
    )
    cells = table.line(update, [matmul, copy, update]).split(" | ")
    assert cells[1:6] == ["200 ms", "150 ms to 250 ms", "400 ms", "2 s", "2.50 GB"]
    assert cells[7:11] == ["1.00", "0.50", "10 ms", "25 ms"]
    assert "100 GFLOP/s" in table.line(matmul, []) and "20 GB/s" in table.line(copy, [])
