"""Pictures of what a world model predicts."""

import numpy as np

SEQUENCES = 4  # in a picture
TIMES = 8  # steps of each sequence


def picture(view: np.ndarray) -> np.ndarray:
    """Lays truth and prediction out on one sheet: [2, T, B, h, w, c] uint8 -> [h', w', 3] uint8.

    Each sequence is a pair of rows with the truth above. Time runs to the right. The model saw the
    sequence up to the red line in the middle; right of it, it predicts from the actions alone.
    """
    times = np.rint(np.linspace(0, view.shape[1] - 1, TIMES)).astype(int)
    view = view[:, times, :SEQUENCES].astype(np.uint8)
    view = view[..., -3:] if view.shape[-1] % 3 == 0 else np.repeat(view[..., -1:], 3, -1)
    _, t, n, h, w, c = view.shape
    sheet = view.transpose(2, 0, 3, 1, 4, 5).reshape(n * 2 * h, t * w, c)
    sheet[:, t // 2 * w - 1 : t // 2 * w + 1] = (255, 0, 0)
    return sheet
