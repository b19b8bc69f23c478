"""The Nintendo Entertainment System, emulated by nes-py 8 or 9.

Up to version 8, nes-py is a shared library with a Python module. The module needs the old gym,
which is unmaintained and breaks with NumPy 2. So only the library is used, never the module.
From version 9 on, for Python 3.13 and later, nes-py is an extension module with a Gymnasium
interface.
"""

import ctypes
import importlib
import importlib.util
import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from envs.extras import install

HEIGHT, WIDTH = 240, 256  # pixels of the screen
RAM = 0x800  # bytes of the console's own memory
A, B, SELECT, START, UP, DOWN, LEFT, RIGHT = (1 << bit for bit in range(8))  # buttons

MISSING = f"Super Mario Bros. needs nes-py and its ROM: {install('nes_py')}"


class Emulator(Protocol):
    """One console with its cartridge, switched on.

    Any thread may use it, one at a time. Emulation releases Python's lock.
    """

    ram: memoryview  # [2048] live and writable; elements are Python integers

    def frame(self, buttons: int) -> None:
        """Emulates a frame, a sixtieth of a second, with the `buttons` (bits) held down."""
        ...

    def screen(self) -> np.ndarray:
        """[240, 256, 3] uint8 RGB; the caller may keep it."""
        ...

    def keep(self) -> None:
        """Saves the state of the console for `restore`."""
        ...

    def restore(self) -> None:
        """Restores the saved state; `screen` is outdated until the next frame."""
        ...

    def close(self) -> None:
        """Frees the console. Neither it nor `ram` may be used afterwards."""
        ...


class LibraryEmulator:
    """An `Emulator` (see there) from the shared library of nes-py 8, called through ctypes."""

    def __init__(self, library: ctypes.CDLL, rom: Path):
        self._library = library
        # The library keeps the low byte of each character, so each character is one byte.
        path = os.fsencode(rom).decode("latin-1")
        self._console = ctypes.c_void_p(library.Initialize(path))
        self._buttons = self._memory(library.Controller(self._console, 0), 1)
        self._pixels = np.frombuffer(
            self._memory(library.Screen(self._console), HEIGHT * WIDTH * 4), np.uint8
        ).reshape(HEIGHT, WIDTH, 4)
        self.ram = self._memory(library.Memory(self._console), RAM)
        library.Reset(self._console)

    def frame(self, buttons: int) -> None:
        """See `Emulator.frame`."""
        self._buttons[0] = buttons
        self._library.Step(self._console)

    def screen(self) -> np.ndarray:
        """See `Emulator.screen`."""
        return np.ascontiguousarray(self._pixels[:, :, 2::-1])  # stored as blue, green, red, 0

    def keep(self) -> None:
        """See `Emulator.keep`."""
        self._library.Backup(self._console)

    def restore(self) -> None:
        """See `Emulator.restore`."""
        self._library.Restore(self._console)

    def close(self) -> None:
        """See `Emulator.close`."""
        if self._console:
            self.ram.release()
            self._library.Close(self._console)
            self._console = ctypes.c_void_p(None)

    @staticmethod
    def _memory(address: int, size: int) -> memoryview:
        return memoryview((ctypes.c_uint8 * size).from_address(address)).cast("B")


class NesPyEnv(Protocol):
    """The part of `nes_py.NESEnv`, version 9, that is used here."""

    ram: memoryview | bytearray  # [2048], or another writable buffer

    def reset(self) -> object: ...
    def step(self, action: int) -> object: ...
    def observation(self, mode: str) -> np.ndarray: ...
    def dump_state(self) -> object: ...
    def load_state(self, state: object) -> None: ...
    def close(self) -> None: ...


class ModuleEmulator:
    """An `Emulator` (see there) from the extension module of nes-py 9."""

    def __init__(self, nes_py: ModuleType, rom: Path):
        self._env: NesPyEnv = nes_py.NESEnv(str(rom))
        self._env.reset()
        self._kept: object = None
        self._closed = False
        self.ram = memoryview(self._env.ram)

    def frame(self, buttons: int) -> None:
        """See `Emulator.frame`."""
        self._env.step(buttons)

    def screen(self) -> np.ndarray:
        """See `Emulator.screen`."""
        return self._env.observation("rgb_array_contiguous")

    def keep(self) -> None:
        """See `Emulator.keep`."""
        self._kept = self._env.dump_state()

    def restore(self) -> None:
        """See `Emulator.restore`."""
        self._env.load_state(self._kept)

    def close(self) -> None:
        """See `Emulator.close`."""
        if not self._closed:
            self.ram.release()
            self._env.close()
            self._closed = True


def switch_on(cartridge: bytes, count: int) -> list[Emulator]:
    """Switches on `count` consoles with the same cartridge, an iNES file of mapper 0 to 3.

    Raises:
        ValueError: nes-py is not installed.
    """
    spec = importlib.util.find_spec("nes_py")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(MISSING)
    # Both versions read the cartridge from a file, only at power-on.
    with tempfile.TemporaryDirectory() as folder:
        rom = Path(folder) / "cartridge.nes"
        rom.write_bytes(cartridge)
        shared = sorted(Path(spec.submodule_search_locations[0]).glob("lib_nes_env*"))
        if shared:
            library = _declared(ctypes.CDLL(str(shared[0])))
            return [LibraryEmulator(library, rom) for _ in range(count)]
        module = importlib.import_module("nes_py")
        return [ModuleEmulator(module, rom) for _ in range(count)]


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declares the library's functions; otherwise ctypes cuts pointers to 32 bits."""
    library.Initialize.argtypes = [ctypes.c_wchar_p]
    library.Controller.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("Screen", "Memory", "Reset", "Step", "Backup", "Restore", "Close"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = None
    for name in ("Initialize", "Controller", "Screen", "Memory"):
        getattr(library, name).restype = ctypes.c_void_p
    return library
