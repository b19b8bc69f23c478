"""Raw observations of a Gymnasium space to arrays of the kinds that the agent knows."""

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.codecs.encoder import Encoder, Unreadable
from envs.codecs.leaves import Leaf, Path, joined, keyed, leaves, pick
from envs.codecs.reading import read
from envs.codecs.selection import SHOWN, WHOLE, asked_kinds, selected
from envs.kinds import AnySpace


class Observations:
    """Encodes raw observations of `space`, one array for each leaf."""

    def __init__(
        self, space: AnySpace, size: int, *, ignore: str = "", only: str = "", kinds: str = ""
    ):
        """Decides how each leaf is read.

        Args:
            space: of raw observations.
            size: side in pixels of images that are resized since they do not fit the encoder;
                0 leaves all images as they are.
            ignore: keys that are left out, see `selection.selected`.
            only: keys that stay; '' for all.
            kinds: `key=kind` for keys to be read as another kind, see `selection.asked_kinds`.

        Raises:
            ValueError: spaces have no encoding; the message names all of them, their keys and the
                option that leaves them out. Or an option is wrong.
        """
        self.space = space
        raw = dict(leaves(space))
        paths = selected(list(raw), ignore=ignore, only=only)
        asked = asked_kinds(list(raw), kinds)
        encoders = _readable({path: raw[path] for path in paths}, asked, size)
        pairs = [(joined(x.path, whole=x.form.name), x) for x in encoders]
        self._encoders = keyed(pairs, space)
        self._ignored = [joined(path, whole=WHOLE) for path in raw if path not in paths]
        self.spaces: dict[str, AnySpace] = {k: x.form.space for k, x in self._encoders.items()}

    @property
    def leaves(self) -> list[Leaf]:
        """The leaves that are read, in the order of the raw space."""
        return [Leaf(x.path, key, x.raw) for key, x in self._encoders.items()]

    @property
    def described(self) -> str:
        """How each key is read, in one line: 'board: 10x10 symbols of 6; speed: 3 numbers'."""
        words = [f"{key}: {x.form.words}" for key, x in self._encoders.items()]
        more = [f"and {len(words) - SHOWN} more"] if len(words) > SHOWN else []
        ignored = ", ".join(self._ignored[:SHOWN]) + ", ..." * (len(self._ignored) > SHOWN)
        return "; ".join([*words[:SHOWN], *more, *[f"ignored: {ignored}"] * bool(ignored)])

    def encode(self, raw: Sequence[Any]) -> dict[str, np.ndarray]:
        """E raw observations -> new arrays [E, ...] per key."""
        return {
            key: encoder.form.encode([pick(obs, encoder.path) for obs in raw])
            for key, encoder in self._encoders.items()
        }


def _readable(raw: dict[Path, AnySpace], asked: dict[Path, str], size: int) -> list[Encoder]:
    """Encoders of all leaves; ValueError names each that has none."""
    found, wrong = list[Encoder](), dict[Path, str]()
    for path, space in raw.items():
        kind = asked.get(path, "")
        try:
            found.append(Encoder(path, space, read(space, kind=kind, size=size)))
        except Unreadable as error:
            wrong[path] = f" as {kind}: {error}" if kind else f": {error}"
    if wrong:
        names = {path: joined(path, whole=WHOLE) for path in wrong}
        said = [f"cannot observe {names[path]!r}{text}" for path, text in wrong.items()]
        remedy = ""
        if not wrong.keys() & asked.keys() and found:
            keys = ",".join(name.replace(",", "?") for name in names.values())
            flag = shlex.quote(f"env.ignore={keys}")
            remedy = f"; --set {flag} leaves {'it' if len(wrong) == 1 else 'them'} out"
        raise ValueError("; ".join(said) + remedy)
    return found
