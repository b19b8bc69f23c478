"""What a run may take of a machine: cores and memory, with the limits of containers and ulimits."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from dreamer_jax import mesh
from dreamer_jax.host import this_machine
from dreamer_jax.host.memory_limits import free_bytes, left_in_groups
from experiments.sizes import cpu, gpu

MB = 1 << 20


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_groups_of_version_2(tmp_path: Path) -> None:
    """A group may use what its limit leaves; its cached files are given back when needed."""
    stat = f"anon 5\ninactive_file {100 * MB}\n"
    write(tmp_path, memory__stat=stat)  # the root has no limit
    write(tmp_path / "a", memory__max="max\n", memory__current="7\n", memory__stat=stat)
    limited = {"memory__max": f"{800 * MB}\n", "memory__current": f"{300 * MB}\n"}
    write(tmp_path / "a" / "b", **limited, memory__stat=stat)
    assert [*left_in_groups(tmp_path, "0::/a/b\n")] == [600 * MB]
    assert [*left_in_groups(tmp_path, "0::/a\n")] == []


def test_groups_of_version_1(tmp_path: Path) -> None:
    """In a container the path may be that of the host, and the root is the container's group."""
    group = {"memory__limit_in_bytes": f"{50 * MB}\n", "memory__usage_in_bytes": f"{20 * MB}\n"}
    write(tmp_path / "memory", **group, memory__stat=f"total_inactive_file {5 * MB}\n")
    own = "5:devices:/\n4:memory:/docker/1234\n1:cpu:/\n0::/\n"
    assert [*left_in_groups(tmp_path, own)] == [35 * MB]


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"": {"cpu__max": "150000 100000\n"}}, 2),
        ({"": {"cpu__max": "max 100000\n"}}, None),
        ({"cpu": {"cpu__cfs_quota_us": "400000\n", "cpu__cfs_period_us": "100000\n"}}, 4),
        ({"cpu": {"cpu__cfs_quota_us": "-1\n", "cpu__cfs_period_us": "100000\n"}}, None),
        ({}, None),
    ],
)
def test_cores(tmp_path: Path, files: dict[str, dict[str, str]], cores: int | None) -> None:
    for folder, content in files.items():
        write(tmp_path / folder, **content)
    assert this_machine.granted_cores(tmp_path) == cores


def test_a_ulimit_is_a_limit() -> None:
    code = "from dreamer_jax.host.memory_limits import free_bytes; print(free_bytes())"
    shell = f"ulimit -v 2000000; exec {sys.executable} -c '{code}'"
    shown = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert 0 < int(shown.stdout) < 2_000_000 * 1024


def test_this_machine() -> None:
    found = this_machine.find(mesh.make(1))
    assert found.cores >= 1 and 0 < found.host_memory <= 2 * free_bytes()
    assert (found.own_memory is None) == (found.platform == "cpu")
    assert f"{found.memory / 1e9:.1f} GB free" in str(found)


def test_words() -> None:
    assert str(cpu(8)) == "2 CPU cores, 7.2 GB free"
    assert str(cpu(8, cores=1)) == "1 CPU core, 7.2 GB free"
    assert str(gpu(24)._replace(devices=2)) == "2 x GPU 24 GB, 36.0 GB free"


def test_a_larger_machine_is_not_slower() -> None:
    rates = [cpu(8, cores=cores).rate for cores in (1, 2, 8, 64)]
    rates += [gpu(size).rate for size in (4, 8, 16, 24, 48, 80, 141)]
    assert rates == sorted(rates) and all(map(math.isfinite, rates))


def test_what_config_json_says_of_a_machine() -> None:
    found = this_machine.find(mesh.make(1))
    assert found.record() == {
        **{"platform": found.platform, "device": found.device},
        **{"devices": 1, "cores": this_machine.usable_cores()},
    }
    assert set(found.record().values()) <= {*found}  # free memory differs at every moment
