"""Environments stepped by threads, for emulators that release Python's lock."""

import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from envs.explained import explained
from envs.vector.copy_protocol import CopyFailed, Outcome


class Playable(Protocol):
    """A single environment; an episode is a function of its seed and its actions.

    Threads call it one at a time. The caller may keep observations.
    """

    def start(self, seed: int) -> Any:
        """Begins the episode of this seed and returns its first observation."""
        ...

    def step(self, action: Any) -> Outcome:
        """Takes one step."""
        ...

    def close(self) -> None:
        """Frees the environment's resources."""
        ...


def pool(num_envs: int, name: str) -> ThreadPoolExecutor:
    """Threads for `num_envs` copies, at most one a processor; debuggers show `name`."""
    return ThreadPoolExecutor(min(num_envs, os.cpu_count() or 1), name)


class ThreadCopy:
    """An `EnvCopy` of an environment stepped by one of several threads."""

    def __init__(self, game: Playable, threads: ThreadPoolExecutor):
        """Takes ownership of both. Several copies may share `threads`; each closes it."""
        self._game = game
        self._threads = threads
        self._seed: int | None = None  # of the next episode, as soon as it is known
        self._awaited: int | None = None  # seed of the episode started but not begun
        self._playing = False
        self._work: Future[Any] | None = None  # never two at once, since they share the game

    def prepare(self, seed: int) -> None:
        """Lets a thread start the episode at once unless another is running."""
        self._seed = seed
        if not self._playing and self._awaited != seed:
            self._start()

    def begin(self) -> Any:
        """Waits for the first observation. Raises CopyFailed."""
        if self._awaited != self._seed:
            self._start()
        obs = self._result()
        self._seed, self._awaited, self._playing = None, None, True
        return obs

    def send(self, action: Any) -> None:
        """Lets a thread take the step."""
        self._work = self._threads.submit(self._game.step, action)

    def receive(self) -> Outcome:
        """Waits for the end of the step. Raises CopyFailed."""
        outcome = self._result()
        if outcome.terminated or outcome.truncated:
            # The next episode begins while the agent learns from the end of this one.
            self._playing = False
            if self._seed is not None:
                self._start()
        return outcome

    def restart(self) -> None:
        """Forgets all requests. Each episode begins from scratch, so nothing else is needed."""
        self._awaited, self._playing = None, False

    def close(self) -> None:
        """Stops the threads and closes the environment."""
        self._threads.shutdown()
        self._game.close()

    def _start(self) -> None:
        if self._work is not None:
            wait([self._work])  # its result is not needed any more
        assert self._seed is not None, "no episode was prepared"
        self._awaited = self._seed
        self._work = self._threads.submit(self._game.start, self._seed)

    def _result(self) -> Any:
        assert self._work is not None, "no work was requested"
        work, self._work = self._work, None
        try:
            return work.result()
        except Exception as error:
            raise CopyFailed(explained(error)) from None
