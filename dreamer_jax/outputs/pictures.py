"""Pictures of what a world model predicts."""

import numpy as np

SEQUENCES = 4  # in a picture
TIMES = 8  # steps of each sequence
FILM_RATE = 10.0  # steps in each second of a film
BORDER = 2  # pixels between truth and prediction
WHITE, RED = (255, 255, 255), (255, 0, 0)


def picture(view: np.ndarray) -> np.ndarray:
    """Lays truth and prediction out on one sheet: [2, T, B, h, w, c] uint8 -> [h', w', 3] uint8.

    Each sequence is a pair of rows with the truth above. Time runs to the right. The model saw the
    sequence up to the red line in the middle; right of it, it predicts from the actions alone.
    """
    times = np.rint(np.linspace(0, view.shape[1] - 1, TIMES)).astype(int)
    view = _in_color(view[:, times, :SEQUENCES])
    _, t, n, h, w, c = view.shape
    sheet = view.transpose(2, 0, 3, 1, 4, 5).reshape(n * 2 * h, t * w, c)
    sheet[:, t // 2 * w - 1 : t // 2 * w + 1] = RED
    return sheet


def film(view: np.ndarray) -> np.ndarray:
    """Shows truth and prediction side by side: [2, T, B, h, w, c] uint8 -> [T, h', w', 3] uint8.

    Each sequence is a row with the truth on the left. The line in the middle is white while the
    model sees the sequence, and red where it predicts from the actions alone.
    """
    truth, predicted = _in_color(view[:, :, :SEQUENCES])
    steps, n, h, w, c = truth.shape
    line = np.empty((steps, n * h, BORDER, c), np.uint8)
    line[: steps // 2], line[steps // 2 :] = WHITE, RED
    left, right = (x.reshape(steps, n * h, w, c) for x in (truth, predicted))
    return np.concatenate([left, line, right], 2)


def _in_color(view: np.ndarray) -> np.ndarray:
    """The newest of stacked frames, [..., c] -> [..., 3] uint8."""
    view = view.astype(np.uint8)
    return view[..., -3:] if view.shape[-1] % 3 == 0 else np.repeat(view[..., -1:], 3, -1)
