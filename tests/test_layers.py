"""The architecture as data: who may import whom, and how big anything may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module of dreamer_jax imports only from rows above its own; siblings do not import each other.
ROWS = [
    {"types", "math", "config", "spaces", "convs", "heap", "faults", "board", "tally", "cache"},
    {
        *("dists", "nets", "optim", "moments", "replay", "mesh"),
        *("archive", "logger", "progress", "saved"),
    },
    {"encoders", "decoders", "heads", "rssm", "checkpoint", "journal", "run"},
    {"actor_critic", "programs", "saver"},
    # From here to the agent, row by row: the parts of DreamerV3.
    {"agents.networks"},
    {"agents.acting", "agents.batches", "agents.transfer"},
    {"agents.reports"},
    {"agents.dreamer"},
    {"resume", "preflight", "evaluate"},
    {"train"},
    {"options"},
    {"recorded"},
    {"main"},
]
ROW = {name: row for row, names in enumerate(ROWS) for name in names}
MAIN = len(ROWS) - 1
OUTSIDE = {"options", "recorded", "main"}  # the only ones that know environments and presets

DRAWERS = {"utils", "util", "common", "helpers", "misc", "base", "tools"}
DEVICE = {"jax", "jaxlib", "flax", "optax", "orbax", "dreamer_jax"}
FORBIDDEN = ["# type: " + "ignore", "pyright: " + "ignore", "pick" + "le", "ev" + "al("]

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


SOURCES = files("dreamer_jax", "envs", "configs", "experiments")
EVERYTHING = [*SOURCES, *files("tests"), ROOT / "setup.py"]
PACKAGE = [path for path in files("dreamer_jax") if path.name != "__init__.py"]


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    """`agents.dreamer` for `dreamer_jax/agents/dreamer.py`."""
    return ".".join(path.relative_to(ROOT / "dreamer_jax").with_suffix("").parts)


def imports(source: str) -> set[str]:
    """Full names of all that a source imports, wherever in it; relative ones start with a dot."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            stem = "." * node.level + (node.module or "")
            found |= {f"{stem}.{alias.name}" for alias in node.names}
    return found


def within(source: str) -> set[str]:
    """Modules of dreamer_jax that a source imports, whole or something from them."""
    found = set()
    for name in imports(source):
        parts = name.split(".")
        if parts[0] == "dreamer_jax" and parts[1:] != ["__version__"]:
            known = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
            found.add(next((k for k in known if k in ROW), ".".join(parts[1:])))
    return found


def top_levels(source: str) -> set[str]:
    return {name.split(".")[0] for name in imports(source)}


def functions(source: str) -> dict[str, int]:
    """Name and length in lines of every function, docstring not counted."""
    lengths = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if ast.get_docstring(node) else None
            prose = (first.end_lineno or 0) - first.lineno + 1 if first else 0
            lengths[f"{node.name}:{node.lineno}"] = (node.end_lineno or 0) - node.lineno + 1 - prose
    return lengths


@pytest.mark.parametrize("path", PACKAGE, ids=label)
def test_every_module_has_a_row(path: Path) -> None:
    assert module_name(path) in ROW, "place the new module in ROWS, in the README's diagram as well"


@pytest.mark.parametrize("path", PACKAGE, ids=label)
def test_imports_point_upwards(path: Path) -> None:
    name = module_name(path)
    wrong = {m for m in within(path.read_text()) if ROW.get(m, MAIN) >= ROW[name]}
    assert not wrong, f"{name} in row {ROW[name]} imports {sorted(wrong)}"


@pytest.mark.parametrize("path", PACKAGE, ids=label)
def test_only_the_last_rows_know_environments_and_presets(path: Path) -> None:
    if module_name(path) not in OUTSIDE:
        assert not top_levels(path.read_text()) & {"envs", "configs"}


@pytest.mark.parametrize("path", files("envs"), ids=label)
def test_environments_know_nothing_of_the_device(path: Path) -> None:
    assert not top_levels(path.read_text()) & DEVICE


@pytest.mark.parametrize("path", EVERYTHING, ids=label)
def test_imports_are_absolute(path: Path) -> None:
    assert not [name for name in imports(path.read_text()) if name.startswith(".")]


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_no_drawers(path: Path) -> None:
    assert not DRAWERS & set(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", EVERYTHING, ids=label)
def test_nothing_is_silenced_or_unsafe(path: Path) -> None:
    assert not [word for word in FORBIDDEN if word in path.read_text()]


@pytest.mark.parametrize("path", EVERYTHING, ids=label)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", EVERYTHING, ids=label)
def test_functions_are_short(path: Path) -> None:
    lengths = functions(path.read_text())
    assert not {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES}


def test_the_readers_above_see_what_they_should() -> None:
    source = (
        "import envs.gym\nfrom dreamer_jax import math, types\nfrom . import near\n"
        "def f():\n    '''Two\n    lines.'''\n    from dreamer_jax.agents.dreamer import make\n"
        "    from dreamer_jax.unknown import x\n    return make\n"
    )
    assert within(source) == {"math", "types", "agents.dreamer", "unknown.x"}
    assert {"..near", ".near"} & imports(source)
    assert top_levels(source) >= {"envs", "dreamer_jax"}
    assert functions(source) == {"f:4": 4}
