"""A shuffled order of very many numbers that needs no memory: a keyed permutation."""

import numpy as np

ROUNDS = 6
# Odd constants whose bits look random: those of the finalizer of SplitMix64.
FIRST, SECOND, STEP = (
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
    np.uint64(0x9E3779B97F4A7C15),
)


def shuffled(positions: np.ndarray, count: int, *, seed: int, epoch: int) -> np.ndarray:
    """What stands at some positions of a permutation of 0 .. count - 1.

    A Feistel network permutes the numbers of 2 b bits, with the smallest b whose numbers include
    all below `count`. A result that is too large is permuted again until it is not.

    Args:
        positions: [n] int64, below `count`.
        count: how many numbers are permuted, up to 2^62.
        seed: of the permutation.
        epoch: every epoch has its own permutation.

    Returns:
        [n] int64.
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    key = np.random.SeedSequence((seed, epoch)).generate_state(ROUNDS, np.uint64)
    found = _feistel(positions.astype(np.uint64), key, half)
    while (outside := found >= count).any():
        found[outside] = _feistel(found[outside], key, half)
    return found.astype(np.int64)


def _feistel(values: np.ndarray, key: np.ndarray, half: int) -> np.ndarray:
    """A bijection of the numbers below 2^(2 half)."""
    mask, shift = np.uint64((1 << half) - 1), np.uint64(half)
    left, right = values >> shift, values & mask
    for each in key:
        left, right = right, left ^ (_mixed(right + each) & mask)
    return (left << shift) | right


def _mixed(values: np.ndarray) -> np.ndarray:
    """64 bits that depend on all bits of each value."""
    values = values * STEP
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    return values ^ (values >> np.uint64(31))
