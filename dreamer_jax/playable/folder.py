"""The exported folder: a page, the files that it runs, and their description."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from dreamer_jax.playable import graphs, runtime
from dreamer_jax.playable.graphs import Graph
from dreamer_jax.playable.moments import array_to_json, moment_to_json
from dreamer_jax.playable.starts import Start

DESCRIPTION, STARTS, RUNTIME = "model.json", "starts.json", "onnxruntime"
GRAPH = ".onnx"  # ends the names of graphs


def require_own(folder: Path) -> None:
    """ValueError if the folder has other files than those of an export, whole or broken off."""
    ours = {*web_files(), DESCRIPTION, STARTS, RUNTIME}

    def is_other(path: Path) -> bool:
        return path.name not in ours and path.suffix != GRAPH

    if folder.is_file() or (folder.is_dir() and any(map(is_other, folder.iterdir()))):
        raise ValueError(f"--out={folder} has other files; name a new folder")


def write(
    folder: Path,
    *,
    files: Mapping[str, Graph],
    starts: Sequence[Start],
    described: Mapping[str, Any],
    onnxruntime: str | None,
) -> None:
    """Writes everything; the description last, so that a folder without it is not whole.

    Args:
      folder: receives the files, see `require_own`.
      files: name of a graph, such as "step" -> the graph.
      starts: moments at which a dream may begin.
      described: what the page must know besides, see `commands.browser_page`.
      onnxruntime: folder with the files of onnxruntime-web, or None.

    Raises ValueError for a graph that has no form in ONNX, or if onnxruntime-web is not found.
    """
    (folder / RUNTIME).mkdir(parents=True, exist_ok=True)
    runtime.copy_into(folder / RUNTIME, source=onnxruntime)
    description = {**described, "backend": "onnx", "starts": STARTS}
    for name, graph in files.items():
        file = f"{name}{GRAPH}"
        (folder / file).write_bytes(graphs.to_onnx(graph, name=name))
        description[name] = {"file": file, **graphs.description(graph)}
    for name, content in web_files().items():
        (folder / name).write_bytes(content)
    (folder / STARTS).write_text(json.dumps([start_to_json(start) for start in starts]))
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2))


def start_to_json(start: Start) -> dict[str, Any]:
    """A start as the page reads it: its carry without an action, and what the model says of it."""
    carry = {
        name: array_to_json(x)
        for name, x in graphs.named(start.carry).items()
        if not name.startswith(graphs.ACTION)
    }
    return {"carry": carry, "moment": moment_to_json(start.said)}


def web_files() -> dict[str, bytes]:
    """The files of the page by name, without the model."""
    root = resources.files("dreamer_jax.playable") / "web"
    return {file.name: file.read_bytes() for file in root.iterdir() if file.is_file()}
