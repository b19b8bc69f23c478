"""Finds and checks the cartridge of Super Mario Bros."""

import hashlib
import importlib.util
from pathlib import Path

from envs.mario.nes import MISSING
from envs.rom_file import read_rom

PROGRAM, PICTURES = 2 * 0x4000, 0x2000  # bytes of the two parts of the cartridge
SIZE = PROGRAM + PICTURES
# iNES: two banks of program, one of pictures; pictures repeat to the right; mapper 0.
HEADER = b"NES\x1a" + bytes([2, 1, 1, 0]) + bytes(8)
TRAINER = 4  # bit of byte 6

# SHA-1 of the cartridge without any header.
KNOWN = {
    "facee9c577a5262dbe33ac4930bb0b58c8c037f7",  # the retail game
    "0c4992fc08d2278697339d3b48066e7b5f943598",  # the copy in gym-super-mario-bros
}


def cartridge(rom: str) -> bytes:
    """An iNES file of the game, always with the same header.

    Args:
        rom: path of the file, with or without a header; empty: the ROM of the package
            gym-super-mario-bros.

    Raises:
        ValueError: the package or the file is missing or is another game.
    """
    path = Path(rom) if rom else _packaged()
    data = read_rom(path, len(HEADER) + SIZE)
    body = data[len(HEADER) :] if data.startswith(HEADER[:4]) else data[:SIZE]
    digest = hashlib.sha1(body).hexdigest()
    if digest not in KNOWN:
        if not rom:
            raise ValueError(
                f"{path} was changed since its release (SHA-1 {digest}); reinstall the package"
            )
        _check(path, data)
    return HEADER + body


def sha1(rom: str) -> str:
    """The SHA-1 of a cartridge without its header; see `cartridge` for argument and errors."""
    return hashlib.sha1(cartridge(rom)[len(HEADER) :]).hexdigest()


def _packaged() -> Path:
    spec = importlib.util.find_spec("gym_super_mario_bros")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{MISSING}, or pass your own by --set env.rom=<path>")
    return Path(spec.submodule_search_locations[0]) / "_roms" / "super-mario-bros.nes"


def _check(path: Path, data: bytes) -> None:
    """Accepts modified copies of the game, judged by size and header."""
    if not data.startswith(HEADER[:4]):
        raise ValueError(f"{path} is neither an iNES file nor a known copy of the game")
    expected = len(HEADER) + SIZE
    if len(data) < len(HEADER):
        raise ValueError(f"{path} is truncated: it has {len(data)} of {expected} bytes")
    mapper = data[6] >> 4 | data[7] & 0xF0
    if data[4:6] != HEADER[4:6] or mapper != 0 or data[6] & TRAINER:
        raise ValueError(
            f"{path} is another game: it has {data[4]} banks of program, {data[5]} of pictures and "
            f"mapper {mapper}, not 2, 1 and 0"
        )
    if len(data) < expected:
        raise ValueError(f"{path} is truncated: it has {len(data)} of {expected} bytes")
