"""A cartridge in a file of the user's."""

from pathlib import Path


def read_rom(path: Path, most: int) -> bytes:
    """Up to `most` bytes of a file, `~` being the user's folder; ValueError in one line if none."""
    try:
        with path.expanduser().open("rb") as file:
            return file.read(most)
    except (OSError, RuntimeError) as error:  # a RuntimeError where there is no such user
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot read the ROM {path}: {reason}") from None
