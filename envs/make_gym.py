"""Makes one Gymnasium environment of its id and options."""

import gymnasium

from envs.extras import install, missing
from envs.gym_options import Options


def single(env_id: str, options: Options, *, copy: int) -> gymnasium.Env:
    """One environment.

    Args:
        env_id: `<id>`, or `<module>:<id>` to import the module first.
        options: of the family.
        copy: number of this copy, 0 to E - 1.

    Raises:
        ValueError: the environment cannot be made; in one line with the remedy, if one is known.
    """
    del copy
    try:
        # The checker warns authors about spaces that `envs.codecs` converts anyway.
        return gymnasium.make(
            env_id, max_episode_steps=options.max_steps or None, disable_env_checker=True
        )
    except (gymnasium.error.Error, ImportError, TypeError, ValueError) as error:
        raise ValueError(f"cannot make 'gym:{env_id}': {_reason(env_id, error)}") from error


def _reason(env_id: str, error: Exception) -> str:
    """One line with the remedy, if one is known."""
    if module := missing(error):
        return f"{module} is not installed: {install(module)}"
    if isinstance(error, gymnasium.error.UnregisteredEnv):
        from envs.suggestions import hint  # here, since it loads the emulator of Atari

        if close := hint(f"gym:{env_id}", ()):
            return f"Gymnasium does not know it; {close}"
    return " ".join(str(error).split())
