"""Limits of the values of a config, stated at each field: `lambda_: Share = 0.95`."""

import dataclasses
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple


class Limit(NamedTuple):
    """A test of one value, and the allowed values in words."""

    text: str
    holds: Callable[[Any], bool]  # fields have values of any type


def one_of(*names: str) -> Limit:
    """The names that a string may be."""
    *most, last = names
    return Limit(f"{', '.join(most)} or {last}" if most else last, names.__contains__)


def _not_negative(x: float) -> bool:
    return x >= 0


def _at_least_1(x: float) -> bool:
    return x >= 1


def _up_to_1(x: float) -> bool:
    return 0 <= x <= 1


def _below_1(x: float) -> bool:
    return 0 <= x < 1


def _above_0(x: float) -> bool:
    return x > 0


NOT_NEGATIVE = Limit("at least 0", _not_negative)
AT_LEAST_1 = Limit("at least 1", _at_least_1)
UP_TO_1 = Limit("0 to 1", _up_to_1)
BELOW_1 = Limit("at least 0 and below 1", _below_1)
ABOVE_0 = Limit("above 0", _above_0)

Count = Annotated[int, NOT_NEGATIVE]
Positive = Annotated[int, AT_LEAST_1]
Scale = Annotated[float, NOT_NEGATIVE]
Horizon = Annotated[float, AT_LEAST_1]
Share = Annotated[float, UP_TO_1]
Decay = Annotated[float, BELOW_1]
Size = Annotated[float, ABOVE_0]


def violations(section: Any, path: str) -> Iterator[str]:
    """One line for each field of a dataclass, given at `path`, that its limit does not allow."""
    for name, kind in typing.get_type_hints(type(section), include_extras=True).items():
        value = getattr(section, name)
        for limit in getattr(kind, "__metadata__", ()):
            if isinstance(limit, Limit) and not limit.holds(value):
                yield f"{path}.{name}={value}: must be {limit.text}"


def check(sections: dict[str, Any]) -> None:
    """ValueError with the first violation in dataclasses by their path."""
    for path, section in sections.items():
        for violation in violations(section, path):
            raise ValueError(violation)


def sections(config: Any) -> dict[str, Any]:
    """The fields of a dataclass that are dataclasses themselves, by name."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {name: value for name, value in values.items() if dataclasses.is_dataclass(value)}
