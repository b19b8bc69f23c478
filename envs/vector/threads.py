"""An environment whose work is done by threads, for emulators that let Python run meanwhile."""

import os
import traceback
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from envs.vector.copy_protocol import CopyFailed, Outcome


class Playable(Protocol):
    """A single environment; an episode is a function of its seed and its actions.

    Threads call it one after the other. Observations are the caller's to keep.
    """

    def start(self, seed: int) -> Any:
        """Begins the episode of this seed and returns its first observation."""
        ...

    def step(self, action: Any) -> Outcome:
        """Takes one step."""
        ...

    def close(self) -> None:
        """Frees what the environment holds."""
        ...


def pool(num_envs: int, name: str) -> ThreadPoolExecutor:
    """Threads for `num_envs` copies, no more than there are processors; `name` shows in tools."""
    return ThreadPoolExecutor(min(num_envs, os.cpu_count() or 1), name)


class ThreadCopy:
    """A `EnvCopy` of an environment that works in one of several threads."""

    def __init__(self, game: Playable, threads: ThreadPoolExecutor):
        """Takes over both; `threads` may be shared by several copies, which close it together."""
        self._game = game
        self._threads = threads
        self._seed: int | None = None  # of the episode to begin next, as soon as it is known
        self._awaited: int | None = None  # seed of the episode that is started but not begun
        self._playing = False
        self._work: Future[Any] | None = None  # never two at once: they would share the game

    def prepare(self, seed: int) -> None:
        """Lets a thread start the episode at once unless another is being played."""
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
        """Waits for the step to be done. Raises CopyFailed."""
        outcome = self._result()
        if outcome.terminated or outcome.truncated:
            # The next episode begins while the agent learns from the end of this one.
            self._playing = False
            if self._seed is not None:
                self._start()
        return outcome

    def restart(self) -> None:
        """Has nothing asked for, as in the beginning; each episode begins from nothing anyway."""
        self._awaited, self._playing = None, False

    def close(self) -> None:
        """Stops the threads and closes the environment."""
        self._threads.shutdown()
        self._game.close()

    def _start(self) -> None:
        if self._work is not None:
            wait([self._work])  # whatever has become of it, nobody asks for it any more
        assert self._seed is not None, "no episode was prepared"
        self._awaited = self._seed
        self._work = self._threads.submit(self._game.start, self._seed)

    def _result(self) -> Any:
        assert self._work is not None, "nothing was asked for"
        work, self._work = self._work, None
        try:
            return work.result()
        except Exception:
            raise CopyFailed(traceback.format_exc()) from None
