"""Small files of text that are never seen half written."""

import os
from pathlib import Path


def write(file: Path, text: str) -> None:
    """Writes a text.

    Whenever the process dies, even by a loss of power, the file is complete or as it was. Raises
    OSError, which names the file, and leaves no partial file.
    """
    partial = file.with_name(f"{file.name}.partial")
    try:
        with partial.open("w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, f"{error.strerror}: {file}") from error
