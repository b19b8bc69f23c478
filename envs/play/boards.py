"""Grids of symbols as pictures, each symbol in its own color."""

import colorsys

import numpy as np

TURN = 0.618  # of the color circle between two symbols, so that neighbors look different


def painted(symbols: np.ndarray, *, classes: int) -> np.ndarray:
    """[h, w, layers] integers below `classes` -> [h, w, 3] uint8; 0 is black.

    Layers of a cell are mixed: of each primary color, the brightest counts.
    """
    layers = symbols.shape[-1]
    hues = [TURN * i % 1 for i in range(layers * classes)]
    palette = np.array([colorsys.hsv_to_rgb(hue, 0.7, 1) for hue in hues])
    palette[::classes] = 0
    colors = np.rint(255 * palette).astype(np.uint8)
    return colors[symbols + classes * np.arange(layers)].max(-2)
