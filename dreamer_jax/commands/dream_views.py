"""What was observed and dreamt, as the drawing functions take it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import envs
from dreamer_jax.loops.dreams import Dream, Dreamer, Reading
from dreamer_jax.loops.stretches import Stretch, Window
from dreamer_jax.media.dream_films import Film, Told
from dreamer_jax.media.views import Entries, Numbers, Pictures, Texts, View
from dreamer_jax.spaces import Spaces
from envs.codecs.texts import PRINTABLE
from envs.play.boards import painted
from envs.play.film import FONT_SUBSTITUTES, action_text, newest_frame

# Observations of each kind in a film, at most.
MOST = {"images": 4, "symbols": 2, "texts": 3, "vectors": 8, "choices": 8, "bits": 6}
ROWS = 8  # of a text, at most; those with the most letters
COLUMNS = 32  # of a text that has no rows of its own
WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # Gymnasium's alphabet


class Scene(NamedTuple):
    """Moments of real play that a model is shown, and what happened in them and afterwards."""

    stretch: Stretch
    window: Window
    real: Reading  # [seen + dreamt, ...], what the model says of the moments as it filtered them


class Screenplay(NamedTuple):
    """What is needed to draw what an agent did in one environment, and dreamt of it."""

    env: str
    options: Any
    obs: Spaces
    discount: float

    def scene(self, dreamer: Dreamer, stretch: Stretch, window: Window) -> Scene:
        """The moments of a window, as the model filtered them."""
        index = np.arange(window.first, window.start + 1 + window.dreamt)
        return Scene(stretch, window, dreamer.read(_rows(stretch.carry, index), pictures=True))

    def openloop(self, title: str, scene: Scene, dream: Dream, *, row: int) -> Film:
        """A film of the moments that were shown, then of truth and of a dream beside each other.

        dream: [H, S, ...] after the recorded actions; `row` of the S dreams is shown.
        """
        dreamt = jax.tree.map(lambda x: x[: scene.window.dreamt, row], dream)
        return self._film(title, scene, dreamt, known=scene.window.seen + scene.window.dreamt)

    def free(self, title: str, scene: Scene, dream: Dream, *, row: int) -> Film:
        """As `openloop`, for a dream under the policy, of which nobody knows the truth."""
        dreamt = jax.tree.map(lambda x: x[:, row], dream)
        return self._film(title, scene, dreamt, known=scene.window.seen)

    def _film(self, title: str, scene: Scene, dream: Dream, *, known: int) -> Film:
        """known: moments, from the first one on, of which the truth is shown."""
        (stretch, window, real), total = scene, scene.window.seen + len(dream.reward)
        index = np.arange(window.first, window.first + known)
        shown = _rows(real, np.arange(window.seen))
        guess = {key: np.concatenate([shown.obs[key], x]) for key, x in dream.obs.items()}
        truth = {key: x[index] for key, x in stretch.obs.items()}
        told = Told(
            reward=_joined(shown.reward, dream.reward),
            continues=np.minimum(1, _joined(shown.continue_, dream.continue_) / self.discount),
            value=_joined(shown.value, dream.value),
            true_reward=_padded(stretch.reward[index], total),
            true_continues=_padded(1 - stretch.is_terminal[index], total),
            true_value=_padded(real.value[:known], total),
        )
        return Film(
            title=title,
            views=views(truth, guess, self.obs, env=self.env),
            told=told,
            actions=self._actions(stretch, window, dream),
            begin=stretch.begin + window.first,
            seen=window.seen,
        )

    def _actions(self, stretch: Stretch, window: Window, dream: Dream) -> list[str]:
        """The action before each moment in words; empty before the first one of the stretch."""
        names = envs.action_names(self.env, self.options)
        before = range(max(0, window.first - 1), window.start)
        taken = [{key: x[t] for key, x in stretch.action.items()} for t in before]
        taken += [{key: x[h] for key, x in dream.action.items()} for h in range(len(dream.reward))]
        return [""] * (window.first == 0) + [action_text(each, names) for each in taken]


def limited(obs: Spaces) -> tuple[Spaces, list[str]]:
    """The first observations of each kind, as many as a frame has room for; the other keys."""
    left = {field: dict(list(getattr(obs, field).items())[:most]) for field, most in MOST.items()}
    shown = Spaces(**left)
    return shown, sorted(obs.keys - shown.keys)


def views(
    truth: dict[str, np.ndarray],
    dream: dict[str, np.ndarray],
    obs: Spaces,
    *,
    env: str,
) -> list[View]:
    """Every observation as it is drawn: pictures first, then texts, numbers and entries.

    Args:
      truth: [T', ...] for each key, T' at most T; nothing is known of the others.
      dream: [T, ...] for each key.
      obs: the spaces of the observations.
      env: name of the environment, which says how its texts are written.
    """
    found = list[View]()
    for key in obs.images:
        pair = [np.stack([newest_frame(x) for x in each[key]]) for each in (truth, dream)]
        found.append(_pictures(key, *pair))
    for key, (*_, classes) in obs.symbols.items():
        known = _repeated(truth[key], len(dream[key]))
        pair = [_boards(each, classes) for each in (known, dream[key])]
        found.append(Pictures(key, *pair, wrong=(known != dream[key]).any(-1)))
    for key, (_, alphabet) in obs.texts.items():
        letters, columns = signs(env, alphabet=alphabet)
        pair = [written(each[key], letters, columns=columns) for each in (truth, dream)]
        found.append(_texts(key, *pair))
    for key in obs.vectors:
        dreamt = dream[key].astype(np.float64)
        found.append(Numbers(key, _padded(truth[key], len(dreamt)), dreamt))
    for key, classes in sorted(
        {**obs.choices, **{k: (2,) * n for k, n in obs.bits.items()}}.items()
    ):
        found.append(Entries(key, _repeated(truth[key], len(dream[key])), dream[key], classes))
    return found


def _pictures(key: str, truth: np.ndarray, dream: np.ndarray) -> Pictures:
    return Pictures(key, _repeated(truth, len(dream)), dream)


def _boards(symbols: np.ndarray, classes: int) -> np.ndarray:
    return np.stack([painted(x.astype(np.int64), classes=classes) for x in symbols])


def signs(env: str, *, alphabet: int) -> tuple[list[str], int]:
    """A letter for each code of a text, and letters in a row.

    Codes of which the environment does not say how they are written have letters as well, so that
    different ones look different. 0 is a blank, as after the end of a text.
    """
    letters, columns = envs.glyphs(env, alphabet=alphabet)
    if len(set(letters)) < 3:
        known = WORD if alphabet == len(WORD) + 2 else PRINTABLE
        letters = ["", *(known[i % len(known)] for i in range(alphabet - 1))]
    return letters, columns or COLUMNS


def written(codes: np.ndarray, letters: Sequence[str], *, columns: int) -> np.ndarray:
    """Codes [T, length] as characters [T, rows, columns]; blanks at the end of the last row."""
    table = np.array([letter.translate(FONT_SUBSTITUTES)[:1] or " " for letter in letters])
    columns = min(columns, codes.shape[1])
    rows = -(-codes.shape[1] // columns)
    padded = np.full((len(codes), rows * columns), " ", "<U1")
    padded[:, : codes.shape[1]] = table[codes]
    return padded.reshape(len(codes), rows, columns)


def _texts(key: str, truth: np.ndarray, dream: np.ndarray) -> Texts:
    """A text without the rows that have no letter at any time."""
    used = (truth != " ").sum((0, 2)) + 1e-3 * (dream != " ").sum((0, 2))
    rows = np.sort(np.argsort(-used, kind="stable")[: max(1, min(ROWS, (used > 0).sum()))])
    return Texts(key, _repeated(truth[:, rows], len(dream)), dream[:, rows])


def _rows(tree: Any, index: np.ndarray) -> Any:
    return jax.tree.map(lambda x: x[index], tree)


def _joined(seen: np.ndarray, dreamt: np.ndarray) -> np.ndarray:
    return np.concatenate([seen, dreamt]).astype(np.float64)


def _padded(known: np.ndarray, total: int) -> np.ndarray:
    """[T', ...] as [T, ...] floats, NaN at the end."""
    missing = np.full((total - len(known), *known.shape[1:]), np.nan)
    return np.concatenate([known.astype(np.float64), missing])


def _repeated(known: np.ndarray, total: int) -> np.ndarray:
    """[T', ...] as [T, ...], with the last one again at the end."""
    return known[np.minimum(np.arange(total), len(known) - 1)]
