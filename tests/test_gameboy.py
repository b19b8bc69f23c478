"""The Game Boy: buttons, time, memory and states, on the real emulator."""

import os
import sys

import numpy as np
import press_counter
import pytest
from press_counter import COUNTERS, FRAMES

from envs.pokemon.gameboy import BUTTONS, Gameboy

pytest.importorskip("pyboy", reason="needs pip install -e .[pokemon]", exc_type=ImportError)


@pytest.fixture
def gameboy():
    machine = Gameboy(press_counter.rom())
    machine.wait(100)
    yield machine
    machine.close()


def counts(machine: Gameboy) -> dict[str, int]:
    return {button: machine.read(address) for button, address in COUNTERS.items()}


def test_each_button_is_pressed_once_and_let_go(gameboy):
    expected = dict.fromkeys(COUNTERS, 0)
    for button in BUTTONS:
        for _ in range(2):
            gameboy.press(button, hold=8, frames=24)
            expected[button] += 1
            assert counts(gameboy) == expected
            assert gameboy.read(press_counter.HELD) == 0


def test_time_is_exact(gameboy):
    before = gameboy.read(FRAMES)
    gameboy.press("a", hold=8, frames=24)
    gameboy.wait(7)
    assert gameboy.read(FRAMES) - before & 0xFF == 31


def test_a_button_must_be_let_go_within_the_step(gameboy):
    with pytest.raises(ValueError, match="24 of 24"):
        gameboy.press("a", hold=24, frames=24)


def test_the_screen_is_the_callers(gameboy):
    screen = gameboy.screen()
    kept = screen.copy()
    gameboy.wait(3)
    assert screen.shape == (144, 160) and screen.dtype == np.uint8
    np.testing.assert_array_equal(screen, kept)
    assert (gameboy.screen() != kept).any()


def test_work_ram_is_read_where_asked(gameboy):
    gameboy.press("right", hold=8, frames=24)
    gameboy.write(0xDFFE, 77)
    x = COUNTERS["right"]
    ram = gameboy.work_ram([(x, x + 1), (0xDFFE, 0xE000)])
    assert len(ram) == 0x2000 and np.count_nonzero(np.frombuffer(ram, np.uint8)) == 2
    assert (ram[x - 0xC000], ram[-2]) == (1, 77)


def test_a_state_goes_on_alike_on_another_machine(gameboy):
    state = gameboy.save()

    def go_on(machine: Gameboy) -> list[bytes]:
        seen = []
        for button in ("a", "up", "b", "start"):
            machine.press(button, hold=8, frames=23)
            seen.append(machine.screen().tobytes() + machine.work_ram([(0xC000, 0xE000)]))
        return seen

    first = go_on(gameboy)
    other = Gameboy(press_counter.rom())
    other.press("left", hold=3, frames=4)
    for machine in (gameboy, other):
        machine.load(state)
        assert go_on(machine) == first
    other.close()


@pytest.mark.parametrize("rom", [b"", bytes(100), bytes(0x8000), b"\xff" * 0x8000])
def test_what_is_no_cartridge(rom):
    with pytest.raises(ValueError, match="not a Game Boy cartridge"):
        Gameboy(rom)


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rom = bytearray(press_counter.rom())
    rom[0x147], rom[0x149] = 0x03, 0x02  # memory with a battery, which PyBoy saves if it can
    rom[0x14D] = -sum(rom[0x134:0x14D]) - 25 & 0xFF
    machine = Gameboy(bytes(rom))
    machine.wait(60)
    machine.close()
    assert os.listdir(tmp_path) == []


def test_without_the_emulator_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyboy", None)
    with pytest.raises(ValueError, match=r'pip install -e "\.\[pokemon\]"') as caught:
        Gameboy(b"")
    assert "\n" not in str(caught.value)
