"""Serves a page of this machine, in which a person and the agent play the game and its dream."""

import json
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import numpy as np

from dreamer_jax.commands.browser_page import described, model_of, one_env
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.options import decide
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.environment import Timestep
from dreamer_jax.playable import folder, server, session
from dreamer_jax.playable.session import Session, World
from dreamer_jax.run import manifest, spaces_record
from dreamer_jax.spaces import Spaces
from envs.vector.failures import EnvironmentFailed


def playing(flags: Flags) -> Callable[[], None]:
    """Prepares to play with the newest checkpoint, in a browser on this machine."""
    setup = decide(flags)
    saved = restored(setup)
    model = model_of(saved, setup)
    env = one_env(setup)
    page = described(setup, env, step=saved.step) | {"backend": "local"}
    files = folder.web_files() | {folder.DESCRIPTION: json.dumps(page).encode()}

    def begin(episode: int) -> Timestep:
        return alive(env.reset(np.array([episode])))

    def alive(timestep: Timestep) -> Timestep:
        if env.failure:
            raise EnvironmentFailed(env.failure)
        return timestep

    def play() -> None:
        with closing(env), suppress(KeyboardInterrupt):
            world = session.world(
                model,
                saved.state,
                saved.agent.player.carry(1),
                begin=begin,
                step=lambda action: alive(env.step(action)),
                seed=setup.seed,
            )
            actions = spaces_record.spaces_of(manifest.read(setup.logdir)).act
            answer = Answers(world, actions)
            answer.compile()
            server.serve(
                files,
                answer,
                port=flags.port or 0,
                say=lambda url: print(f"{url} plays {setup.env}; Ctrl-C ends", flush=True),
            )

    return play


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
