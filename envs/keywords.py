"""Keyword arguments of an environment. Options hold them as the text of one JSON object.

A text is compared, hashed and stored like any other option.
"""

import json
from collections.abc import Sequence
from typing import Any

PLACEHOLDER = "{copy}"  # in a text: the number of the copy
# Python's spelling; as texts, all three would count as true.
LITERALS = {"True": True, "False": False, "None": None}


def merged(stored: str, names: Sequence[str], text: str, *, path: str) -> str:
    """The stored keywords with one more; objects are merged, anything else is replaced.

    Args:
        stored: the keywords, as JSON.
        names: where in them the value belongs; () for an object of several keywords.
        text: the value, as JSON; otherwise it is a text itself.
        path: what was set, for errors.

    Raises:
        ValueError: the text is no value for this place; in one line.
    """
    try:
        given = value(text)
    except ValueError as error:
        raise ValueError(f"--set {path}={text}: {error}") from None
    for name in reversed(names):
        if not name:
            raise ValueError(f"--set {path}={text}: a name is missing next to a dot")
        given = {name: given}
    if not isinstance(given, dict):
        text = f"--set {path}={text}: expected a JSON object"
        raise ValueError(f"{text}; one keyword is {path}.<name>=<value>")
    return json.dumps(_merge(read(stored), given), sort_keys=True)


def value(text: str) -> Any:
    """Reads JSON; a text that is no JSON is the value itself.

    Raises:
        ValueError: it is not finite, or begins like JSON but is none.
    """
    if text in LITERALS:
        return LITERALS[text]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # Until the number of the copy is known, `[1, {copy}]` is no JSON.
        if text[:1] in ("[", "{", '"') and PLACEHOLDER not in text:
            raise ValueError(
                "it is not complete JSON; names and texts need double quotes"
            ) from None
        return text
    try:
        json.dumps(found, allow_nan=False)
    except ValueError:
        raise ValueError("JSON has only finite numbers") from None
    return found


def read(text: str) -> dict[str, Any]:
    """The keywords that an option holds.

    Raises:
        ValueError: it is not the text of a JSON object.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"kwargs must be a JSON object, got {text!r}")
    return found


def filled(text: str, *, copy: int) -> dict[str, Any]:
    """The keywords of one copy: `{copy}` in texts is its number, so `50{copy}` is 500 for copy 0.

    Raises:
        ValueError: as `read` and `value`.
    """
    return {name: _fill(x, copy) for name, x in read(text).items()}


def _fill(x: Any, copy: int) -> Any:
    if isinstance(x, dict):
        return {name: _fill(each, copy) for name, each in x.items()}
    if isinstance(x, list):
        return [_fill(each, copy) for each in x]
    if isinstance(x, str) and PLACEHOLDER in x:
        try:
            return value(x.replace(PLACEHOLDER, str(copy)))
        except ValueError as error:
            raise ValueError(f"kwargs has {x!r}: {error}") from None
    return x


def _merge(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {name: _merge(old.get(name), x) for name, x in new.items()}
