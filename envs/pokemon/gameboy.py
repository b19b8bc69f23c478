"""A Game Boy: PyBoy's memory, screen and buttons, without any writing to disk."""

import importlib
import io
import warnings
from collections.abc import Iterable
from types import ModuleType
from typing import BinaryIO, Protocol, overload

import numpy as np

from envs.extras import install

HEIGHT, WIDTH = 144, 160  # pixels of the screen
BUTTONS = ("down", "left", "right", "up", "a", "b", "start")
WORK_RAM = range(0xC000, 0xE000)


def import_pyboy() -> ModuleType:
    """The package `pyboy`. Raises ValueError in one line if it is not installed."""
    try:
        with warnings.catch_warnings():
            # It warns about its bundled SDL, which opens no window here.
            warnings.simplefilter("ignore", UserWarning)
            return importlib.import_module("pyboy")
    except ImportError as error:
        reason = f"the Game Boy needs PyBoy ({error}): {install('pyboy')}"
        raise ValueError(reason) from None


class PyBoyScreen(Protocol):
    """The part of PyBoy's screen that is used here."""

    ndarray: np.ndarray  # [144, 160, 4] uint8


class PyBoyMemory(Protocol):
    """The part of PyBoy's memory that is used here."""

    @overload
    def __getitem__(self, address: int) -> int: ...
    @overload
    def __getitem__(self, address: slice) -> list[int]: ...
    def __setitem__(self, address: int, value: int) -> None: ...


class GameWrapper(Protocol):
    """The part of PyBoy's wrapper of a known game that is used here."""

    def start_game(self) -> object: ...


class PyBoyEmulator(Protocol):
    """The part of `pyboy.PyBoy` that is used here."""

    screen: PyBoyScreen
    memory: PyBoyMemory
    game_wrapper: GameWrapper

    def tick(self, count: int, render: bool, sound: bool) -> object: ...
    def button(self, name: str, delay: int) -> object: ...
    def save_state(self, file: BinaryIO) -> object: ...
    def load_state(self, file: BinaryIO) -> object: ...
    def stop(self, save: bool) -> object: ...


class Gameboy:
    """One running emulator with one cartridge, without sound, window or files.

    Its behavior is a function of the cartridge, the last loaded state and the buttons pressed
    since. Time is measured in frames, about 60 a second of play.
    """

    def __init__(self, rom: bytes):
        """Raises ValueError if PyBoy is missing or cannot play the cartridge."""
        pyboy = import_pyboy()
        try:
            # Without a path, PyBoy has no folder in which to look for saved games.
            self._pyboy: PyBoyEmulator = pyboy.PyBoy(
                io.BytesIO(rom), window="null", sound_emulated=False, log_level="ERROR"
            )
        except pyboy.utils.PyBoyException as error:
            raise ValueError(f"not a Game Boy cartridge: {error}") from None

    def wait(self, frames: int) -> None:
        """Runs `frames` frames, at least one; the screen shows the last one."""
        self._pyboy.tick(frames, True, False)

    def press(self, button: str, *, hold: int, frames: int) -> None:
        """Runs `frames` frames with `button` held down for the first `hold`."""
        if hold >= frames:
            # The release would come at the next tick, even after another state was loaded.
            raise ValueError(f"cannot hold a button for {hold} of {frames} frames")
        self._pyboy.button(button, hold)
        self.wait(frames)

    def screen(self) -> np.ndarray:
        """[144, 160] uint8, the screen, from 0 (black) to 255 (white)."""
        return self._pyboy.screen.ndarray[..., 0].copy()

    def work_ram(self, ranges: Iterable[tuple[int, int]]) -> bytes:
        """The 8 KiB from C000 on; only `ranges` (start, stop) are read, the rest is 0."""
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
        """The state of the emulator."""
        state = io.BytesIO()
        self._pyboy.save_state(state)
        return state.getvalue()

    def load(self, state: bytes) -> None:
        """Restores a state of `save`, also one of another emulator with the same ROM."""
        self._pyboy.load_state(io.BytesIO(state))

    def play_intro(self) -> None:
        """Plays from power-on to the first moment of play. Raises ValueError if that fails."""
        try:
            self._pyboy.game_wrapper.start_game()
        # PyBoy's wrappers raise plain `Exception`.
        except Exception as error:
            raise ValueError(f"the intro of the game could not be played: {error}") from error

    def close(self) -> None:
        """Stops the emulator without saving the cartridge's battery memory."""
        self._pyboy.stop(save=False)
