"""What a page in a browser must know of a run, and the model that it plays with."""

from typing import Any

import envs
from dreamer_jax.commands.evaluation_players import FINAL, evaluation_env
from dreamer_jax.commands.options import Setup
from dreamer_jax.commands.restored_agents import Restored
from dreamer_jax.run import manifest, spaces_record
from dreamer_jax.types import AnyModel
from envs.play.controls import Controls
from envs.timestep import VectorEnv, natural_rate


def model_of(saved: Restored, setup: Setup) -> AnyModel:
    """The model of an agent, in its explicit form too; ValueError for an agent that lacks one."""
    model = saved.agent.model
    if model is None:
        raise ValueError(f"the agent {setup.agent!r} of {setup.logdir} has no model to dream with")
    if model.explicit is None:
        text = f"the model of the agent {setup.agent!r} has no explicit form"
        raise ValueError(f"{text}: a page shows the policy, and repeats random numbers, with it")
    return model


def one_env(setup: Setup) -> VectorEnv:
    """One copy of the environment of a run; ValueError if it is another than it was."""
    env = evaluation_env(setup, episodes=1, seed=FINAL)
    spaces_record.require_same(setup.logdir, obs_space=env.obs_space, act_space=env.act_space)
    return env


def described(setup: Setup, env: VectorEnv, model: AnyModel, *, step: int) -> dict[str, Any]:
    """The part of model.json that every page needs; `step` is that of the checkpoint.

    A page shows the observations that the model shows.
    """
    spaces = manifest.read(setup.logdir)["spaces"]
    if model.shows is not None:
        shown = {key: spaces["observations"][key] for key in model.shows}
        spaces = spaces | {"observations": shown}
    texts: dict[str, Any] = {}
    for key, space in spaces["observations"].items():
        if space["kind"] == "text":
            letters, columns = envs.glyphs(setup.env, alphabet=space["alphabet"])
            texts[key] = {"glyphs": letters, "columns": columns}
    names = envs.action_names(setup.env, setup.config.env)
    return {
        "env": setup.env,
        "subtitle": f"a world model after {step:,} steps",
        "step_of_checkpoint": step,
        "rate": round(natural_rate(env), 3),
        "spaces": spaces,
        "texts": texts,
        "controls": Controls(env.act_space, names).described(),
    }
