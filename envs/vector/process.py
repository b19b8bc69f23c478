"""An environment in its own process: a crash or hang costs an episode, not the run.

Each child is a fresh interpreter. It does not import the parent's program or its imports. It shares
only a pipe with its parent.
"""

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from envs.arrivals import outcome
from envs.drawing import Picture, picture
from envs.explained import explained
from envs.kinds import AnySpace
from envs.vector.copy_protocol import CopyFailed, Outcome

# The arguments are the pipe, the folder with this package, and the parent's module path. The module
# path may have more folders; the first of them may hold another package called `envs`.
CHILD = """
import sys
fd, home, sys.path[:], sys.argv[1:] = int(sys.argv[1]), sys.argv[2], sys.argv[3:], []
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
spec = PathFinder.find_spec("envs", [home])
sys.modules["envs"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["envs"])
from envs.vector.process import serve
serve(fd)
"""
HOME = str(Path(__file__).parents[2])
SCALARS: tuple[type[Any], ...] = (np.generic,)  # of NumPy
GRACE = 5.0  # seconds for a child to close its environment


class ProcessCopy:
    """A Gymnasium environment in a child process, as a `EnvCopy` (see `envs.vector.copy_protocol`).

    The child dies with its parent. It ignores Ctrl-C, which the parent handles. It leads a process
    group, so that processes its environment started end with it.
    """

    def __init__(
        self,
        build: Callable[[], gymnasium.Env],
        *,
        timeout: float,
        warns: bool = False,
        draws: bool = False,
    ):
        """Starts the child without waiting for it.

        Args:
            build: makes the environment in the child, which imports it by name; ValueError in one
                line where it cannot.
            timeout: the environment hangs if it does not answer within this many seconds.
            warns: whether its warnings are shown; one of several copies is enough.
            draws: whether the end of an episode stays to be drawn, until the next one is awaited.
        """
        self._build = build
        self._timeout = timeout
        self._draws = draws
        self._seed = 0
        self._start(warns=warns)

    def prepare(self, seed: int) -> None:
        """Requests the episode at once unless another is running."""
        self._seed = seed
        if not self._playing and self._awaited != seed:
            self._ask("reset", seed)

    def begin(self) -> Any:
        """Waits for the first observation. Raises CopyFailed."""
        if self._awaited != self._seed:
            self._ask("reset", self._seed)
        obs = self._answer()
        self._awaited, self._playing = None, True
        return obs

    def send(self, action: Any) -> None:
        """Requests a step."""
        self._ask("step", action)

    def receive(self) -> Outcome:
        """Waits for the end of the step. Raises CopyFailed."""
        found = outcome(*self._answer())
        if found.terminated or found.truncated:
            # The next episode begins while the agent learns from the end of this one.
            self._playing = False
            if not self._draws:
                self._ask("reset", self._seed)
        return found

    def draw(self) -> Picture:
        """Waits for a picture. Raises CopyFailed."""
        self._ask("draw", None)
        return self._answer()

    def spaces(self) -> tuple[AnySpace, AnySpace]:
        """Waits for the spaces of observations and actions. Raises CopyFailed."""
        self._ask("spaces", None)
        return self._answer()

    def restart(self) -> None:
        """Kills the child and starts a fresh one, without waiting for it."""
        if self._end.detach():
            _end(self._process, self._connection, 0.0)
        self._start()

    def close(self) -> None:
        """Lets the child close its environment; kills it after a grace period."""
        self._end()

    def _start(self, *, warns: bool = False) -> None:
        self._playing = False
        self._awaited: int | None = None  # seed of the episode requested but not begun
        self._number = 0  # of the newest request; older answers are dropped
        self._connection, theirs = Pipe()
        fd = theirs.fileno()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-W", "default" if warns else "ignore"),
                *("-c", CHILD, str(fd), HOME, *sys.path),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=[fd],
            process_group=0,
        )
        theirs.close()
        self._end = weakref.finalize(self, _end, self._process, self._connection, GRACE)
        self._send((self._build, self._timeout))

    def _ask(self, what: str, argument: Any) -> None:
        self._awaited = argument if what == "reset" else None
        self._number += 1
        self._send((self._number, what, argument))

    def _send(self, message: Any) -> None:
        # If the child is dead, `_answer` says so.
        with suppress(OSError):
            self._connection.send(message)

    def _answer(self) -> Any:
        """The answer to the newest request."""
        try:
            while self._connection.poll(self._timeout):
                number, answer = self._connection.recv()
                if number is None:
                    raise CopyFailed(answer)
                if number == self._number:
                    return answer
        except (EOFError, OSError):
            self._end()
            raise CopyFailed(_death(self._process.returncode)) from None
        except CopyFailed:
            raise
        except Exception as error:  # an object that this process cannot make again
            raise CopyFailed(f"what it returned cannot be read: {explained(error)}") from None
        text = f"no answer within {self._timeout:g} seconds (env.timeout)"
        raise CopyFailed(text)


def serve(fd: int) -> None:
    """Runs in the child: makes the environment and answers requests until the pipe closes.

    Requests are (number, 'spaces', None), (number, 'reset', seed), (number, 'step', action) and
    (number, 'draw', None). Answers are (number, spaces of observations and actions), (number, first
    observation), (number, what a step returned without its info) and (number, picture). A failure
    sends (None, one line) and exits.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(fd, False)  # the environment's own processes must not keep the pipe open
    connection = Connection(fd)
    try:
        build, timeout = connection.recv()
        _answer_all(connection, build, 2 * timeout)
    except BaseException as error:
        with suppress(OSError):  # the parent may be gone
            connection.send((None, _line(error)))
        raise SystemExit(1) from None


def _answer_all(connection: Connection, build: Callable[[], gymnasium.Env], limit: float) -> None:
    _die_after(limit)
    try:
        env = build()
    except ValueError as error:
        raise CopyFailed(str(error)) from error
    while (request := _next(connection)) is not None:
        _die_after(limit)
        number, what, argument = request
        answer = _answered(env, what, argument)
        _die_after(0)  # a large answer blocks until it is read; the parent may be compiling
        connection.send((number, answer))
    _die_after(limit)
    env.close()


def _answered(env: gymnasium.Env, what: str, argument: Any) -> Any:
    if what == "spaces":
        return env.observation_space, env.action_space
    if what == "reset":
        return env.reset(seed=argument)[0]
    if what == "draw":
        return picture(env)
    obs, reward, terminated, truncated, _ = env.step(argument)
    return obs, _plain(reward), _plain(terminated), _plain(truncated)


def _plain(value: Any) -> Any:
    """A scalar of NumPy as one of Python, which takes a tenth of the time to send."""
    return value.item() if isinstance(value, SCALARS) else value


def _line(error: BaseException) -> str:
    return str(error) if isinstance(error, CopyFailed) else explained(error)


def _next(connection: Connection) -> tuple[int, str, Any] | None:
    """The next request; None when the parent has closed the pipe or is gone."""
    _die_after(0)
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        return None


def _die_after(seconds: float) -> None:
    """Ends a process that hangs, even if the parent is gone and no Python code can run."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _end(process: subprocess.Popen[bytes], connection: Connection, grace: float) -> None:
    connection.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    with suppress(ProcessLookupError):  # the whole group may have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _death(code: int) -> str:
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
