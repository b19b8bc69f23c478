"""How far an evaluation has come: a line now and then, none for a quick one."""

import time

from dreamer_jax.outputs.say import Say

LINE_SECONDS = 10.0  # between two lines


class EvaluationProgress:
    """Counts the steps and the finished episodes of one evaluation."""

    def __init__(self, say: Say, *, episodes: int) -> None:
        """Begins now.

        say: prints a line.
        episodes: how many are played in all.
        """
        self._say, self._episodes = say, episodes
        self._said = time.monotonic()

    def tick(self, *, steps: int, finished: int) -> None:
        """Says how far it is if the interval has passed; cheap to call.

        steps: taken so far, over all environments. finished: episodes.
        """
        if time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self._say(f"evaluation: {finished} of {self._episodes} episodes, {steps:,} steps")

    def cut(self, *, steps: int, finished: int) -> None:
        """Says that the evaluation ends although episodes do not.

        steps: of each environment. finished: episodes.
        """
        text = f"evaluation: cut off after {steps:,} steps of each environment, with {finished} of"
        text = f"{text} {self._episodes} episodes finished; those that run count as they are"
        self._say(f"{text}; an option such as env.max_steps ends episodes earlier")
