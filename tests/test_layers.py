"""The architecture as data: who may import whom, and how big anything may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The house, from the ground up. A room imports only from floors below its own, which stand before
# it in this list, and rooms of one floor do not see each other. Rows of a room work the same way.
# Modules without a room stand on the ground floor or are programs.
FLOORS: list[dict[str, list[set[str]]]] = [
    {
        "": [
            {
                *("types", "limits", "counters", "environment", "spaces"),
                *("math", "machine", "faults", "own_packages"),
            },
            {"config", "shapes", "mesh"},
        ]
    },
    {
        "host": [
            {"array_files", "compile_cache", "memory_limits"},
            {"host_memory", "this_machine"},
        ]
    },
    {"media": [{"video"}]},
    {"nn.plain": [{"convs", "products", "batches"}]},
    {"nn.cpu": [{"convs", "products", "blocks"}]},
    {
        "nn": [{"forms", "dists", "optim"}, {"layers"}, {"transformer", "heads"}],
        "replay": [{"ring", "blocks"}, {"windows"}, {"samplers"}, {"recorded_windows"}],
        "outputs": [
            {
                *("sink", "jsonl", "tensorboard", "progress", "elapsed", "evaluation_progress"),
                *("episode_sums", "averages", "pictures", "findings"),
            },
            {"sinks", "journal_state", "checks"},
            {"diagnosis"},
            {"journal"},
        ],
    },
    {
        "world_model": [
            {"latents", "moments", "categoricals"},
            {"grids"},
            {"rssm", "encoders", "decoders"},
            {"relative_errors"},
        ],
        "behavior": [{"actor_critic"}, {"metrics"}],
    },
    {
        "agents.dreamer": [
            {"config", "state"},
            {"networks", "sizes"},
            {"acting", "batches", "transfer"},
            {"model", "calibration"},
            {"losses", "diagnosis"},
            {"reports"},
            {"stages"},
            {"agent"},
        ],
        "run": [
            {"checksums", "manifest", "layout", "history"},
            {"checkpoint", "initial_weights"},
            {"device_functions"},
            {"programs"},
            {"state", "background_save", "spaces_record"},
            {"stored_ring"},
            {"resume", "fit"},
            {"preflight"},
        ],
    },
    {"agents": [{"by_name"}]},
    {"loops": [{"train", "evaluate"}]},
    {
        "commands": [
            {"hints", "changes"},
            {"flags"},
            {"options"},
            {"training_recordings", "restored_agents", "evaluation_players", "sizing"},
            {"initial_agents"},
            {"prepared"},
            {"train", "evaluate"},
        ]
    },
    {"": [{"main", "play"}]},
]
# Module -> (floor, room, row).
PLACE = {
    f"{room}.{name}".lstrip("."): (floor, room, row)
    for floor, rooms in enumerate(FLOORS)
    for room, column in rooms.items()
    for row, names in enumerate(column)
    for name in names
}
DRAWERS = {"utils", "util", "common", "helpers", "misc", "base", "tools"}
DEVICE = {"jax", "jaxlib", "chex", "flax", "optax", "orbax", "dreamer_jax"}
SCALARS = {"int", "float", "str", "bool"}
FORBIDDEN = ["# type: " + "ignore", "pyright: " + "ignore", "pick" + "le", "ev" + "al("]

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


SOURCES = files("dreamer_jax", "envs", "configs", "examples", "experiments")
EVERYTHING = [*SOURCES, *files("tests"), ROOT / "setup.py"]
PACKAGE = [path for path in files("dreamer_jax") if path.name != "__init__.py"]


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    """`loops.train` for `dreamer_jax/loops/train.py`."""
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
            found.add(next((k for k in known if k in PLACE), ".".join(parts[1:])))
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


def scalars(source: str) -> dict[str, list[str]]:
    """Positional parameters of each public function that are annotated as numbers, texts, switches.

    Functions inside of functions are not public; methods are.
    """
    found = {}
    stack: list[ast.AST] = [ast.parse(source)]
    while stack:
        for node in ast.iter_child_nodes(stack.pop()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if not node.name.startswith("_") or node.name == "__init__":
                    parameters = [*node.args.posonlyargs, *node.args.args]
                    names = [x.arg for x in parameters if is_scalar(x.annotation)]
                    found[f"{node.name}:{node.lineno}"] = names
            else:
                stack.append(node)
    return found


def is_scalar(annotation: ast.expr | None) -> bool:
    """Whether this is one of SCALARS, or a union of them and None."""
    if isinstance(annotation, ast.BinOp):
        return is_scalar(annotation.left) and is_scalar(annotation.right)
    return annotation is not None and ast.unparse(annotation) in {*SCALARS, "None"}


def is_below(other: str, name: str) -> bool:
    """Whether module `name` may import module `other`."""
    if other not in PLACE:
        return False
    (floor, room, row), (its_floor, its_room, its_row) = PLACE[name], PLACE[other]
    return its_floor < floor or (its_floor == floor and its_room == room and its_row < row)


@pytest.mark.parametrize("path", PACKAGE, ids=label)
def test_every_module_has_a_place(path: Path) -> None:
    assert module_name(path) in PLACE, "place the new module in FLOORS"


def test_every_place_has_a_module() -> None:
    assert PLACE.keys() == {module_name(path) for path in PACKAGE}


@pytest.mark.parametrize("path", PACKAGE, ids=label)
def test_imports_point_down(path: Path) -> None:
    name = module_name(path)
    wrong = {m for m in within(path.read_text()) if not is_below(m, name)}
    assert not wrong, f"{name} at {PLACE[name]} imports {sorted(wrong)}"


@pytest.mark.parametrize("path", PACKAGE, ids=label)
def test_only_commands_know_environments_and_presets(path: Path) -> None:
    name = module_name(path)
    if PLACE[name][1] != "commands" and name not in ("main", "play"):
        assert not top_levels(path.read_text()) & {"envs", "configs"}


@pytest.mark.parametrize("path", files("dreamer_jax", "envs"), ids=label)
def test_every_room_says_what_belongs_in_it(path: Path) -> None:
    if path.name == "__init__.py" and path.parent not in (ROOT / "dreamer_jax", ROOT / "envs"):
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert text and "\n" not in text


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


@pytest.mark.parametrize("path", PACKAGE, ids=label)
def test_scalars_are_named_where_they_are_passed(path: Path) -> None:
    """Two numbers side by side could be swapped unnoticed, so at most one has no name."""
    assert not {name: x for name, x in scalars(path.read_text()).items() if len(x) > 1}


def test_the_readers_see_what_they_should() -> None:
    source = (
        "import envs.gym\nfrom dreamer_jax import math, types\nfrom . import near\n"
        "def f():\n    '''Two\n    lines.'''\n    from dreamer_jax.loops.train import make\n"
        "    from dreamer_jax.unknown import x\n    return make\n"
    )
    assert within(source) == {"math", "types", "loops.train", "unknown.x"}
    assert {"..near", ".near"} & imports(source)
    assert top_levels(source) >= {"envs", "dreamer_jax"}
    assert functions(source) == {"f:4": 4}
    source = (
        "def f(a: int, b: float | None, c: str | Path, *, d: int):\n    def g(a: int): ...\n"
        "class A:\n    def __init__(self, a: str, b: bool): ...\n    def _f(self, a: int): ...\n"
    )
    assert scalars(source) == {"f:1": ["a", "b"], "__init__:4": ["a", "b"]}
