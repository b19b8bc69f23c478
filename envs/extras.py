"""Optional packages, and the command that installs each: mostly an extra of this project."""

import importlib.util

# Module -> the extra that has it in `setup.py`.
EXTRAS = {
    "Box2D": "box2d",
    "dm_control": "dm-control",
    "gym_super_mario_bros": "mario",
    "gymnasium_robotics": "robotics",
    "minigrid": "minigrid",
    "mujoco": "mujoco",
    "nes_py": "mario",
    "pyboy": "pokemon",
    "pygame": "play",
    "shimmy": "dm-control",
}
# Module -> the package that has it, where no extra does.
PACKAGES = {
    "flappy_bird_gymnasium": "flappy-bird-gymnasium",
    "gym": "gym",
    "gym_aloha": "gym-aloha",
    "gym_pusht": "gym-pusht",
    "gym_xarm": "gym-xarm",
    "highway_env": "highway-env",
    "minihack": "minihack",
    "miniwob": "miniwob",
    "miniworld": "miniworld",
    "nle": "nle",
    "panda_gym": "panda-gym",
    "popgym": "popgym",
    "vizdoom": "vizdoom",
}


def install(module: str) -> str:
    """The command that installs `module`, in a checkout of this project.

    Raises:
        KeyError: it is in neither table.
    """
    if module in PACKAGES:
        return f"pip install {PACKAGES[module]}"
    return f'pip install -e ".[{EXTRAS[module]}]"'


def missing(error: BaseException) -> str:
    """The module of a table whose absence caused an error; '' if that is not the cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError):
            name = (cause.name or "").partition(".")[0]
            if name in EXTRAS | PACKAGES and importlib.util.find_spec(name) is None:
                return name
        cause = cause.__cause__ or cause.__context__
    return ""
