"""Turns the lines of a script or pressed keys into actions."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Set
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from envs.codecs import no_actions
from envs.kinds import AnySpace, is_multi_discrete

ActionArrays = dict[str, np.ndarray]  # [1, n] per key of the action space

NOOP = "noop"  # name of the action that does nothing
# Button -> key, by its name on an English keyboard.
BUTTON_KEYS = {
    **{name: name for name in ("up", "down", "left", "right")},
    **{"a": "x", "b": "z", "fire": "space", "start": "return", "select": "backspace"},
}
# Value -> key, one row for each discrete number of an action. R, Escape and Page keys are taken.
KEY_ROWS = ("0123456789", "qwetyuiop", "asdfghjkl", "zxcvbnm")
# Keys for -1 and 1, one pair for each continuous number of an action.
KEY_PAIRS = (("left", "right"), ("down", "up"), (",", "."), (";", "'"), ("[", "]"), ("-", "="))


class Command(Enum):
    """A request instead of an action."""

    RESET = "reset"  # abort the episode and begin the next one
    END = "end"


class ActionNumber(NamedTuple):
    """One number of an action."""

    key: str
    position: int  # in the array of this key
    classes: int  # of a discrete number; 0: continuous, from -1 to 1
    keys: Mapping[str, float]  # key on the keyboard -> value


class Controls:
    """Controls of an action space for a person.

    Names of actions, if there are any, are buttons joined by '+'.
    """

    def __init__(self, act_space: Mapping[str, AnySpace], names: tuple[str, ...] = ()):
        self._space = dict(act_space)
        self._numbers = list(_numbers(act_space))
        self.names = names
        self._buttons = [_buttons(name) for name in names]

    def nothing(self) -> ActionArrays:
        """The action of all zeros, as replay stores it at steps without an action."""
        return {key: no_actions(space, 1) for key, space in self._space.items()}

    def pressed(self, keys: Set[str]) -> ActionArrays | None:
        """The action for the keys held down; None to wait for a key.

        If the buttons of several named actions are held, the action with the most buttons wins.
        """
        if self.names:
            held = {button for button, key in BUTTON_KEYS.items() if key in keys}
            fitting = [i for i, buttons in enumerate(self._buttons) if buttons <= held]
            if not fitting:
                return None
            return self._filled([max(fitting, key=lambda i: len(self._buttons[i]))])
        values = [
            sum(value for key, value in number.keys.items() if key in keys)
            for number in self._numbers
        ]
        some = any(key in number.keys for number in self._numbers for key in keys)
        if not some and any(number.classes for number in self._numbers):
            return None
        limits = [n.classes - 1 if n.classes else 1 for n in self._numbers]
        return self._filled([min(x, most) for x, most in zip(values, limits, strict=True)])

    def legend(self) -> list[str]:
        """Lines that explain the keys."""
        if self.names:
            used = frozenset[str]().union(*self._buttons)
            pairs = [f"{key}: {button}" for button, key in BUTTON_KEYS.items() if button in used]
            return ["  ".join(pairs)]
        lines: list[str] = []
        for n in self._numbers:
            name = n.key if len(self._numbers) == 1 else f"{n.key}[{n.position}]"
            keys = "  ".join(f"{key}: {value:g}" for key, value in n.keys.items())
            lines.append(f"{name}: {keys or 'always 0, no keys left'}")
        return lines

    def described(self) -> dict[str, Any]:
        """The same as JSON, for programs with a keyboard of their own.

        "names": of the actions; "buttons": button -> key of those that named actions need;
        "numbers": of an action without names, each with "key", "position", "classes", "keys".
        """
        used = frozenset[str]().union(*self._buttons)
        return {
            "names": list(self.names),
            "buttons": {button: key for button, key in BUTTON_KEYS.items() if button in used},
            "numbers": [{**x._asdict(), "keys": dict(x.keys)} for x in self._numbers],
        }

    def script(self, file: Path) -> Iterator[ActionArrays | Command]:
        """The inputs of a script, in order.

        A line is `reset` or an action; `x COUNT` after an action repeats it. # begins a comment. An
        action is a name (`right+a`) or numbers joined by commas (`2` or `0.5,-1`). For an action
        with several keys it is `key=numbers` for each key that is not 0.

        Raises:
            ValueError: the file or one of its lines cannot be read. No input was returned then.
        """
        try:
            lines = file.read_text().splitlines()
        except UnicodeDecodeError:
            raise ValueError(f"--script={file} is not a text file") from None
        except OSError as error:
            raise ValueError(f"--script={file}: {error.strerror or error}") from None
        inputs: list[Iterable[ActionArrays | Command]] = []
        for number, line in enumerate(lines, 1):
            try:
                inputs += self._line(line.partition("#")[0].split())
            except ValueError as error:
                raise ValueError(f"{file}, line {number}: {error}") from None
        return itertools.chain.from_iterable(inputs)

    def _line(self, words: list[str]) -> list[Iterable[ActionArrays | Command]]:
        if not words:
            return []
        if words == [Command.RESET.value]:
            return [[Command.RESET]]
        count = 1
        if len(words) > 2 and words[-2] == "x":
            if not words[-1].isdecimal() or not (count := int(words[-1])):
                raise ValueError(f"expected a positive count after x, got {words[-1]!r}")
            words = words[:-2]
        return [itertools.repeat(self._read(words), count)]

    def _read(self, words: list[str]) -> ActionArrays:
        """One action of a script."""
        if self.names and len(words) == 1 and not words[0].isdecimal():
            if (buttons := _buttons(words[0].lower())) not in self._buttons:
                known = ", ".join(self.names)
                raise ValueError(f"unknown action {words[0]!r}; valid are {known}")
            return self._filled([self._buttons.index(buttons)])
        given: dict[str, list[str]] = {}
        for word in words:
            key, equals, text = word.partition("=")
            if not equals and len(self._space) == 1 and len(words) == 1:
                key, text = next(iter(self._space)), word
            if key not in self._space or key in given:
                raise ValueError(f"expected numbers for {', '.join(self._space)}, got {word!r}")
            given[key] = text.split(",")
        for key, values in given.items():
            if len(values) != sum(n.key == key for n in self._numbers):
                raise ValueError(
                    f"{key} has the space {self._space[key]}, got {len(values)} numbers"
                )
        return self._filled(
            [_value(n, given[n.key][n.position]) if n.key in given else 0 for n in self._numbers]
        )

    def _filled(self, values: list[float]) -> ActionArrays:
        action = self.nothing()
        for number, value in zip(self._numbers, values, strict=True):
            action[number.key][0, number.position] = value
        return action


def _numbers(act_space: Mapping[str, AnySpace]) -> Iterator[ActionNumber]:
    rows, pairs = iter(KEY_ROWS), iter(KEY_PAIRS)
    for key, space in act_space.items():
        if is_multi_discrete(space):
            for i, classes in enumerate(space.nvec.tolist()):
                row = next(rows, "")[:classes]
                yield ActionNumber(
                    key, i, classes, {k: float(value) for value, k in enumerate(row)}
                )
        else:
            for i in range((space.shape or (0,))[0]):
                yield ActionNumber(key, i, 0, dict(zip(next(pairs, ()), (-1.0, 1.0), strict=False)))


def _buttons(name: str) -> frozenset[str]:
    return frozenset() if name == NOOP else frozenset(name.split("+"))


def _value(number: ActionNumber, text: str) -> float:
    try:
        value = int(text) if number.classes else float(text)
    except ValueError:
        raise ValueError(f"{number.key}: expected a number, got {text!r}") from None
    low, high = (0, number.classes - 1) if number.classes else (-1, 1)
    if not low <= value <= high:
        raise ValueError(f"{number.key}: expected {low} to {high}, got {text}")
    return value
