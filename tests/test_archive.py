"""Files of arrays: exact, complete or absent, and never trusted."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamer_jax.faults import Damaged
from dreamer_jax.host import array_files
from dreamer_jax.replay import blocks

TREE = {
    "obs": {"image": np.arange(24, dtype=np.uint8).reshape(2, 3, 4)},
    "reward": np.array([[np.nan, -0.0, 1e-42]], np.float32),
    "none": np.zeros((0, 2), bool),
}


def test_round_trip_is_bit_exact(tmp_path: Path) -> None:
    file = tmp_path / "new" / "tree.npz"
    assert array_files.write(file, TREE) == file.stat().st_size
    for found, expected in zip(
        array_files.named(array_files.read(file, TREE)).items(),
        array_files.named(TREE).items(),
        strict=True,
    ):
        assert found[0] == expected[0] and found[1].dtype == expected[1].dtype
        assert found[1].shape == expected[1].shape
        assert found[1].tobytes() == expected[1].tobytes()
    assert array_files.read_all(file).keys() == {"obs/image", "reward", "none"}
    assert [path.name for path in file.parent.iterdir()] == ["tree.npz"]


@given(st.integers(1, 64), st.integers(1, 5000), st.integers(0, 20_000))
def test_blocks_and_tail_cover_the_ring(rows: int, capacity: int, total: int) -> None:
    length = blocks.block_length(rows=rows, capacity=capacity)
    assert 1 <= length <= capacity
    full = blocks.blocks(total, capacity=capacity, length=length)
    assert full.start * length <= max(0, total - capacity)
    assert (full.start + 1) * length > max(0, total - capacity) or not full
    assert full.stop * length <= total < (full.stop + 1) * length


def test_only_what_is_not_needed_is_forgotten(tmp_path: Path) -> None:
    for index in (3, 4, 12):
        array_files.write(blocks.path(tmp_path, index), TREE)
    (tmp_path / "5.partial").write_text("half")
    (tmp_path / "notes.txt").write_text("not ours")
    blocks.forget(tmp_path, 4)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"000000004.npz", "000000012.npz", "notes.txt"}


def damaged(change: Any, tmp_path: Path) -> str:
    file = tmp_path / "tree.npz"
    array_files.write(file, TREE)
    change(file)
    with pytest.raises(Damaged) as error:
        array_files.read(file, TREE)
    assert "\n" not in str(error.value) and "tree.npz" in str(error.value)
    return str(error.value)


def replaced(file: Path, arrays: dict[str, Any]) -> None:
    np.savez(file, **arrays)


def test_every_byte_of_an_array_is_checked(tmp_path: Path) -> None:
    def flip(file: Path) -> None:
        content = bytearray(file.read_bytes())
        at = content.index(TREE["obs"]["image"].tobytes())
        content[at + 5] ^= 1
        file.write_bytes(content)

    assert "CRC" in damaged(flip, tmp_path)


def test_every_bit_that_is_changed_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "tree.npz"
    array_files.write(file, TREE)
    content, found = file.read_bytes(), 0
    for at in range(0, len(content), 3):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        file.write_bytes(changed)
        try:
            arrays = array_files.named(array_files.read(file, TREE))
        except Damaged:
            found += 1
        else:
            assert all(
                x.tobytes() == arrays[k].tobytes() for k, x in array_files.named(TREE).items()
            )
    assert found > len(content) / 12


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_damaged(tmp_path: Path, share: float) -> None:
    def cut(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: int(share * len(content))])

    damaged(cut, tmp_path)


def test_a_missing_file_is_damaged(tmp_path: Path) -> None:
    damaged(Path.unlink, tmp_path)


def test_other_arrays_are_named(tmp_path: Path) -> None:
    flat = array_files.named(TREE)
    other = {**flat, "reward": np.zeros((1, 4), np.float32)}
    assert "float32[1, 4] as reward" in damaged(lambda f: replaced(f, other), tmp_path)
    more = {**flat, "more": np.zeros(1)}
    assert "more" in damaged(lambda f: replaced(f, more), tmp_path)


class Bomb:
    """What runs code when it is loaded by somebody careless."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("bomb"),)


def test_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hidden = {**array_files.named(TREE), "reward": np.array([Bomb()], object)}
    damaged(lambda file: replaced(file, hidden), tmp_path)
    assert not Path("bomb").exists()


def test_an_array_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    def claim(file: Path) -> None:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 50,)}
        )
        with zipfile.ZipFile(file, "w") as store:
            store.writestr("reward.npy", header.getvalue())

    damaged(claim, tmp_path)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "tree.npz"
    array_files.write(file, TREE)
    before = file.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        array_files.write(file, TREE)
    assert file.read_bytes() == before and [x.name for x in tmp_path.iterdir()] == ["tree.npz"]
