"""What failures of copies cost: an episode each, and the run after too many in a row."""

import numpy as np

from envs.vector.copy_protocol import CopyFailed, NotFinite
from envs.vector.news import warn

PATIENCE = 10  # consecutive failures of a copy, each in another episode, that end the run
LOUD = 20  # failures that are told one by one; of the later ones, the 32nd, 64th, ...


class EnvironmentFailed(RuntimeError):
    """A copy failed again and again; the message names it, its episode and step, in one line."""


class Failures:
    """Counts the failures of E copies, and tells them in one line each."""

    def __init__(self, num_envs: int, *, name: str, patient: bool):
        """Begins without a failure.

        Args:
            num_envs: E.
            name: of the environment, in messages.
            patient: whether a run lives with numbers that are not finite.
        """
        self.count = 0
        self.fatal = ""  # the failure that ends the run, in one line; empty while there is none
        self._name = name
        self._patient = patient
        self._in_a_row = np.zeros(num_envs, np.int64)  # since the last finished episode

    def add(self, row: int, error: CopyFailed, *, episode: int, steps: int) -> None:
        """Counts a failure; sets `fatal` if the copy failed too often.

        An episode that took steps until a number was not finite does not count: simulations that
        explode are lived with.

        Args:
            row: index of the copy.
            error: its message is one line.
            episode: number of the episode.
            steps: of the episode, the failed one included; 0 if it did not begin.
        """
        when = f"at step {steps}" if steps else "when it began"
        text = f"{self._name} {row}, episode {episode}, {when}: {error}"
        infinite = isinstance(error, NotFinite)
        self._in_a_row[row] += not infinite or steps < 2
        if (infinite and not self._patient) or self._in_a_row[row] >= PATIENCE:
            again = f" ({n} failures in a row)" if (n := self._in_a_row[row]) > 1 else ""
            self.fatal = self.fatal or text + again
            return
        self.count += 1
        if self.count <= LOUD or self.count & (self.count - 1) == 0:
            warn(f"{text}; the next episode begins (failure {self.count})")

    def finished(self, rows: np.ndarray) -> None:
        """The copies of the rows [E] bool have finished an episode without a failure."""
        self._in_a_row[rows] = 0
