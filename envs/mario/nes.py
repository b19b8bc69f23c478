"""The Nintendo Entertainment System, emulated by nes-py in either of its two forms.

Until version 8 nes-py is a shared library with a Python module that needs the old gym, which is
no longer maintained and does not fit NumPy 2: the library is used and the module never imported.
From version 9 on, for Python 3.13 and later, it is an extension module with a Gymnasium interface.
"""

import ctypes
import importlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

HEIGHT, WIDTH = 240, 256  # pixels of the screen
RAM = 0x800  # bytes of the console's own memory
A, B, SELECT, START, UP, DOWN, LEFT, RIGHT = (1 << bit for bit in range(8))  # buttons

MISSING = 'Super Mario Bros. needs nes-py and its ROM: pip install -e ".[mario]"'


class Emulator(Protocol):
    """One console with its cartridge, switched on.

    It may be used by any thread, but by one at a time; emulating lets other threads run.
    """

    ram: memoryview  # [2048] live and writable; elements are Python integers

    def frame(self, buttons: int) -> None:
        """Emulates a frame, a sixtieth of a second, with the `buttons` (bits) held down."""
        ...

    def screen(self) -> np.ndarray:
        """[240, 256, 3] uint8, red, green and blue; the caller's to keep."""
        ...

    def keep(self) -> None:
        """Remembers the state of the console for `restore`."""
        ...

    def restore(self) -> None:
        """Puts the console into the state that was kept; draw a frame before looking at it."""
        ...

    def close(self) -> None:
        """Frees the console; nothing of it may be used afterwards, `ram` included."""
        ...


class LibraryEmulator:
    """An `Emulator` (see there) from the shared library of nes-py 8, called through ctypes."""

    def __init__(self, library: ctypes.CDLL, rom: Path):
        self._library = library
        # The library keeps the low byte of each character, so these are to be the bytes.
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


class ModuleEmulator:
    """An `Emulator` (see there) from the extension module of nes-py 9."""

    def __init__(self, nes_py: Any, rom: Path):
        self._env: Any = nes_py.NESEnv(str(rom))
        self._env.reset()
        self._kept: Any = None
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
        if self._env is not None:
            self.ram.release()
            self._env.close()
            self._env = None


def switch_on(cartridge: bytes, count: int) -> list[Emulator]:
    """Switches on `count` consoles with the same cartridge, an iNES file of mapper 0 to 3.

    Raises:
        ValueError: nes-py is not installed.
    """
    spec = importlib.util.find_spec("nes_py")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(MISSING)
    # Both forms read the cartridge from a file, and only when they are switched on.
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
    """The library with its functions declared: without, pointers would be cut to 32 bits."""
    library.Initialize.argtypes = [ctypes.c_wchar_p]
    library.Controller.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("Screen", "Memory", "Reset", "Step", "Backup", "Restore", "Close"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = None
    for name in ("Initialize", "Controller", "Screen", "Memory"):
        getattr(library, name).restype = ctypes.c_void_p
    return library
