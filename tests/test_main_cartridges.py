"""Games that cannot be played as asked: exit code 2 and one line that says what to do."""

import os
import sys
from pathlib import Path

import pytest
from command import call
from extras import MARIO, POKEMON
from test_main import complaint

from envs.mario import rom
from envs.pokemon import red_cartridge

MARIO_GAME, RED, DEMO = "--env=mario_1_1", "--env=pokemon_red", "--env=gameboy_demo"
INSTALL_MARIO, INSTALL_POKEMON = (f'pip install -e ".[{name}]"' for name in ("mario", "pokemon"))
MEMORY = "/proc/self/mem"  # its first bytes cannot be read, not even by root


@pytest.fixture(autouse=True)
def no_cartridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(red_cartridge.VARIABLE, raising=False)


def refused(tmp_path: Path, *arguments: str) -> str:
    """The complaint; nothing is left behind."""
    before = sorted(tmp_path.iterdir())
    message = complaint(call(*arguments, f"--logdir={tmp_path}/run"))
    assert sorted(tmp_path.iterdir()) == before
    return message


@pytest.mark.parametrize(
    ("packages", "env", "part"),
    [
        (("nes_py", "gym_super_mario_bros"), MARIO_GAME, INSTALL_MARIO),
        (("gym_super_mario_bros",), MARIO_GAME, INSTALL_MARIO),
        (("pyboy",), DEMO, INSTALL_POKEMON),
    ],
)
def test_a_missing_extra(packages, env, part, tmp_path, monkeypatch):
    for name in packages:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    assert part in refused(tmp_path, env)


@MARIO
def test_a_cartridge_does_not_replace_the_emulator(tmp_path, monkeypatch):
    game = tmp_path / "game.nes"
    game.write_bytes(rom.cartridge(""))
    monkeypatch.setitem(sys.modules, "nes_py", None)
    assert INSTALL_MARIO in refused(tmp_path, MARIO_GAME, f"--set=env.rom={game}")


def test_no_cartridge(tmp_path):
    message = refused(tmp_path, RED)
    assert "--set env.rom=<file>" in message and "POKEMON_RED_ROM=<file>" in message


@pytest.mark.parametrize(
    ("env", "data", "part"),
    [
        (MARIO_GAME, b"", "neither an iNES file nor a known copy"),
        (MARIO_GAME, rom.HEADER + bytes(20_000), "truncated: it has 20016 of 40976 bytes"),
        (MARIO_GAME, b"NES\x1a\x08\x10" + bytes(99_999), "another game: it has 8 banks"),
        (RED, b"", "got 0 bytes"),
        (RED, bytes(1 << 19), "expected 1048576 bytes, got 524288 bytes"),
        (RED, bytes(1 << 21), "got more"),
        (RED, bytes(1 << 20), "its SHA-1 is 3b71f43ff30f4b15b5cd85dd9e95ebc7e84eb5a3"),
        (DEMO, bytes(1 << 15), "use pokemon_red"),
    ],
)
def test_a_wrong_or_truncated_cartridge(env, data, part, tmp_path):
    rom = tmp_path / "game.rom"
    rom.write_bytes(data)
    message = refused(tmp_path, env, f"--set=env.rom={rom}")
    assert part in message and str(rom) in message


@POKEMON
def test_the_cartridge_of_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv(red_cartridge.VARIABLE, "~/red.gb")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "No such file" in refused(tmp_path, RED)
    (tmp_path / "red.gb").write_bytes(b"short")
    assert "got 5 bytes" in refused(tmp_path, RED)


@pytest.mark.parametrize("env", [MARIO_GAME, RED])
def test_a_file_that_cannot_be_read(env, tmp_path):
    rom = tmp_path / "game.rom"
    assert "No such file" in refused(tmp_path, env, f"--set=env.rom={rom}")
    assert "Is a directory" in refused(tmp_path, env, f"--set=env.rom={tmp_path}")
    assert f"cannot read the ROM {MEMORY}" in refused(tmp_path, env, f"--set=env.rom={MEMORY}")
    rom.write_bytes(b"")
    rom.chmod(0)
    if os.geteuid() != 0:
        assert "Permission denied" in refused(tmp_path, env, f"--set=env.rom={rom}")


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        *[([f"--env=mario_{stage}"], f"got '{stage}'") for stage in ("9_1", "1_5", "0_1", "1")],
        *[([f"--env=mario_{stage}"], f"got '{stage}'") for stage in ("1_1_1", "1-1", "x_y")],
        (["--env=mario", "--set=env.start=9-1"], "got '9-1'"),
        ([MARIO_GAME, "--set=env.start=1-2"], "start=1-2 is for the whole game"),
        (["--env=mario_"], "unknown environment 'mario_'"),
    ],
)
def test_an_impossible_stage(arguments, value, tmp_path):
    message = refused(tmp_path, *arguments)
    assert (value in message and "mario" in message) or "worlds 1 to 8" in message
