"""Environments by name. A family is a module with `Options` and `make`, imported on first use."""

import dataclasses
import importlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from envs import plugins
from envs.atari_scores import SCORES
from envs.codecs.texts import PRINTABLE
from envs.timestep import Timestep, VectorEnv

__all__ = [
    "Timestep",
    "VectorEnv",
    "action_names",
    "caption",
    "default_options",
    "evaluation_options",
    "family",
    "files",
    "glyphs",
    "human_normalized",
    "make",
    "require_trusted",
    "require_trusted_options",
    "trust_flags",
    "without_curriculum",
]

# Form of a name -> module of its family. <...> stands for anything.
FORMS = {
    "atari_<rom>": "atari",
    "cartpole": "cartpole",
    "cartpole_pixels": "cartpole",
    "counting": "counting",
    "gameboy_demo": "pokemon",
    "gym:<id>": "gym",
    "mario": "mario",
    "mario_<world>_<stage>": "mario",
    "pokemon_red": "pokemon",
}
# Family -> its module in `envs`, where the family has a folder.
MODULES = {"mario": "mario.environment", "pokemon": "pokemon.environment"}


def family(name: str) -> str:
    """The family that `name` belongs to, such as 'atari' for 'atari_pong'.

    Raises:
        ValueError: no form of a name fits; the message lists them.
    """
    for form, module in FORMS.items():
        start, has_rest, _ = form.partition("<")
        if name == form or (has_rest and name.startswith(start) and name != start):
            return module
    from envs.suggestions import hint  # here, since it loads the emulator of Atari

    close = hint(name, [form for form in FORMS if "<" not in form])
    text = f"unknown environment {name!r}" + (f" ({close})" if close else "")
    raise ValueError(f"{text}; valid are {', '.join(FORMS)}")


def default_options(name: str) -> Any:
    """The family's `Options` with every default, as a frozen dataclass.

    Raises:
        ValueError: no form of a name fits.
    """
    return _module(name).Options()


def make(name: str, options: Any, *, num_envs: int, seed: int) -> VectorEnv:
    """Makes `num_envs` copies of the environment `name`.

    Args:
        name: one of `FORMS`.
        options: an instance of the family's `Options`.
        num_envs: number of copies, E.
        seed: seed of the run. The seed of each episode is derived from it.

    Raises:
        ValueError: the name is unknown, or an argument is out of range.
    """
    module = _module(name)
    if num_envs < 1:
        raise ValueError(f"the number of environments must be positive, got {num_envs}")
    if seed < 0:
        raise ValueError(f"the seed must not be negative, got {seed}")
    return module.make(name, options, num_envs=num_envs, seed=seed)


def without_curriculum(options: Any) -> Any:
    """The options with any curriculum off: every episode begins at the start of the game."""
    if not hasattr(options, "curriculum"):
        return options
    return dataclasses.replace(options, curriculum=0.0)


def evaluation_options(options: Any, *, training: int) -> Any:
    """The options of copies that only evaluate, while others of the same program train.

    Args:
        options: of the copies that train.
        training: how many of them there are. The numbers of the others follow theirs.
    """
    options = without_curriculum(options)
    if not hasattr(options, "first_copy"):
        return options
    return dataclasses.replace(options, first_copy=options.first_copy + training)


def action_names(name: str, options: Any) -> tuple[str, ...]:
    """The names of the actions of a single discrete space, in order; () if they have no names.

    A name is 'noop' or the pressed buttons, such as 'right+a'.

    Raises:
        ValueError: no form of a name fits.
    """
    find = getattr(_module(name), "action_names", None)
    return find(name, options) if find else ()


def files(name: str, options: Any) -> dict[str, str]:
    """Path of each option that names a file of the game -> the SHA-1 of what is in it.

    A game is what its file holds, wherever the file lies.

    Raises:
        ValueError: no form of a name fits, or a file is missing or not the game.
    """
    find = getattr(_module(name), "files", None)
    return find(name, options) if find else {}


def caption(name: str, obs: dict[str, Any]) -> str:
    """The text in an observation, '' if it has none; `obs` is a `Timestep`'s, E = 1.

    Raises:
        ValueError: no form of a name fits.
    """
    find = getattr(_module(name), "caption", None)
    return find(obs) if find else ""


def glyphs(name: str, *, alphabet: int) -> tuple[list[str], int]:
    """How a text of an environment is shown: the letters of each symbol, and symbols in a row.

    A row of 0 symbols is as long as the text. Where the letters are not known, they are dots.

    Args:
        name: of the environment.
        alphabet: how many symbols there are.

    Raises:
        ValueError: no form of a name fits.
    """
    find = getattr(_module(name), "glyphs", None)
    if find:
        return find()
    letters = PRINTABLE if alphabet == 1 + len(PRINTABLE) else "·" * (alphabet - 1)
    return ["", *letters], 0


def require_trusted(where: Path, name: str, named: str | None) -> None:
    """Raises ValueError if `name` imports a module that the user has not `named`.

    The folder `where` may come from a stranger. Its content alone must not run code.
    """
    if _imports(name) and name != named:
        module, named_by_id, _ = name.removeprefix("gym:").partition(":")
        what = f"the module {module!r}" if named_by_id else "any module that its env.kwargs name"
        text = f"{where} would import {what}: if you trust it, say so by"
        raise ValueError(f"{text} --env={shlex.quote(name)}")


def require_trusted_options(where: Path, options: Any, assignments: Sequence[str]) -> None:
    """Raises ValueError if `options` import a module that the user has not named.

    Args:
        where: the folder that the options come from.
        options: of the environment.
        assignments: path=value, each as the user typed it after --set.
    """
    wrap = getattr(options, "wrap", "")
    if wrap and f"env.wrap={wrap}" not in assignments:
        text = f"{where} would call {wrap}: if you trust it, say so by"
        raise ValueError(f"{text} --set {shlex.quote(f'env.wrap={wrap}')}")


def trust_flags(name: str, options: Any) -> list[str]:
    """The flags by which a user trusts a run: what the two functions above ask for."""
    wrap = getattr(options, "wrap", "")
    return [f"--env={name}"] * _imports(name) + [f"--set=env.wrap={wrap}"] * bool(wrap)


def _imports(name: str) -> bool:
    """Whether making an environment imports a module that its name, or a keyword of it, names."""
    env_id = name.removeprefix("gym:")
    return ":" in env_id or (env_id != name and env_id.startswith(plugins.IMPORTING))


def human_normalized(env: str, score: float) -> float | None:
    """(score - r) / (h - r): random play scores 0, a human scores 1.

    None for every environment except the 57 Atari games with published scores.
    """
    prefix, _, rom = env.partition("_")
    if prefix != "atari" or rom not in SCORES:
        return None
    random, human = SCORES[rom]
    return (score - random) / (human - random)


def _module(name: str) -> ModuleType:
    module = family(name)
    return importlib.import_module(f"envs.{MODULES.get(module, module)}")
