"""Serves a page of this machine, in which a person and the agent play the game and its dream."""

import json
from collections.abc import Callable
from contextlib import closing, suppress

import numpy as np

from dreamer_jax.commands.browser_page import described, model_of, one_env
from dreamer_jax.commands.chosen_checkpoints import load_one
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.options import decide
from dreamer_jax.environment import Timestep
from dreamer_jax.playable import folder, server, session
from dreamer_jax.playable.answers import Answers
from dreamer_jax.run import manifest, spaces_record
from envs.vector.failures import EnvironmentFailed


def playing(flags: Flags) -> Callable[[], None]:
    """Prepares to play with the newest checkpoint, in a browser on this machine."""
    setup = decide(flags)
    saved = load_one(setup, flags.checkpoint)
    model = model_of(saved, setup)
    env = one_env(setup)
    page = described(setup, env, model, step=saved.step) | {"backend": "local"}
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
