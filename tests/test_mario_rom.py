"""The cartridge of Super Mario Bros.: what is accepted, and one line for what is not."""

import dataclasses
import sys
from pathlib import Path

import pytest
from extras import MARIO

import envs
from envs.mario import rom

BODY = rom.SIZE
HEADER = rom.HEADER


def refusal(rom: Path | str) -> str:
    options = dataclasses.replace(envs.default_options("mario_1_1"), rom=str(rom))
    with pytest.raises(ValueError) as caught:
        envs.make("mario_1_1", options, num_envs=1, seed=0)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 300
    return message


def changed(**bytes_at: int) -> bytes:
    """The header with some bytes changed: `at6=...`."""
    header = bytearray(HEADER)
    for name, value in bytes_at.items():
        header[int(name.removeprefix("at"))] = value
    return bytes(header)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "neither an iNES file"),
        (b"PK\x03\x04" + bytes(BODY), "neither an iNES file"),
        (bytes(BODY), "neither an iNES file"),
        (HEADER[:9], "truncated: it has 9 of 40976 bytes"),
        (HEADER + bytes(BODY - 1), "truncated: it has 40975 of 40976 bytes"),
        (changed(at4=1) + bytes(BODY), "another game: it has 1 banks of program"),
        (changed(at5=2) + bytes(BODY), "another game"),
        (changed(at6=0x11) + bytes(BODY), "mapper 1"),
        (changed(at7=0x40) + bytes(BODY), "mapper 64"),
        (changed(at6=0x05) + bytes(BODY), "another game"),
    ],
)
def test_what_is_not_the_game_is_refused(tmp_path, data, reason):
    path = tmp_path / "game.nes"
    path.write_bytes(data)
    assert reason in refusal(path) and str(path) in refusal(path)


def test_files_that_cannot_be_read(tmp_path):
    assert "cannot read the ROM" in refusal(tmp_path / "nowhere.nes")
    assert "directory" in refusal(tmp_path).lower()


def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    for name in ("nes_py", "gym_super_mario_bros"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert 'pip install -e ".[mario]"' in refusal("")


def test_a_damaged_package_is_noticed(tmp_path, monkeypatch):
    folder = tmp_path / "gym_super_mario_bros" / "_roms"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (folder / "super-mario-bros.nes").write_bytes(HEADER + bytes(BODY))
    monkeypatch.syspath_prepend(tmp_path)
    assert "was changed since its release" in refusal("")


@MARIO
def test_the_game_is_known_with_any_header_and_without(tmp_path):
    game = rom.cartridge("")
    assert len(game) == len(HEADER) + BODY and game.startswith(HEADER)
    body = game[len(HEADER) :]
    # Some tools wrote their name over the mapper's number.
    for data in (body, HEADER[:7] + b"DiskDude!" + body, game + b"more"):
        path = tmp_path / "gàme.nes"
        path.write_bytes(data)
        assert rom.cartridge(str(path)) == game


@MARIO
def test_a_program_that_is_not_the_game_is_noticed(tmp_path):
    program = bytearray(b"\x4c\x00\x80".ljust(rom.PROGRAM, b"\0"))  # jumps to itself
    program[-6:] = b"\x00\x80" * 3
    path = tmp_path / "game.nes"
    path.write_bytes(HEADER + bytes(program) + bytes(rom.PICTURES))
    assert "does not start like Super Mario Bros." in refusal(path)
