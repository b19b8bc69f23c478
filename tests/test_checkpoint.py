"""Checkpoints: bit-exact round trips, atomicity, expiry, subsets and mismatches."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.struct import PyTreeNode
from jax.sharding import SingleDeviceSharding

from dreamer_jax.faults import Damaged, Fault
from dreamer_jax.host import array_files
from dreamer_jax.run import checkpoint


class State(PyTreeNode):
    params: dict[str, Any]
    opt: Any
    updates: jax.Array
    absent: Any = None


def state() -> State:
    kernel = jax.random.normal(jax.random.key(0), (3, 4))
    params = {
        "dense": {"kernel": kernel, "bias": kernel[0].astype(jnp.bfloat16)},
        "norm": {"scale": jnp.array([jnp.nan, jnp.inf, -0.0, 1e-42])},
    }
    optimizer = optax.chain(
        optax.adaptive_grad_clip(0.3), optax.scale_by_adam(), optax.scale_by_learning_rate(1e-4)
    )
    return State(params, optimizer.init(params), jnp.int32(2**31 - 1))


def ring() -> dict[str, Any]:
    bits = np.arange(2 * 5 * 4 * 4 * 3).reshape(2, 5, 4, 4, 3)
    return {"image": jnp.asarray(bits, jnp.uint8), "is_first": jnp.ones((2, 5), bool)}


def abstract(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), tree)


def save(directory: Path, step: int, items: Any, counters: Any, keep: int) -> int:
    newest = {"keep": lambda steps: set(steps[-keep:])}
    return checkpoint.save(directory, items, step=step, counters=counters, files={}, **newest)


def assert_bit_equal(actual: Any, expected: Any) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert (a.dtype, a.shape, a.sharding) == (b.dtype, b.shape, b.sharding)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_round_trip_is_bit_exact(tmp_path: Path) -> None:
    items = {"agent": state(), "replay": ring()}
    counters = {"step": 7, "rates": [0.1, None], "seen": 2**60, "name": "é", "nested": {"a": []}}
    save(tmp_path, 7, items, counters, keep=1)
    restored = checkpoint.restore(tmp_path, 7, abstract(items))
    assert isinstance(restored["agent"], State)
    assert_bit_equal(restored, items)
    assert checkpoint.read_counters(tmp_path, 7) == counters


def test_only_the_named_items_are_restored(tmp_path: Path) -> None:
    save(tmp_path, 1, {"agent": state(), "replay": ring()}, {}, keep=1)
    restored = checkpoint.restore(tmp_path, 1, {"replay": abstract(ring())})
    assert list(restored) == ["replay"]
    assert_bit_equal(restored["replay"], ring())
    assert checkpoint.read_counters(tmp_path, 1) == {}


def test_restores_onto_another_memory(tmp_path: Path) -> None:
    save(tmp_path, 1, {"replay": ring()}, {}, keep=1)
    pinned = SingleDeviceSharding(jax.devices()[0], memory_kind="pinned_host")
    wanted = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=pinned), ring())
    restored = checkpoint.restore(tmp_path, 1, {"replay": wanted})["replay"]
    assert all(x.sharding.memory_kind == "pinned_host" for x in restored.values())
    assert np.array_equal(restored["image"], ring()["image"])


def test_the_newest_are_kept(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "nowhere") is None
    assert checkpoint.latest(tmp_path) is None
    for step in (8, 9, 10, 100):
        save(tmp_path, step, {"replay": ring()}, {"step": step}, keep=2)
    assert checkpoint.steps(tmp_path) == [10, 100]
    assert checkpoint.latest(tmp_path) == 100
    assert sorted(p.name for p in tmp_path.iterdir()) == ["10", "100"]


def test_the_same_step_is_replaced(tmp_path: Path) -> None:
    save(tmp_path, 3, {"replay": {"x": jnp.zeros(2)}}, {"saved": 1}, keep=1)
    save(tmp_path, 3, {"replay": {"x": jnp.ones(2)}}, {"saved": 2}, keep=1)
    x = checkpoint.restore(tmp_path, 3, {"replay": abstract({"x": jnp.ones(2)})})["replay"]["x"]
    assert x.tolist() == [1, 1]
    assert checkpoint.read_counters(tmp_path, 3) == {"saved": 2}


def test_half_a_directory_is_no_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 5, {"replay": ring()}, {}, keep=2)
    (tmp_path / "7.new.orbax-checkpoint-tmp" / "replay").mkdir(parents=True)
    (tmp_path / "8").write_text("a file")
    (tmp_path / "notes.txt").write_text("not ours")
    (tmp_path / "5.txt").write_text("not ours")
    shutil.copytree(tmp_path / "5", tmp_path / "007")  # no name that a step has
    shutil.copytree(tmp_path / "5", tmp_path / "\u0663")  # a digit to Python
    assert checkpoint.steps(tmp_path) == [5]
    with pytest.raises(FileNotFoundError, match="no checkpoint of step 6"):
        checkpoint.restore(tmp_path, 6, {"replay": abstract(ring())})
    with pytest.raises(FileNotFoundError, match="no checkpoint of step 7"):
        checkpoint.read_counters(tmp_path, 7)
    save(tmp_path, 9, {"replay": ring()}, {}, keep=2)
    names = ["007", "5", "5.txt", "8", "9", "notes.txt", "\u0663"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_a_killed_save_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 5, {"replay": ring()}, {}, keep=2)
    script = (
        "import sys, jax.numpy as jnp\n"
        "from dreamer_jax import checkpoint\n"
        "x = {'x': jnp.zeros(2**27, 'uint8')}\n"
        "checkpoint.save(sys.argv[1], {'replay': x}, step=6, counters={}, files={}, keep=set)\n"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=root) as process:
        while process.poll() is None and not any("6" in name for name in os.listdir(tmp_path)):
            time.sleep(0.001)
        process.kill()
    # Where the machine was quicker than the kill, the new checkpoint is complete instead.
    newest = checkpoint.latest(tmp_path)
    assert newest == 5 or checkpoint.read_counters(tmp_path, 6) == {}
    save(tmp_path, 7, {"replay": ring()}, {}, keep=1)
    assert [p.name for p in tmp_path.iterdir()] == ["7"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.replace(opt=jax.tree.map(lambda x: jnp.zeros((*x.shape, 1)), s.opt)),
            r"has int32\[\] at agent/opt/1/count where float32\[1\] is expected",
        ),
        (
            lambda s: s.replace(updates=jnp.zeros(2, jnp.int32)),
            r"has int32\[\] at agent/updates where int32\[2\] is expected",
        ),
        (
            lambda s: s.replace(updates=jnp.float32(0)),
            r"has int32\[\] at agent/updates where float32\[\] is expected",
        ),
        (
            lambda s: s.replace(params={**s.params, "new": jnp.zeros((1, 2))}),
            r"has nothing at agent/params/new where float32\[1, 2\] is expected",
        ),
        (
            lambda s: s.replace(params={k: v for k, v in s.params.items() if k != "norm"}),
            r"has float32\[4\] at agent/params/norm/scale where nothing is expected",
        ),
    ],
)
def test_what_differs_is_named(tmp_path: Path, change: Any, message: str) -> None:
    save(tmp_path, 1, {"agent": state()}, {}, keep=1)
    with pytest.raises(Fault, match=message) as error:
        checkpoint.restore(tmp_path, 1, {"agent": abstract(change(state()))})
    assert "\n" not in str(error.value)


def test_a_missing_item_is_named(tmp_path: Path) -> None:
    save(tmp_path, 1, {"replay": ring()}, {}, keep=1)
    with pytest.raises(Fault, match=r"has no 'agent', only \['replay'\]"):
        checkpoint.restore(tmp_path, 1, {"agent": abstract(state())})


@pytest.mark.parametrize("counters", [{"rate": float("nan")}, {"count": np.int32(3)}])
def test_counters_that_json_cannot_hold_write_nothing(tmp_path: Path, counters: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        save(tmp_path / "new", 1, {"replay": ring()}, counters, keep=1)
    assert not (tmp_path / "new").exists()


def test_the_one_just_written_stays(tmp_path: Path) -> None:
    for step, items in ((1, {"replay": ring()}), (2, {"replay": ring()})):
        checkpoint.save(tmp_path, items, step=step, counters={}, files={}, keep=lambda _: {1})
    assert checkpoint.steps(tmp_path) == [1, 2]


def test_files_of_any_shape_lie_beside_the_arrays(tmp_path: Path) -> None:
    actions = {"actions/turn": np.arange(5), "over": np.zeros(0, bool)}
    files = {"env": actions}
    items = {"replay": ring()}
    taken = checkpoint.save(tmp_path, items, step=1, counters={}, files=files, keep=set)
    found = array_files.read_all(checkpoint.path_of(tmp_path, 1, name="env"))
    assert_bit_equal(
        {k: jnp.asarray(x) for k, x in found.items()}, jax.tree.map(jnp.asarray, actions)
    )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert taken == sum(path.stat().st_size for path in files)


def arrays_of(tmp_path: Path, item: str) -> Path:
    """The largest file of an item of checkpoint 2."""
    files = [path for path in (tmp_path / "2" / "arrays" / item).rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def elsewhere(path: Path) -> None:
    path.rename(path.parents[5] / "elsewhere")
    path.symlink_to(path.parents[5] / "elsewhere")


DAMAGE = {
    "a changed bit": lambda root: flip(arrays_of(root, "agent")),
    "a file cut short": lambda root: os.truncate(arrays_of(root, "agent"), 10),
    "a missing file": lambda root: arrays_of(root, "agent").unlink(),
    "a file more": lambda root: (root / "2" / "arrays" / "agent" / "more").write_text("x"),
    "a link": lambda root: elsewhere(arrays_of(root, "agent")),
    "no metadata": lambda root: (root / "2" / "arrays" / "_CHECKPOINT_METADATA").unlink(),
    "changed counters": lambda root: flip(root / "2" / "arrays" / "counters.json"),
    "checksums cut short": lambda root: os.truncate(root / "2" / "checksums.json", 40),
    "checksums of another kind": lambda root: (root / "2" / "checksums.json").write_text("[1]"),
    "no checksums": lambda root: (root / "2" / "checksums.json").unlink(),
    "an item missing": lambda root: shutil.rmtree(root / "2" / "arrays" / "agent"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_noticed_and_the_one_before_is_used(tmp_path: Path, kind: str) -> None:
    for step in (1, 2):
        save(tmp_path, step, {"agent": state(), "replay": ring()}, {"step": step}, keep=2)
    DAMAGE[kind](tmp_path)
    wanted = {"agent": abstract(state())}
    with pytest.raises(Damaged):
        checkpoint.restore(tmp_path, 2, wanted)
    found = checkpoint.newest(tmp_path, lambda step: checkpoint.restore(tmp_path, step, wanted))
    assert found.step == 1 and len(found.notes) == 1
    assert found.notes[0].startswith("checkpoint 2 is damaged") and "\n" not in found.notes[0]
    assert_bit_equal(found.loaded["agent"], state())
    assert checkpoint.is_whole(tmp_path, 1) and not checkpoint.is_whole(tmp_path, 2)
    checkpoint.set_aside(tmp_path, after=1)
    assert checkpoint.steps(tmp_path) == [1]
    save(tmp_path, 2, {"agent": state(), "replay": ring()}, {"step": 2}, keep=1)
    names = {path.name for path in tmp_path.iterdir()} - {"elsewhere"}
    assert names == {"2", "2.damaged"}  # nothing is removed that somebody could still repair
    checkpoint.set_aside(tmp_path, after=1)
    assert {path.name for path in tmp_path.iterdir()} - {"elsewhere"} == {"2.damaged"}


def test_a_checkpoint_that_goes_while_it_is_read_is_no_damage(tmp_path: Path) -> None:
    """Like an evaluation while the run trains."""
    save(tmp_path, 1, {"replay": ring()}, {}, keep=1)

    def load(step: int) -> Any:
        if step == 1:
            save(tmp_path, 2, {"replay": ring()}, {}, keep=1)
        return checkpoint.read_counters(tmp_path, step)

    assert checkpoint.newest(tmp_path, load) == (2, {}, [])


def test_what_was_set_aside_is_not_buried(tmp_path: Path) -> None:
    save(tmp_path, 5, {"replay": ring()}, {}, keep=1)
    checkpoint.set_aside(tmp_path, after=0)
    with pytest.raises(Damaged, match=r"5.damaged was a checkpoint"):
        checkpoint.require_none(tmp_path)


def test_damage_elsewhere_does_no_harm(tmp_path: Path) -> None:
    """Weights can be restored when the replay that was saved with them cannot."""
    save(tmp_path, 2, {"agent": state(), "replay": ring()}, {}, keep=1)
    flip(arrays_of(tmp_path, "replay"))
    checkpoint.restore(tmp_path, 2, {"agent": abstract(state())})
    with pytest.raises(Damaged, match="replay"):
        checkpoint.restore(tmp_path, 2, {"replay": abstract(ring())})
    wanted = {"replay": abstract(ring())}
    with pytest.raises(Damaged, match=r"no checkpoint .* is whole: checkpoint 2 is damaged"):
        checkpoint.newest(tmp_path, lambda step: checkpoint.restore(tmp_path, step, wanted))


def test_a_checkpoint_is_data(tmp_path: Path) -> None:
    save(tmp_path, 1, {"agent": state()}, {"step": 1}, keep=1)
    assert json.loads((tmp_path / "1" / "arrays" / "counters.json").read_text()) == {"step": 1}
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".pkl", ".py")]
