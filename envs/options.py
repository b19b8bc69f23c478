"""`--set env.path=value`, for programs that know nothing but environments."""

import dataclasses
import math
import typing
from typing import Any

T = typing.TypeVar("T")

TRUTH = {"true": True, "false": False, "1": True, "0": False}


def override(options: T, assignment: str) -> T:
    """Applies one `env.path=value`, such as `env.reward.coins=1`, to a family's `Options`.

    Raises:
        ValueError: there is no such option, or the value is of another type; in one line.
    """
    path, equals, text = assignment.partition("=")
    section, _, names = path.partition(".")
    if not equals or section != "env" or not names:
        raise ValueError(f"--set {assignment}: expected env.option=value")
    return _replace(options, names.split("."), text, path)


def flat(options: Any, path: str = "env") -> dict[str, Any]:
    """Every option by its path, as `override` knows them."""
    found = {}
    for field in dataclasses.fields(options):
        value, here = getattr(options, field.name), f"{path}.{field.name}"
        found |= flat(value, here) if dataclasses.is_dataclass(value) else {here: value}
    return found


def _replace(node: Any, names: list[str], text: str, path: str) -> Any:
    name, *rest = names
    fields = [field.name for field in dataclasses.fields(node)]
    if name not in fields:
        raise ValueError(f"--set {path}: no option {name!r}; valid are {', '.join(fields)}")
    value = getattr(node, name)
    if dataclasses.is_dataclass(value) != bool(rest):
        raise ValueError(f"--set {path}: {name} is {value!r}")
    if rest:
        return dataclasses.replace(node, **{name: _replace(value, rest, text, path)})
    kind = typing.get_type_hints(type(node))[name]
    return dataclasses.replace(node, **{name: _parsed(text, kind, path)})


def _parsed(text: str, kind: Any, path: str) -> Any:
    try:
        if kind is int and "e" in text.lower() and float(text).is_integer():
            return int(float(text))
        value = TRUTH[text.lower()] if kind is bool else kind(text)
        if kind is float and not math.isfinite(value):
            raise ValueError(text)
        return value
    except (KeyError, ValueError, OverflowError):
        raise ValueError(f"--set {path}={text}: expected {kind.__name__}") from None
