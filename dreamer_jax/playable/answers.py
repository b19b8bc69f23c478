"""Answers to the page of the local server: the session, and what each request makes of it."""

from typing import Any

from dreamer_jax.playable import session
from dreamer_jax.playable.session import Session, World
from dreamer_jax.spaces import Spaces


class Answers:
    """Answers the requests of the page; remembers the session between them."""

    def __init__(self, world: World, actions: Spaces) -> None:
        """Begins the first episode."""
        self._world, self._actions = world, actions
        self._session = session.begun(world)

    def compile(self) -> None:
        """Compiles a step of a dream, so that the first one in the page takes no longer."""
        session.stepped(self._world, session.switched(self._session), None)

    def __call__(self, what: str, details: Any) -> dict[str, Any]:
        """The moment after a request; ValueError for an unknown one, or for no valid action."""
        self._session = self._after(what, details)
        return session.session_to_json(self._session)

    def _after(self, what: str, details: Any) -> Session:
        world, now = self._world, self._session
        if what == "step" and isinstance(details, dict):
            action = session.action_from_json(details.get("action"), self._actions)
            return session.stepped(world, now, action)
        if what == "switch":
            return session.switched(now)
        if what == "restart":
            fresh = not now.dream and now.real.step == 0
            return now if fresh else session.restarted(world, now)
        raise ValueError(f"unknown request {what!r}")
