"""`--set path=value`: one number of a tree of frozen dataclasses, replaced."""

import dataclasses
import difflib
import math
import typing
from typing import Any

T = typing.TypeVar("T")


def override(root: T, assignment: str) -> T:
    """Applies one `path=value`, such as `model.units=128`, to a dataclass of dataclasses.

    The fields of a field with the metadata `inline` are named without it.

    Raises:
      ValueError: the path is unknown, or the value of the wrong type; in one line.
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


def flat(options: Any, path: str = "env") -> dict[str, Any]:
    """Every option by its path, as `override` knows them."""
    found = {}
    for field in dataclasses.fields(options):
        inline = field.metadata.get("inline", False)
        value, here = getattr(options, field.name), path if inline else f"{path}.{field.name}"
        here = here.removeprefix(".")
        found |= flat(value, here) if dataclasses.is_dataclass(value) else {here: value}
    return found


def _replace(node: Any, names: list[str], text: str, path: str) -> Any:
    name, *rest = names
    if name not in _names(node):
        known = _offered(node)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"--set {path}: no field {name!r}; {hint}valid are {', '.join(known)}")
    value = getattr(node, name)
    if dataclasses.is_dataclass(value) != bool(rest):
        inside = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        names_inside = ", ".join(f"{name}.{f.name}" for f in inside)
        wrong = f"a section; set one of {names_inside}" if inside else f"no section: {value!r}"
        raise ValueError(f"--set {path}: {name} is {wrong}")
    if rest:
        return dataclasses.replace(node, **{name: _replace(value, rest, text, path)})
    kind = typing.get_type_hints(type(node))[name]
    return dataclasses.replace(node, **{name: parse(text, kind, path)})


def _names(node: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(node)] if node is not None else []


def _offered(node: Any) -> list[str]:
    """Names that may stand first in a path: the fields, an inline one replaced by its own."""
    fields = dataclasses.fields(node)
    return [
        name
        for f in fields
        for name in (_names(getattr(node, f.name)) if f.metadata.get("inline") else [f.name])
    ]


def parse(text: str, kind: Any, path: str) -> Any:
    """Reads `text` as a value of type `kind`; ValueError names the path and what was expected."""
    try:
        if kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if kind is int:
            return int(text.replace("_", "")) if "e" not in text.lower() else _whole(float(text))
        value = kind(text)
        if value != value or value in (math.inf, -math.inf):  # JSON has no such numbers
            raise ValueError(text)
        return value
    except (KeyError, ValueError, OverflowError):
        finite = "a finite " if kind is float else ""
        raise ValueError(f"--set {path}={text}: expected {finite}{kind.__name__}") from None


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(number)
    return int(number)
