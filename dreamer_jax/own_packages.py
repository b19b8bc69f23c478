"""Finds the packages `envs` and `configs` of this program from every folder.

They are top-level packages with names that many projects use. `python -m` looks for packages in the
current folder first, and many users have an `envs` or a `configs` there. It would be imported
instead of ours. So each program calls `found`, and each module that is imported calls `claim`,
before the first `import envs`. Ours are the packages next to `dreamer_jax`.
"""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]  # the folder of `dreamer_jax`, `envs` and `configs`
NAMES = "envs", "configs"


def claim() -> None:
    """Imports our own packages, so that their names mean them in the whole process.

    Raises:
        ImportError: one of them is missing, or another package was imported under its name before.
    """
    for name in NAMES:
        ours = HOME / name
        if name not in sys.modules:
            _import(name)
        elif (other := _folder(name)) != ours:
            text = f"{other or 'a module'} was imported as {name!r}, which has to be {ours}"
            raise ImportError(f"{text}: one process cannot have both")


def found() -> bool:
    """Whether `claim` works in this process; prints one line where it does not."""
    try:
        claim()
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    return True


def search_current_folder() -> None:
    """Lets imports search the current folder last, which may hold modules of the user.

    Unlike `python -m`, a console script does not search it.
    """
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


def _import(name: str) -> None:
    spec = PathFinder.find_spec(name, [str(HOME)])
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no package {name!r} next to {HOME / 'dreamer_jax'}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _folder(name: str) -> Path | None:
    """Where the module of this name was imported from."""
    paths = getattr(sys.modules[name], "__path__", [])
    file = getattr(sys.modules[name], "__file__", None)
    place = next(iter(paths), file)
    return Path(place).resolve() if place else None
