"""Checksums of the files of a checkpoint, which find damage before anything is restored."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from dreamer_jax.faults import Damaged
from dreamer_jax.host import array_files

ARRAYS, CHECKSUMS = "arrays", "checksums.json"


def verify(path: Path, items: Iterable[str] | None) -> None:
    """Raises Damaged unless the files of these items (None: all) match their checksums.

    Files that belong to no item are always compared.
    """
    present = {folder.name for folder in (path / ARRAYS).glob("*") if folder.is_dir()}
    checked = present if items is None else set(items)

    def of_these(sums: dict[str, str]) -> dict[str, str]:
        return {
            name: x
            for name, x in sums.items()
            if items is None or "/" not in name or name.split("/")[0] in checked
        }

    try:
        expected = of_these(json.loads((path / CHECKSUMS).read_text()))
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise array_files.damage(path / CHECKSUMS, error) from None
    found = of_these(checksums(path / ARRAYS, checked))
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise Damaged(f"{path / ARRAYS / name} does not match its checksum")


def checksums(folder: Path, items: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file directly in the folder and in those of the items."""
    files = [*folder.glob("*"), *(file for item in items for file in (folder / item).rglob("*"))]
    sums = dict[str, str]()
    for file in files:
        if file.is_symlink():
            raise Damaged(f"{file} is a symbolic link")
        if file.is_file():
            try:
                with file.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise array_files.damage(file, error) from None
            sums[file.relative_to(folder).as_posix()] = digest
    return sums
