"""A Game Boy: PyBoy with its memory, screen and buttons, and nothing that writes to the disk."""

import io
import warnings
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np

HEIGHT, WIDTH = 144, 160  # pixels of the screen
BUTTONS = ("down", "left", "right", "up", "a", "b", "start")
WORK_RAM = range(0xC000, 0xE000)


def import_pyboy() -> ModuleType:
    """The package `pyboy`; ValueError in one line where it is not installed."""
    try:
        with warnings.catch_warnings():
            # It warns that it uses the SDL it comes with, which opens no window here.
            warnings.simplefilter("ignore", UserWarning)
            import pyboy
    except ImportError as error:
        reason = f'the Game Boy needs PyBoy ({error}): pip install -e ".[pokemon]"'
        raise ValueError(reason) from None
    return pyboy


class Gameboy:
    """One emulator with one cartridge, switched on; without sound, window or files.

    Everything that it does is a function of the cartridge, the last state loaded and what was
    pressed since. Time is measured in frames, about 60 a second of play.
    """

    def __init__(self, rom: bytes):
        """Raises ValueError if PyBoy is missing or cannot play the cartridge."""
        pyboy = import_pyboy()
        try:
            # Without a path there is no place beside it where it looks for saved games.
            self._pyboy: Any = pyboy.PyBoy(
                io.BytesIO(rom), window="null", sound_emulated=False, log_level="ERROR"
            )
        except pyboy.utils.PyBoyException as error:
            raise ValueError(f"no Game Boy cartridge: {error}") from None

    def wait(self, frames: int) -> None:
        """Lets `frames` pass, at least one; the screen shows the last one."""
        self._pyboy.tick(frames, True, False)

    def press(self, button: str, hold: int, frames: int) -> None:
        """Lets `frames` pass, of which `button` is held down for the first `hold`."""
        if hold >= frames:
            # The release would wait for the next tick, and survive the loading of a state.
            raise ValueError(f"cannot hold a button for {hold} of {frames} frames")
        self._pyboy.button(button, hold)
        self.wait(frames)

    def screen(self) -> np.ndarray:
        """[144, 160] uint8, what the screen shows, from 0 (black) to 255 (white)."""
        return self._pyboy.screen.ndarray[..., 0].copy()

    def work_ram(self, ranges: Iterable[tuple[int, int]]) -> bytes:
        """The 8 KiB from C000 on, of which only `ranges` (start, stop) are read; the rest is 0."""
        ram = bytearray(len(WORK_RAM))
        for start, stop in ranges:
            ram[start - WORK_RAM.start : stop - WORK_RAM.start] = self._pyboy.memory[start:stop]
        return bytes(ram)

    def read(self, address: int) -> int:
        """One byte of memory."""
        return self._pyboy.memory[address]

    def write(self, address: int, value: int) -> None:
        """Changes one byte of memory."""
        self._pyboy.memory[address] = value

    def save(self) -> bytes:
        """The state of the whole machine."""
        state = io.BytesIO()
        self._pyboy.save_state(state)
        return state.getvalue()

    def load(self, state: bytes) -> None:
        """Goes back to where `save` was called, on this or another machine of the same ROM."""
        self._pyboy.load_state(io.BytesIO(state))

    def play_intro(self) -> None:
        """Plays from power-on to the first moment of play; ValueError for an unknown cartridge."""
        try:
            self._pyboy.game_wrapper.start_game()
        # The wrappers raise the bare class.
        except Exception as error:
            raise ValueError(f"the beginning of the game could not be played: {error}") from error

    def close(self) -> None:
        """Switches it off; the cartridge's battery saves nothing."""
        self._pyboy.stop(save=False)
