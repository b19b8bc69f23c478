"""The program that runs ONNX in a browser: files of the npm package onnxruntime-web (MIT)."""

import base64
import hashlib
import io
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

VERSION = "1.30.0"
ADDRESS = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
# SHA-512 of the package, as the registry publishes it, in base64.
SUM = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")  # one thread: no special headers
TIMEOUT = 60  # seconds without an answer
HINT = "--onnxruntime=<folder> takes the files from `dist` of the npm package onnxruntime-web"


def copy_into(folder: Path, *, source: str | None) -> None:
    """Copies the files into a folder, which exists.

    Args:
      folder: receives them.
      source: a folder that has them; without it, the user's cache, which is filled from the npm
        registry once.

    Raises ValueError if the source lacks a file, or the registry is out of reach.
    """
    found = Path(source) if source is not None else cached()
    for name in FILES:
        if not (found / name).is_file():
            raise ValueError(f"--onnxruntime={source}: has no {name}; {HINT}")
        shutil.copyfile(found / name, folder / name)


def place() -> Path:
    """Where the user's copy is, or will be."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "dreamer_jax" / f"onnxruntime-web-{VERSION}"


def cached() -> Path:
    """The user's copy, made from the registry if there is none yet; ValueError if that fails."""
    folder = place()
    if not all((folder / name).is_file() for name in FILES):
        print(f"fetching {ADDRESS} (33 MB) once", file=sys.stderr)
        unpack(fetched(), folder)
    return folder


def fetched() -> bytes:
    """The package, as the registry sends it; ValueError offline or for another checksum."""
    try:
        with urllib.request.urlopen(ADDRESS, timeout=TIMEOUT) as answer:
            package = answer.read()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise ValueError(f"cannot fetch {ADDRESS} ({reason}); {HINT}") from None
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != SUM:
        raise ValueError(f"{ADDRESS} has another checksum than expected; {HINT}")
    return package


def unpack(package: bytes, folder: Path) -> None:
    """Writes the files of a package into a folder, each of them whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name in FILES:
            content = archive.extractfile(f"package/dist/{name}")
            assert content is not None, name
            part = folder / f"{name}.{os.getpid()}"
            part.write_bytes(content.read())
            part.replace(folder / name)
