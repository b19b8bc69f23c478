"""The interface of one environment among several that are stepped together."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol


class Outcome(NamedTuple):
    """The result of one action in one copy."""

    obs: Any  # an element of the copy's own observation space
    reward: float
    terminated: bool  # the episode ended and was not cut off
    truncated: bool  # the episode was cut off, for example by a time limit
    events: Mapping[str, float] = MappingProxyType({})  # event key -> value; missing keys are 0
    milestones: tuple[str, ...] = ()  # those the episode reached for the first time
    state: Any = None  # where later episodes may begin (see `envs.vector.frontier`)


class EnvCopy(Protocol):
    """One environment. Work is requested first and fetched later, so that copies overlap."""

    def prepare(self, seed: int) -> None:
        """Requests the episode of this seed; the running episode continues undisturbed."""
        ...

    def begin(self) -> Any:
        """Begins the prepared episode and returns its first observation."""
        ...

    def send(self, action: Any) -> None:
        """Requests one step; `action` is an element of the copy's own action space."""
        ...

    def receive(self) -> Outcome:
        """Returns the result of the last action."""
        ...

    def restart(self) -> None:
        """Restarts after CopyFailed, with no episode prepared. Only called on failed copies."""
        ...

    def close(self) -> None:
        """Frees the copy's resources."""
        ...


class CopyFailed(Exception):
    """Raised by `begin` and `receive`: the copy crashed or hangs. Its message is one line."""


class Unexpected(CopyFailed):
    """The copy works, but it returned what it did not declare (see `envs.arrivals`)."""


class NotFinite(Unexpected):
    """A number is NaN, infinite, or too large."""
