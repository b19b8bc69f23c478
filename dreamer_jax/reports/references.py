"""Scores that those of a run are compared with."""

from typing import NamedTuple


class Scale(NamedTuple):
    """Known scores of a task; None for what is not known."""

    random: float | None = None  # of random actions
    human: float | None = None
    largest: float | None = None  # that is possible
    success: float | None = None  # share of episodes that random actions solve

    def lines(self) -> dict[str, float]:
        """Label -> score, for a chart of scores."""
        named = {"random actions": self.random, "human": self.human, "largest score": self.largest}
        return {label: score for label, score in named.items() if score is not None}

    def normalized(self, score: float) -> float | None:
        """The score where random actions are 0 and a human is 1; None without both."""
        if self.random is None or self.human is None or self.random == self.human:
            return None
        return (score - self.random) / (self.human - self.random)


UNKNOWN = Scale()
