"""Reads a ROM from the user's own file."""

from pathlib import Path


def read_rom(path: Path, most: int) -> bytes:
    """Up to `most` bytes of a file; `~` is the user's folder.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        with path.expanduser().open("rb") as file:
            return file.read(most)
    except (OSError, RuntimeError) as error:  # RuntimeError: `~name` of an unknown user
        reason = getattr(error, "strerror", None) or error
        text = f"cannot read the ROM {path}: {reason}"
        raise ValueError(f"{text}; --set env.rom=<file> says where it lies") from None
