"""One environment among several that are stepped together: what it does, and what comes of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol


class Outcome(NamedTuple):
    """What one action led to in one copy."""

    obs: Any  # as the copy's own observation space describes it
    reward: float
    terminated: bool  # the episode truly ended
    truncated: bool  # the episode was cut off, for example by a time limit
    events: Mapping[str, float] = MappingProxyType({})  # those that happened, of the event keys
    milestones: tuple[str, ...] = ()  # names of those that the episode reached for the first time
    state: Any = None  # where later episodes may begin, if they may (see `envs.vector.frontier`)


class EnvCopy(Protocol):
    """One environment. Work is asked for first and fetched later, so that copies can overlap."""

    def prepare(self, seed: int) -> None:
        """Asks for the episode of this seed; the episode being played goes on undisturbed."""
        ...

    def begin(self) -> Any:
        """Enters the prepared episode and returns its first observation."""
        ...

    def send(self, action: Any) -> None:
        """Asks for one step; `action` is an element of the copy's own action space."""
        ...

    def receive(self) -> Outcome:
        """Returns what the action sent last led to."""
        ...

    def restart(self) -> None:
        """Starts anew after CopyFailed: nothing is prepared. Not called on other copies."""
        ...

    def close(self) -> None:
        """Frees whatever the copy holds."""
        ...


class CopyFailed(Exception):
    """Raised by `begin` and `receive`: the copy crashed or hangs; the message has its traceback."""
