"""`--set path=value`: replaces one value in a tree of frozen dataclasses."""

import dataclasses
import difflib
import math
import typing
from collections.abc import Sequence
from typing import Any

from envs import keywords

_T = typing.TypeVar("_T")


class UnknownField(ValueError):
    """A path to a field that does not exist."""

    def __init__(self, path: str, *, name: str, valid: Sequence[str], meant: str):
        """Explains it in one line.

        Args:
            path: as the user gave it.
            name: the part of it that is wrong.
            valid: names that this part may have.
            meant: what the user may have meant; empty if nothing is similar.
        """
        hint = f"did you mean {meant}? " if meant else ""
        super().__init__(f"--set {path}: no field {name!r}; {hint}valid are {', '.join(valid)}")
        self.path, self.name, self.valid = path, name, valid


def override(root: _T, assignment: str) -> _T:
    """Applies one `path=value`, such as `model.units=128`, to a dataclass of dataclasses.

    A field with the metadata `inline` is left out of the paths of its fields. A field with the
    metadata `keywords` holds a JSON object (see `envs.keywords`), into which a path may lead.

    Raises:
        UnknownField: the path is unknown; the message lists the valid ones.
        ValueError: the value has the wrong type; in one line.
    """
    path, equals, text = assignment.partition("=")
    if not equals:
        raise ValueError(f"--set {assignment}: expected path=value")
    names = path.split(".")
    node: Any = root
    for field in dataclasses.fields(node):
        if field.metadata.get("inline") and names[0] in _names(getattr(node, field.name)):
            names = [field.name, *names]
    return _replace(root, names, text, path)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The tree that the options of an environment are a part of."""

    env: Any  # the family's `Options`


def override_options(options: Any, assignments: Sequence[str]) -> Any:
    """Options with assignments such as `env.sticky=0.25` applied."""
    settings = Settings(options)
    for assignment in assignments:
        settings = override(settings, assignment)
    return settings.env


def flatten(options: Any, path: str = "env") -> dict[str, Any]:
    """Path -> value of every option; `override` accepts the same paths."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        inline = field.metadata.get("inline", False)
        value, here = getattr(options, field.name), path if inline else f"{path}.{field.name}"
        here = here.removeprefix(".")
        found |= flatten(value, here) if dataclasses.is_dataclass(value) else {here: value}
    return found


def _replace(node: Any, names: list[str], text: str, path: str) -> Any:
    name, *rest = names
    if name not in _names(node):
        known = _offered(node)
        close = difflib.get_close_matches(name, known, n=1)
        raise UnknownField(path, name=name, valid=known, meant="".join(close))
    value = getattr(node, name)
    if next(f for f in dataclasses.fields(node) if f.name == name).metadata.get("keywords"):
        given = keywords.merged(value, rest, text, path=path)
        return dataclasses.replace(node, **{name: given})
    if dataclasses.is_dataclass(value) != bool(rest):
        inside = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        names_inside = ", ".join(f"{name}.{f.name}" for f in inside)
        wrong = f"a section; set one of {names_inside}" if inside else f"no section: {value!r}"
        raise ValueError(f"--set {path}: {name} is {wrong}")
    if rest:
        return dataclasses.replace(node, **{name: _replace(value, rest, text, path)})
    kind = typing.get_type_hints(node.__class__)[name]
    return dataclasses.replace(node, **{name: parse(text, kind, path)})


def _names(node: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(node)] if node is not None else []


def _offered(node: Any) -> list[str]:
    """Valid first names of a path: the fields, and the inner fields of inline ones."""
    fields = dataclasses.fields(node)
    return [
        name
        for f in fields
        for name in (_names(getattr(node, f.name)) if f.metadata.get("inline") else [f.name])
    ]


def parse(text: str, kind: Any, path: str) -> Any:
    """Reads `text` as a value of type `kind`.

    Raises:
        ValueError: it has another type; the message names the path and the expected type.
    """
    try:
        if kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if kind is int:
            return int(text.replace("_", "")) if "e" not in text.lower() else _whole(float(text))
        value = kind(text)
        if value != value or value in (math.inf, -math.inf):  # JSON has neither NaN nor infinity
            raise ValueError(text)
        return value
    except (KeyError, ValueError, OverflowError):
        finite = "a finite " if kind is float else ""
        raise ValueError(f"--set {path}={text}: expected {finite}{kind.__name__}") from None


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(number)
    return int(number)
