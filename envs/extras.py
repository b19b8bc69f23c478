"""Optional packages, and the command that installs each: an extra of this project."""

# Module -> the extra that has it in `setup.py`.
EXTRAS = {
    "Box2D": "box2d",
    "gym_super_mario_bros": "mario",
    "minigrid": "minigrid",
    "mujoco": "mujoco",
    "nes_py": "mario",
    "pyboy": "pokemon",
    "pygame": "play",
}


def install(module: str) -> str:
    """The command that installs `module`, in a checkout of this project.

    Raises:
        KeyError: no extra has it.
    """
    return f'pip install -e ".[{EXTRAS[module]}]"'


def missing(error: BaseException) -> str:
    """The module of `EXTRAS` whose absence caused an error; '' if that is not the cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name in EXTRAS:
            return cause.name
        cause = cause.__cause__ or cause.__context__
    return ""
