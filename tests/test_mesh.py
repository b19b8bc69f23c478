"""One device or eight: the same losses, experience stays where it is, gradients travel once."""

import json
import math
import re
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import pytest
from command import ENVIRON, ROOT

from dreamer_jax import mesh

XLA = "--xla_force_host_platform_device_count=8"
BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "u16": 2, "s16": 2, "f32": 4, "s32": 4}


class Collective(NamedTuple):
    """One exchange between devices in a compiled program."""

    kind: str  # such as all-reduce
    elements: int  # of its result, or results
    bytes: int
    depth: int  # while loops around it


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the process with eight devices has found."""
    folder = tmp_path_factory.mktemp("mesh")
    process = subprocess.run(
        [sys.executable, ROOT / "tests" / "eight_devices.py", folder],
        env={**ENVIRON, "XLA_FLAGS": XLA},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert process.returncode == 0, process.stderr
    return json.loads((folder / "facts.json").read_text())


def collectives(hlo: str) -> list[Collective]:
    """Every exchange in the text of a program, with the number of loops that it is in."""
    bodies: dict[str, list[str]] = {}
    name = ""
    for line in hlo.splitlines():
        if header := re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$", line):
            name = header[1]
        bodies.setdefault(name, []).append(line)
    depths = {name: 0 for name, lines in bodies.items() if lines[0].startswith("ENTRY")}
    waiting = list(depths)
    while waiting:
        name = waiting.pop()
        for line in bodies[name]:
            for kind, called in re.findall(r"(\w+)=\{?%?([\w.-]+(?:, %[\w.-]+)*)", line):
                inside = depths[name] + (kind == "body")
                for other in called.replace("%", "").split(", "):
                    if other in bodies and depths.get(other, -1) < inside:
                        depths[other] = inside
                        waiting.append(other)
    found = []
    for name, lines in bodies.items():
        for line in lines:
            match = re.search(r"= (.*?) (all-[a-z]+|reduce-scatter|collective-[a-z]+)\(", line)
            if match:
                shapes = re.findall(r"(\w+)\[([\d,]*)\]", match[1])
                sizes = [math.prod(map(int, filter(None, s.split(",")))) for _, s in shapes]
                size = sum(BYTES[t] * n for (t, _), n in zip(shapes, sizes, strict=True))
                found.append(Collective(match[2], sum(sizes), size, depths[name]))
    return found


HLO = """
%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}
%inner (x: f32[2]) -> f32[2] {
  ROOT %r = f32[2,3]{1,0} all-reduce(%x), channel_id=1, to_apply=%add
}
%outer (y: (f32[2])) -> f32[2] {
  %both = (f32[4]{0}, u8[7]{0}) all-gather(%y, %z), dimensions={0}
  ROOT %w = f32[2] while(%y), condition=%test, body=%inner
}
ENTRY %main (z: f32[2]) -> f32[2] {
  %v = f32[2] while(%z), condition=%test, body=%outer
  ROOT %f = f32[] all-reduce(%v), to_apply=%add
}
"""


def test_the_reader_of_programs():
    assert sorted(collectives(HLO)) == [
        Collective("all-gather", 11, 23, 1),
        Collective("all-reduce", 1, 4, 0),
        Collective("all-reduce", 6, 24, 2),
    ]


def test_the_same_losses_on_one_device_and_on_eight(facts: dict[str, Any]):
    assert facts["devices"] == 8
    one, eight = facts["losses"]
    assert one.keys() == eight.keys() and "optimizer/loss" in one
    for name, value in one.items():
        assert eight[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name


def test_each_device_draws_from_its_own_rows(facts: dict[str, Any]):
    assert facts["rows"] == [[device] for device in range(8)]


def test_each_device_draws_its_share_of_recorded_sequences(facts: dict[str, Any]):
    assert facts["recorded"] == [[device, 100] for device in range(8)]


def test_experience_is_never_gathered(facts: dict[str, Any]):
    """What devices exchange is far smaller than the ring, or even one row of it."""
    row = facts["ring_bytes"] / 8
    gathered = [c for c in collectives(facts["hlo"]) if c.kind != "all-reduce"]
    assert all(c.bytes < row / 10 for c in gathered), gathered


def test_gradients_are_reduced_once_for_each_update(facts: dict[str, Any]):
    """One exchange of all gradients, outside of the loops over time."""
    reduced = [c for c in collectives(facts["hlo"]) if c.kind == "all-reduce"]
    assert {c.depth for c in reduced} == {1}, reduced  # the loop over updates, no other
    large = [c for c in reduced if c.elements >= facts["gradients"] / 100]
    assert len(large) == 1 and large[0].elements >= facts["gradients"], reduced


def test_what_cannot_be_split_is_named(facts: dict[str, Any]):
    parts = ("train.envs=12 is not divisible by", "replay.batch=4 is not divisible by")
    parts += ("replay.seed_share=0.25 of the batch=2 is not divisible by",)
    for (code, message), part in zip(facts["mistakes"], parts, strict=True):
        assert code == 2 and message.count("\n") == 1
        assert part in message and "--mesh=data=8" in message


def test_a_run_on_eight_devices_can_be_read_on_one(facts: dict[str, Any]):
    run = facts["trained"]
    assert (run["code"], run["steps"]) == (0, [104, 120])
    assert run["updates"] == (120 - 80) * 8 // (8 * 8)  # after the prefill, at train ratio 8


@pytest.mark.parametrize("text", ["4", "data", "data=", "data=x", "data=0", "data=-1", "rows=2"])
def test_parse_refuses(text: str):
    with pytest.raises(ValueError, match=f"--mesh={text}: expected data=N"):
        mesh.parse(text)


def test_parse():
    assert mesh.parse("data=12") == 12


def test_free_memory_is_known():
    free = mesh.free_bytes(mesh.make(1))
    if jax.default_backend() == "cpu":  # which has no memory but that of the host
        assert free is None
    else:
        assert free and free > 0


@pytest.mark.parametrize(
    ("platform", "reason"),
    [("rocm", "jax has no plugin|Unable to initialize"), ("foo", "'foo' is not in the list")],
)
def test_a_platform_that_is_not_there(platform: str, reason: str):
    """In a process of its own: JAX finds its devices once."""
    done = subprocess.run(
        [sys.executable, "-c", "from dreamer_jax import mesh; mesh.make(1)"],
        cwd=ROOT,
        env={**ENVIRON, "JAX_PLATFORMS": platform},
        text=True,
        capture_output=True,
    )
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"ValueError: JAX_PLATFORMS={platform}: no device found: ")
    assert re.search(reason, line) and 'pip install -e ".[cuda12]"' in line
